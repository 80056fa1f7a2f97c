/** Daemons in memory, by the exports of the kit alone. */

import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import {
  answeringDaemon,
  dyingDaemon,
  MemoryDaemons,
  memoryPair,
  silentDaemon,
  TestClock,
  testPlugin,
} from '../../host/testing/index.ts';
import { definePlugin, error, ok } from '../../bindings/plugin/index.ts';

const TARGET = { host: '127.0.0.1', port: 783 };
const PLACE = '127.0.0.1:783';
const LIMIT = { timeoutMs: 5_000 };

async function textOf(stream: Duplex): Promise<string> {
  let text = '';
  for await (const block of stream.iterator({ destroyOnReturn: false })) text += String(block);
  return text;
}

describe('a daemon', () => {
  test('answers at its port or its path, and the plugin is told when it is done', async () => {
    const daemons = new MemoryDaemons({
      [PLACE]: answeringDaemon('PONG\r\n'),
      '/run/clamd': answeringDaemon('OK'),
    });
    const port = await daemons.connect(TARGET, LIMIT);
    port.write('PING\r\n');
    expect(await textOf(port)).toBe('PONG\r\n');
    const path = await daemons.connect({ path: '/run/clamd' }, LIMIT);
    path.write('?');
    expect(await textOf(path)).toBe('OK');
    expect(daemons.connections.map(({ target }) => target)).toEqual([TARGET, { path: '/run/clamd' }]);
  });

  test('that nobody has started refuses', async () => {
    const daemons = new MemoryDaemons();
    const refused = { code: 'ECONNREFUSED', message: 'connect ECONNREFUSED 127.0.0.1:783' };
    await expect(daemons.connect(TARGET, LIMIT)).rejects.toMatchObject(refused);
    await expect(daemons.connect({ path: '/run/x' }, LIMIT)).rejects.toThrow('connect ECONNREFUSED /run/x');
    expect(daemons.connections).toHaveLength(2);
  });

  test('that cannot be reached is waited for as long as the clock says, or until nobody wants it', async () => {
    const clock = new TestClock();
    const daemons = new MemoryDaemons({ [PLACE]: 'unreachable' }, clock);
    let isOver = false;
    const late = daemons.connect(TARGET, LIMIT).finally(() => (isOver = true));
    const heard = expect(late).rejects.toThrow('no connection within its time');
    clock.advance(4_999);
    await new Promise((resolve) => setImmediate(resolve));
    expect(isOver).toBe(false);
    clock.advance(1);
    await heard;
    const controller = new AbortController();
    const unwanted = daemons.connect(TARGET, { ...LIMIT, signal: controller.signal });
    controller.abort();
    await expect(unwanted).rejects.toThrow('no connection within its time');
    await expect(daemons.connect(TARGET, { ...LIMIT, signal: controller.signal })).rejects.toThrow(
      'no time is left',
    );
  });

  test('that keeps silent takes what it is told and says nothing', async () => {
    const daemons = new MemoryDaemons({ [PLACE]: silentDaemon });
    const stream = await daemons.connect(TARGET, LIMIT);
    let said = '';
    stream.on('data', (block) => (said += String(block)));
    await new Promise<void>((resolve) => stream.write(Buffer.alloc(1_000_000), () => resolve()));
    expect(said).toBe('');
    expect(daemons.openConnections()).toBe(1);
    stream.destroy();
    await expect.poll(() => daemons.openConnections()).toBe(0);
  });

  test.each([
    ['dies at once', dyingDaemon],
    [
      'throws',
      () => {
        throw new Error('a fault');
      },
    ],
    ['rejects', () => Promise.reject(new Error('a fault'))],
  ])('that %s resets its connection', async (_, daemon) => {
    const daemons = new MemoryDaemons({ [PLACE]: daemon });
    const stream = await daemons.connect(TARGET, LIMIT);
    const [fault] = (await once(stream, 'error')) as [NodeJS.ErrnoException];
    expect(fault.code).toBe('ECONNRESET');
    expect(stream.destroyed).toBe(true);
  });

  test('that is stopped breaks its connections and refuses new ones; another may take its place', async () => {
    const daemons = new MemoryDaemons({ [PLACE]: silentDaemon });
    const stream = await daemons.connect(TARGET, LIMIT);
    const broken = once(stream, 'error');
    daemons.stop(PLACE);
    expect(await broken).toMatchObject([{ code: 'ECONNRESET' }]);
    await expect(daemons.connect(TARGET, LIMIT)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    daemons.listen(PLACE, answeringDaemon('back'));
    const again = await daemons.connect(TARGET, LIMIT);
    again.write('?');
    expect(await textOf(again)).toBe('back');
  });

  test('is what services.connect of a plugin leads to', async () => {
    const plugin = definePlugin({
      name: 'asker',
      about: 'Asks a daemon.',
      hooks: {
        async connect({ services }) {
          try {
            const stream = await services.connect(TARGET, LIMIT);
            stream.write('?');
            return ok(await textOf(stream));
          } catch (cause) {
            return error((cause as Error).message);
          }
        },
      },
    });
    const { ask } = testPlugin(plugin, { daemons: { [PLACE]: answeringDaemon('yes') } });
    expect((await ask('connect')).lines).toEqual(['yes']);
    const alone = testPlugin(plugin);
    await alone.ask('connect');
    expect(alone.log).toEqual(['[c1] (connect) asker: error, connect ECONNREFUSED 127.0.0.1:783']);
    const late = testPlugin(plugin, { daemons: { [PLACE]: 'unreachable' } });
    const answer = late.ask('connect');
    late.clock.advance(5_000);
    await answer;
    expect(late.log).toEqual(['[c1] (connect) asker: error, no connection within its time']);
  });
});

describe('a connection that is begun without waiting', () => {
  test('stands once the daemon has it, takes octets, and goes on when it is secured', async () => {
    const daemons = new MemoryDaemons({
      [PLACE]: (stream) => void stream.on('data', (line) => stream.write(`re: ${String(line)}`)),
    });
    const octets: string[] = [];
    const stream = daemons.connect.begin(TARGET, { onOctets: (block) => void octets.push(String(block)) });
    await once(stream, 'connect');
    stream.unref().write('STARTTLS');
    await expect.poll(() => octets).toEqual(['re: STARTTLS']);
    daemons.peer = { chain: [], distrust: 'self-signed', hasName: false };
    const secured = await daemons.connect.secure(stream, { serverName: 'x.example' });
    expect(secured.peer.distrust).toBe('self-signed');
    secured.stream.write('QUIT');
    await expect.poll(() => octets).toEqual(['re: STARTTLS', 're: QUIT']);
  });

  test('fails with an error where nobody listens, and stays under way where nobody answers', async () => {
    const daemons = new MemoryDaemons({ '/run/none': 'unreachable' });
    const [fault] = (await once(daemons.connect.begin(TARGET), 'error')) as [NodeJS.ErrnoException];
    expect(fault.code).toBe('ECONNREFUSED');
    const stream = daemons.connect.begin({ path: '/run/none' });
    await new Promise((resolve) => setImmediate(resolve));
    expect([stream.destroyed, daemons.openConnections()]).toEqual([false, 0]);
  });
});

describe('a pair', () => {
  test('holds up the writer until the reader goes on', async () => {
    const [one, other] = memoryPair();
    let written = 0;
    const blocks = 64;
    for (let block = 0; block < blocks; block++) one.write(Buffer.alloc(16_384), () => written++);
    await new Promise((resolve) => setImmediate(resolve));
    expect(written).toBeLessThan(blocks);
    expect(one.writableNeedDrain).toBe(true);
    other.resume();
    await expect.poll(() => written).toBe(blocks);
    expect(one.writableNeedDrain).toBe(false);
  });

  test('closes one direction and keeps the other', async () => {
    const [one, other] = memoryPair();
    one.end('question');
    expect(await textOf(other.setEncoding('latin1'))).toBe('question');
    other.write('answer');
    other.end();
    expect(await textOf(one)).toBe('answer');
  });

  test('an end that is destroyed is the end of input for the other, which can write no more', async () => {
    const [one, other] = memoryPair();
    one.write('last words');
    let heard = '';
    other.on('data', (block) => (heard += String(block)));
    const ended = once(other, 'end');
    await new Promise((resolve) => setImmediate(resolve));
    one.destroy();
    await ended;
    expect(heard).toBe('last words');
    const failed = once(other, 'error');
    other.write('hello?');
    expect(await failed).toMatchObject([{ code: 'EPIPE' }]);
  });
});
