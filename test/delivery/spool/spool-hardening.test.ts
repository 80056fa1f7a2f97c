/** What a spool does not put up with: hops that talk without end, folders of others, files nobody can read. */

import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SpoolIndex } from '../../../host/spool/index/spool-index.ts';
import { SpoolFolder } from '../../../host/spool/files/spool-folder.ts';
import { folder } from '../../message/folder.ts';
import { deferred, delivered, refused } from './fake-outlet.ts';
import { DAY, drain, givenSpool, HOUR, MINUTE, mailWith } from './given-spool.ts';

const files = (path: string): string[] => readdirSync(join(path, 'new'));

describe('a folder that is there', () => {
  it('is refused where others may write, and left as it is', () => {
    const path = folder();
    chmodSync(path, 0o777);
    expect(() => new SpoolFolder(path).prepare()).toThrow('can be written by others');
    expect(statSync(path).mode & 0o777).toBe(0o777);
  });

  it('is left as it is behind a symbolic link too', () => {
    const target = folder();
    chmodSync(target, 0o755);
    const path = join(folder(), 'link');
    symlinkSync(target, path);
    expect(() => new SpoolFolder(path).prepare()).toThrow('is a symbolic link');
    expect(statSync(target).mode & 0o777).toBe(0o755);
  });

  it('is made with all that is missing above it, for this user alone', () => {
    const top = folder();
    const path = join(top, 'a', 'b');
    new SpoolFolder(path).prepare();
    for (const name of ['.', 'new', 'tmp', 'damaged'])
      expect(statSync(join(path, name)).mode & 0o777).toBe(0o700);
  });
});

describe('what happened to a message', () => {
  it('stays short whatever the hop says', async () => {
    const { spool, outlet, path } = givenSpool();
    const to = Array.from({ length: 500 }, (_, index) => `a${index}@x.example`);
    outlet.answer = (mailbox) => {
      const lines = Array.from({ length: 8 }, (_, line) => `${mailbox} ${line} ${'x'.repeat(1_500)}`);
      return { ...deferred, reply: { ...deferred.reply, lines } };
    };
    await spool.deliver(mailWith({ to }));
    const [id] = files(path);
    const before = statSync(join(path, 'new', id!)).size;
    await drain(spool, outlet);
    expect(outlet.attempts).toBe(1);
    expect(statSync(join(path, 'new', id!)).size - before).toBeLessThan(200_000);
  });

  it('counts towards the octets that the spool may hold', async () => {
    const { spool, outlet, path, pass } = givenSpool({ maxOctets: 20_000, delayNoticeMs: 0 });
    outlet.answer = (mailbox) => ({ ...deferred, reply: { ...deferred.reply, lines: [mailbox.repeat(40)] } });
    const to = Array.from({ length: 50 }, (_, index) => `a${index}@x.example`);
    await spool.deliver(mailWith({ to }));
    const [before] = await spool.deliver(mailWith({ to: ['b@y.example'] }));
    await pass(DAY, 30 * MINUTE);
    const [after] = await spool.deliver(mailWith({ to: ['c@z.example'] }));
    expect([before!.reply.code, after!.reply.code]).toEqual([250, 452]);
    const octets = files(path).map((id) => statSync(join(path, 'new', id)).size);
    const index = await SpoolIndex.open(join(path, 'index'));
    expect(index.totals()).toEqual({ messages: 2, octets: octets[0]! + octets[1]! });
    outlet.answer = () => delivered;
    await pass(DAY, 30 * MINUTE);
    expect(index.totals()).toEqual({ messages: 0, octets: 0 });
    await index.close();
  });

  it('ends at 1 MiB, but for who has got the message', async () => {
    const { spool, outlet, path, pass } = givenSpool({ delayNoticeMs: 0 });
    outlet.answer = () => deferred;
    await spool.deliver(mailWith({ to: ['a@x.example', 'b@x.example'] }));
    const [id] = files(path);
    appendFileSync(join(path, 'new', id!), `${'x'.repeat(1_048_576)}\n`);
    const { size } = statSync(join(path, 'new', id!));
    await pass(HOUR);
    expect(outlet.attempts).toBeGreaterThan(2);
    expect(statSync(join(path, 'new', id!)).size).toBe(size);
    outlet.answer = (mailbox) => (mailbox === 'a@x.example' ? delivered : deferred);
    await pass(DAY, 30 * MINUTE);
    expect(outlet.deliveries.map(({ to }) => to)).toEqual([['a@x.example']]);
    expect(statSync(join(path, 'new', id!)).size).toBeLessThan(size + 1_000);
  });

  it('counts to its end, however long it is', async () => {
    const { spool, outlet, path, pass } = givenSpool();
    await spool.deliver(mailWith({ to: ['a@x.example', 'b@x.example'] }));
    const [id] = files(path);
    for (let count = 0; count < 17; count++)
      appendFileSync(join(path, 'new', id!), `${'x'.repeat(1_048_576)}\n`);
    outlet.answer = (mailbox) => (mailbox === 'a@x.example' ? delivered : deferred);
    await drain(spool, outlet);
    await pass(20 * MINUTE);
    expect(outlet.attempts).toBeGreaterThan(2);
    expect(outlet.deliveries.map(({ to }) => to)).toEqual([['a@x.example']]);
  });

  it('is known of those who have it, also while the sender of the others cannot be told', async () => {
    const { spool, outlet, path, pass } = givenSpool();
    outlet.answer = (mailbox) => {
      if (mailbox === 's@c.example') return delivered;
      rmSync(join(path, 'tmp'), { recursive: true, force: true });
      writeFileSync(join(path, 'tmp'), '');
      return mailbox === 'a@x.example' ? delivered : refused;
    };
    await spool.deliver(mailWith({ to: ['a@x.example', 'b@x.example'] }));
    await drain(spool, outlet);
    await pass(6 * MINUTE);
    expect(outlet.attempts).toBeGreaterThan(1);
    expect(outlet.deliveries.map(({ to }) => to)).toEqual([['a@x.example']]);
  });
});

it('an envelope that could not be read again is not acknowledged', async () => {
  const { spool, path } = givenSpool();
  const to = Array.from(
    { length: 100_000 },
    (_, index) => `${'a'.repeat(60)}${index}@${'x'.repeat(50)}.example`,
  );
  const report = await spool.deliver(mailWith({ to }));
  expect(report[0]).toMatchObject({ kind: 'deferred', reply: { code: 451 } });
  expect(files(path)).toEqual([]);
});

it('a file that cannot be read does not keep the others waiting after a crash', async () => {
  const first = givenSpool();
  for (let count = 0; count < 5; count++) {
    await first.spool.deliver(mailWith({ to: ['a@x.example'] }));
    mkdirSync(join(first.path, 'new', `${count}`.repeat(20)));
  }
  await first.spool.close(0);
  rmSync(join(first.path, 'index'), { recursive: true });
  const again = givenSpool({}, { path: first.path, clock: first.clock });
  await drain(again.spool, again.outlet);
  expect(again.outlet.deliveries).toHaveLength(5);
  expect(again.log.filter((line) => line.includes("can't be read"))).toHaveLength(5);
});
