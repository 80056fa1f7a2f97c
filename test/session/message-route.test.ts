/** A route of its own kind goes through the session by the interface alone: one that stages the message while it comes. */

import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ContentSink } from '../../bindings/plugin/cut-through.ts';
import {
  definePlugin,
  deny,
  denySoft,
  ok,
  type PluginDefinition,
  type Recipient,
  type Verdict,
} from '../../bindings/plugin/index.ts';
import type { MessageRoute } from '../../host/session/message-route.ts';
import type { Session } from '../../host/session/session.ts';
import { TestServer } from '../../host/testing/index.ts';
import { until } from '../patience.ts';

const servers: TestServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

/** Writes what comes to a stage; it counts once `finish` has put it in place. */
class StagingRoute implements MessageRoute, ContentSink {
  readonly decidedBy = 'stage';
  readonly wantsHeader = true;
  readonly calls: string[] = [];
  readonly delivered: string[] = [];
  staged = '';
  /** What `drained` waits for. */
  full: Promise<void> | undefined = undefined;

  offer(_session: Session, { address }: Recipient): Verdict | Promise<Verdict> {
    this.calls.push(`offer ${address.localPart}`);
    if (address.localPart === 'full') return denySoft('no room on the stage');
    return address.localPart === 'slow' ? Promise.resolve(ok()) : ok();
  }

  open({ transaction }: Session): Verdict {
    this.calls.push(`open ${transaction.recipients.length}`);
    return ok();
  }

  headerReady({ transaction }: Session): ContentSink | undefined {
    this.calls.push(`header ${transaction.message.header.get('Subject')?.trim()}`);
    return this;
  }

  write(octets: Buffer): void {
    this.staged += octets.latin1Slice();
  }

  drained(): Promise<void> | undefined {
    return this.full;
  }

  finish(): Verdict | Promise<Verdict> {
    this.calls.push('finish');
    this.delivered.push(this.staged);
    return ok('in place');
  }

  reset(): void {
    this.calls.push('reset');
    this.staged = '';
  }

  close(): void {
    this.calls.push('close');
  }
}

const accepting = definePlugin({ name: 'accepting', about: 'Accepts.', hooks: { rcpt: () => ok() } });

async function start(route: MessageRoute, ...plugins: PluginDefinition[]): Promise<TestServer> {
  const server = await TestServer.start({
    plugins: [...plugins, accepting],
    config: { loglevel: '0', databytes: '100000' },
  });
  servers.push(server);
  vi.spyOn(server.server.generation.main, 'openRoute').mockReturnValue(route);
  return server;
}

async function begun(server: TestServer, ...recipients: string[]) {
  const client = await server.greeted();
  await client.say('MAIL FROM:<s@c.example>');
  for (const recipient of recipients) await client.say(`RCPT TO:<${recipient}>`);
  return client;
}

describe('a route that stages the message while it comes', () => {
  test('is asked in order, has the header with its trace before the body is whole, and words the reply', async () => {
    const route = new StagingRoute();
    const client = await begun(await start(route), 'a@x.test', 'slow@x.test');
    expect(await client.say('DATA')).toMatch(/^354 /);
    expect(route.calls).toEqual(['offer a', 'offer slow', 'open 2']);
    client.send('Subject: staged\r\n\r\n..first\r\n');
    await until(() => route.staged.endsWith('\r\n\r\n.first\r\n'));
    expect(route.staged).toMatch(/^Authentication-Results: mx.test/);
    expect(await client.say('second\r\n.')).toBe('250 in place');
    expect(route.delivered).toHaveLength(1);
    expect(route.delivered[0]).toMatch(
      /^Authentication-Results: [^]*\nReceived: [^]*Subject: staged\r\n\r\n\.first\r\nsecond\r\n$/,
    );
    expect(route.calls.slice(3)).toEqual(['header staged', 'finish', 'reset']);
    expect(await client.say('QUIT')).toMatch(/^221 /);
    await until(() => route.calls.includes('close'));
  });

  test('takes a message that comes by BDAT as well', async () => {
    const route = new StagingRoute();
    const client = await begun(await start(route), 'a@x.test');
    expect(await client.say('BDAT 14\r\nSubject: b\r\n')).toMatch(/^250 /);
    expect(route.staged).toMatch(/Subject: b\r\n\r\n$/);
    expect(await client.say('BDAT 6 LAST\r\na\nb\r')).toMatch(/^550 /);
    expect([route.staged, ...route.delivered]).toEqual(['']);
    await client.say('MAIL FROM:<s@c.example>');
    await client.say('RCPT TO:<a@x.test>');
    expect(await client.say('BDAT 14\r\nSubject: b\r\n')).toMatch(/^250 /);
    expect(await client.say('BDAT 5 LAST\r\nend')).toBe('250 in place');
    expect(route.delivered).toHaveLength(1);
    expect(route.delivered[0]).toMatch(/Subject: b\r\n\r\nend\r\n$/);
  });

  test('refuses a recipient by its verdict', async () => {
    const route = new StagingRoute();
    const client = await begun(await start(route));
    expect(await client.say('RCPT TO:<full@x.test>')).toBe('450 no room on the stage');
    expect(await client.say('DATA')).toBe('503 RCPT first');
  });

  test.each([
    ['a plugin has something against it', 'Subject: refused\r\n\r\nx\r\n.', /^552 not this one/],
    ['it has a bare line feed in its body', 'Subject: x\r\n\r\na\nb\r\n.', /^550 Message contains bare/],
    ['it is too big', `Subject: x\r\n\r\n${'x\r\n'.repeat(40_000)}.`, /^552 Message too big/],
  ])('delivers nothing if %s', async (_, content, reply) => {
    const route = new StagingRoute();
    const judging = definePlugin({
      name: 'judging',
      about: 'Judges.',
      hooks: {
        data_post: ({ transaction }) =>
          transaction.message.header.get('Subject')?.includes('refused') === true
            ? deny('not this one')
            : undefined,
      },
    });
    const client = await begun(await start(route, judging), 'a@x.test');
    await client.say('DATA');
    expect(await client.say(content)).toMatch(reply);
    expect(route.calls).not.toContain('finish');
    expect(route.calls.at(-1)).toBe('reset');
    expect([route.staged, ...route.delivered]).toEqual(['']);
  });

  test('holds the client back while it is full', async () => {
    const route = new StagingRoute();
    let empty: () => void = () => undefined;
    route.full = new Promise((resolve) => (empty = resolve));
    const client = await begun(await start(route), 'a@x.test');
    await client.say('DATA');
    client.send('Subject: x\r\n\r\nfirst\r\n');
    await until(() => route.staged.endsWith('first\r\n'));
    client.send('second\r\n.\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    expect(route.staged).toMatch(/first\r\n$/);
    route.full = undefined;
    empty();
    expect(await client.reply()).toBe('250 in place');
    expect(route.delivered[0]).toMatch(/first\r\nsecond\r\n$/);
  });
});

describe('a fault of a route defers', () => {
  const content = 'Subject: x\r\n\r\nx\r\n.';
  const fail = (): never => {
    throw new Error('as asked');
  };

  test.each([
    ['offer', 'RCPT TO:<a@x.test>'],
    ['open', 'DATA'],
    ['finish', content],
  ] as const)('where %s throws or rejects, and the next message goes', async (method, last) => {
    const route = new StagingRoute();
    const server = await start(route);
    for (const fault of [fail, () => Promise.reject(new Error('as asked'))]) {
      const spy = vi.spyOn(route, method).mockImplementation(fault);
      const client = await begun(server);
      for (const command of ['RCPT TO:<a@x.test>', 'DATA', content]) {
        const reply = await client.say(command);
        expect(reply).toMatch(command === last ? /^451 / : /^[23]5[04] /);
        if (command === last) break;
      }
      expect(route.calls.at(-1)).toBe('reset');
      spy.mockRestore();
      await client.say('MAIL FROM:<s@c.example>');
      await client.say('RCPT TO:<a@x.test>');
      await client.say('DATA');
      expect(await client.say(content)).toBe('250 in place');
    }
    expect(route.delivered).toHaveLength(2);
  });

  test.each(['headerReady', 'write'] as const)(
    'where %s throws as the header leaves: the rest of the content is read as content',
    async (method) => {
      const route = new StagingRoute();
      const client = await begun(await start(route), 'a@x.test');
      vi.spyOn(route, method).mockImplementation(fail);
      await client.say('DATA');
      client.send('Subject: x\r\n\r\nRSET\r\n');
      await until(() => route.calls.at(-1) === 'reset');
      expect(await client.say('more\r\n.')).toBe('451 message was not passed on, try again later (#4.3.0)');
      expect(route.delivered).toEqual([]);
    },
  );
});

test('a route may leave the message here until its end, and read it then', async () => {
  const route = new StagingRoute();
  let read = '';
  vi.spyOn(route, 'headerReady').mockReturnValue(undefined);
  vi.spyOn(route, 'finish').mockImplementation(((session: Session) => {
    for (const block of session.transaction.message.blocks('crlf') as Iterable<Buffer>)
      read += block.latin1Slice();
    return ok('read');
  }) as () => Verdict);
  const client = await begun(await start(route), 'a@x.test');
  await client.say('DATA');
  expect(await client.say('Subject: kept\r\n\r\nx\r\n.')).toBe('250 read');
  expect(read).toMatch(/^Authentication-Results: [^]*\nReceived: [^]*Subject: kept\r\n\r\nx\r\n$/);
  expect(route.staged).toBe('');
});
