import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deferred, delivered, FakeOutlet, refused, unreachable } from './fake-outlet.ts';
import { DAY, drain, givenSpool, HOUR, MINUTE, mailWith } from './given-spool.ts';

const files = (path: string): string[] => readdirSync(join(path, 'new'));

describe('a stored message', () => {
  it('is on disk when it is acknowledged, and goes out octet by octet', async () => {
    const { spool, outlet, path } = givenSpool();
    const text = `Subject: one\r\nX-Odd: a\r\n\tb\r\n\r\n.dot\r\n${'x'.repeat(200_000)}\r\nno end`;
    const mail = mailWith({ to: ['a@x.example', 'b@X.example'], text, options: { envid: 'E1' } });
    mail.message.header.prepend('Received', 'from here');
    const report = await spool.deliver(mail);
    expect(report.map(({ kind, reply }) => [kind, reply.code])).toEqual([
      ['delivered', 250],
      ['delivered', 250],
    ]);
    const [id] = files(path);
    expect(report[0]!.reply.lines).toEqual([`Queued as ${id}`]);
    await drain(spool, outlet);
    expect(outlet.deliveries).toMatchObject([
      { id, from: 's@c.example', to: ['a@x.example', 'b@X.example'] },
    ]);
    expect(outlet.deliveries[0]!.text).toBe(`Received: from here\r\n${text}`);
    expect(outlet.deliveries[0]!.mail.mailOptions).toMatchObject({ envid: 'E1', ret: undefined });
    expect(files(path)).toEqual([]);
  });

  it('is tried for each destination by itself, and for those alone who are left', async () => {
    const { spool, outlet, pass } = givenSpool();
    outlet.answer = (mailbox) => (mailbox.startsWith('late') ? deferred : delivered);
    await spool.deliver(mailWith({ to: ['a@x.example', 'late@x.example', 'b@y.example'] }));
    await drain(spool, outlet);
    expect(outlet.deliveries.map(({ to }) => to).sort()).toEqual([['a@x.example'], ['b@y.example']]);
    outlet.answer = () => delivered;
    await pass(4 * MINUTE);
    expect(outlet.deliveries).toHaveLength(2);
    await pass(2 * MINUTE);
    expect(outlet.deliveries[2]).toMatchObject({ to: ['late@x.example'] });
  });

  it('waits twice as long each time, up to the longest pause', async () => {
    const { spool, outlet, clock, pass } = givenSpool({ delayNoticeMs: 0 });
    outlet.answer = () => deferred;
    await spool.deliver(mailWith({ to: ['a@x.example'] }));
    await drain(spool, outlet);
    const start = clock.ms;
    const tries: number[] = [];
    for (let seen = outlet.attempts; clock.ms < start + DAY;) {
      await pass(MINUTE);
      if (outlet.attempts > seen) tries.push((clock.ms - start) / MINUTE);
      seen = outlet.attempts;
    }
    expect(tries.slice(0, 8)).toEqual([5, 15, 35, 75, 155, 315, 555, 795]);
  });
});

describe('a next hop that is down for an hour', () => {
  it('then gets everything, oldest first, over as many connections as allowed', async () => {
    const { spool, outlet, pass, path } = givenSpool({ perDestination: 3, inAll: 5 });
    outlet.answer = () => unreachable;
    const names: string[] = [];
    for (let minute = 0; minute < 60; minute++) {
      for (const domain of ['x.example', 'y.example']) {
        names.push(`${minute}@${domain}`);
        await spool.deliver(mailWith({ to: [`${minute}@${domain}`] }));
      }
      await pass(MINUTE);
    }
    // One try for each pause of a destination, and the first ones, but not one for each message.
    expect(outlet.attempts).toBeLessThan(20);
    outlet.answer = () => delivered;
    outlet.most = 0;
    await pass(HOUR);
    const arrived = outlet.deliveries.flatMap(({ to }) => to);
    expect(arrived).toHaveLength(120);
    for (const domain of ['x.example', 'y.example']) {
      const mine = (list: readonly string[]): string[] => list.filter((name) => name.endsWith(domain));
      const places = mine(arrived).map((name) => mine(names).indexOf(name));
      // Those that are sent side by side may overtake each other on the last steps.
      places.forEach((place, at) => expect(Math.abs(place - at), `${at}@${domain}`).toBeLessThan(3));
    }
    expect(outlet.most).toBeGreaterThan(1);
    expect(outlet.most).toBeLessThanOrEqual(5);
    expect(files(path)).toEqual([]);
  });

  it('is asked by one message at a time while it is down', async () => {
    const { spool, outlet, pass } = givenSpool();
    outlet.answer = () => unreachable;
    for (let count = 0; count < 10; count++) await spool.deliver(mailWith({ to: [`${count}@x.example`] }));
    await drain(spool, outlet);
    const first = outlet.attempts;
    expect(first).toBeLessThanOrEqual(3);
    await pass(5 * MINUTE);
    expect(outlet.attempts).toBe(first + 1);
  });

  it('does not stop other destinations', async () => {
    const { spool, outlet } = givenSpool();
    outlet.answer = (mailbox) => (mailbox.endsWith('down.example') ? unreachable : delivered);
    for (let count = 0; count < 20; count++) {
      await spool.deliver(mailWith({ to: [`${count}@down.example`] }));
      await spool.deliver(mailWith({ to: [`${count}@up.example`] }));
    }
    await drain(spool, outlet);
    expect(outlet.deliveries).toHaveLength(20);
  });

  it('is not kept waiting by one message that always breaks its connection', async () => {
    const { spool, outlet, pass } = givenSpool({ perDestination: 1 });
    outlet.answer = (mailbox) => (mailbox.startsWith('poison') ? unreachable : delivered);
    await spool.deliver(mailWith({ to: ['poison@x.example'] }));
    for (let count = 0; count < 20; count++) await spool.deliver(mailWith({ to: [`${count}@x.example`] }));
    await pass(DAY, 5 * MINUTE);
    expect(outlet.deliveries.filter(({ from }) => from !== '')).toHaveLength(20);
  });
});

describe('limits', () => {
  it('answers 452 4.3.1 when it holds as many messages, or octets, as it may', async () => {
    for (const terms of [{ maxMessages: 2 }, { maxOctets: 60 }, { minFreeOctets: Number.MAX_SAFE_INTEGER }]) {
      const { spool, outlet, log, path } = givenSpool(terms);
      outlet.answer = () => deferred;
      const replies = [];
      for (let count = 0; count < 4; count++) {
        const [outcome] = await spool.deliver(mailWith({ to: ['a@x.example'] }));
        replies.push(outcome!.reply.code);
      }
      expect(replies.at(-1)).toBe(452);
      expect(files(path)).toHaveLength(replies.filter((code) => code === 250).length);
      expect(log.filter((line) => line.includes('takes no more messages'))).toHaveLength(1);
    }
  });

  it('never has more attempts under way than allowed in all', async () => {
    const { spool, outlet } = givenSpool({ perDestination: 3, inAll: 4 });
    let open = (): void => undefined;
    outlet.gate = new Promise((resolve) => (open = resolve));
    for (let count = 0; count < 12; count++)
      await spool.deliver(mailWith({ to: [`a@${count % 3}.example`] }));
    const working = spool.work();
    await expect.poll(() => outlet.attempts).toBeGreaterThanOrEqual(4);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(outlet.attempts).toBe(4);
    open();
    await working;
    await drain(spool, outlet);
    expect(outlet.deliveries).toHaveLength(12);
    expect(outlet.most).toBe(4);
  });
});

describe('what a crash leaves', () => {
  it('a file without an entry is found again, with what has happened to it', async () => {
    const first = givenSpool();
    first.outlet.answer = (mailbox) => (mailbox === 'a@x.example' ? delivered : deferred);
    await first.spool.deliver(mailWith({ to: ['a@x.example', 'b@x.example'] }));
    await first.spool.deliver(mailWith({ to: ['c@y.example'] }));
    await drain(first.spool, first.outlet);
    await first.spool.close(0);
    rmSync(join(first.path, 'index'), { recursive: true });
    const again = givenSpool({}, { path: first.path, clock: first.clock });
    await drain(again.spool, again.outlet);
    expect(again.outlet.deliveries.map(({ to }) => to).sort()).toEqual([['b@x.example'], ['c@y.example']]);
    expect(again.log.join('\n')).toContain('2 messages were found that the index did not know');
    expect(files(again.path)).toEqual([]);
  });

  it('an entry without a file is dropped with a line in the log', async () => {
    const first = givenSpool();
    await first.spool.deliver(mailWith({ to: ['a@x.example'] }));
    const [id] = files(first.path);
    rmSync(join(first.path, 'new', id!));
    await drain(first.spool, first.outlet);
    expect(first.outlet.attempts).toBe(0);
    expect(first.log).toEqual([`warn ${id}: there is no such file in the spool: dropped from the index`]);
  });

  it.each([
    ['the content', (octets: Buffer) => void (octets[octets.length - 5]! ^= 1)],
    ['the envelope', (octets: Buffer) => void (octets[80]! ^= 1)],
    ['the first line', (octets: Buffer) => void (octets[3]! ^= 1)],
  ])('a file in which %s has changed is kept apart and not delivered', async (_, damage) => {
    const { spool, outlet, path, log } = givenSpool();
    await spool.deliver(mailWith({ to: ['a@x.example'] }));
    const [id] = files(path);
    const octets = readFileSync(join(path, 'new', id!));
    damage(octets);
    writeFileSync(join(path, 'new', id!), octets);
    await drain(spool, outlet);
    expect(outlet.deliveries).toEqual([]);
    expect(files(path)).toEqual([]);
    expect(existsSync(join(path, 'damaged', id!))).toBe(true);
    expect(log.join('\n')).toContain(`error ${id}: `);
  });

  it('a file that was cut short is kept apart at the next start', async () => {
    const first = givenSpool();
    await first.spool.deliver(mailWith({ to: ['a@x.example'] }));
    const [id] = files(first.path);
    const path = join(first.path, 'new', id!);
    await first.spool.close(0);
    rmSync(join(first.path, 'index'), { recursive: true });
    writeFileSync(path, readFileSync(path).subarray(0, -3));
    const again = givenSpool({}, { path: first.path });
    await drain(again.spool, again.outlet);
    expect(again.outlet.attempts).toBe(0);
    expect(existsSync(join(first.path, 'damaged', id!))).toBe(true);
  });
});

describe('the end of the server', () => {
  it('calls off what has not reached the data, and leaves it as it was', async () => {
    const first = givenSpool();
    first.outlet.gate = new Promise(() => undefined);
    await first.spool.deliver(mailWith({ to: ['a@x.example'] }));
    void first.spool.work();
    await expect.poll(() => first.outlet.attempts).toBe(1);
    await first.spool.close(10_000);
    const again = givenSpool({}, { path: first.path, clock: first.clock });
    await drain(again.spool, again.outlet);
    expect(again.outlet.deliveries).toHaveLength(1);
  });

  it('an outlet that breaks its promises costs no message', async () => {
    const outlet = new FakeOutlet();
    const { spool, pass, log } = givenSpool({}, { outlet });
    outlet.answer = () => {
      throw new Error('broken');
    };
    await spool.deliver(mailWith({ to: ['a@x.example'] }));
    await drain(spool, outlet);
    expect(log.join('\n')).toContain('the outlet failed: Error: broken');
    outlet.answer = () => delivered;
    await pass(6 * MINUTE);
    expect(outlet.deliveries).toHaveLength(1);
  });
});

it('refused recipients are not tried again, and the sender is told', async () => {
  const { spool, outlet, pass } = givenSpool();
  outlet.answer = (mailbox) => (mailbox === 'a@x.example' ? refused : delivered);
  await spool.deliver(mailWith({ to: ['a@x.example', 'b@x.example'] }));
  await pass(HOUR);
  expect(outlet.deliveries.map(({ from, to }) => [from, ...to])).toEqual([
    ['s@c.example', 'b@x.example'],
    ['', 's@c.example'],
  ]);
});
