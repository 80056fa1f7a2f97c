/** What is left in the index when messages are gone: nothing. */

import { describe, expect, it } from 'vitest';
import type { Address } from '../../../bindings/plugin/index.ts';
import { IndexDatabase } from '../../../host/spool/index/index-database.ts';
import { SpoolIndex } from '../../../host/spool/index/spool-index.ts';
import { delivered, unreachable } from './fake-outlet.ts';
import { DAY, drain, givenSpool, HOUR, mailWith, type GivenSpool } from './given-spool.ts';

const KINDS = ['m/', 's/', 'r/', 'w/', 'a/', 'c/', 'o/', 'd/', 'p/', 'u/'];

/** How many keys there are of each kind, but for those of which there are none. */
async function keysIn(path: string): Promise<Record<string, number>> {
  const database = await IndexDatabase.open(`${path}/index`);
  const counts = KINDS.map(
    (kind) => [kind, database.read((records) => records.keys(kind, 100_000).length)] as const,
  );
  await database.close();
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

describe('a message to more than ten thousand destinations', () => {
  const COUNT = 10_500;
  const destinationOf = ({ mailbox }: Address): string => mailbox;

  async function stored(): Promise<GivenSpool> {
    const given = givenSpool({ destinationOf });
    const to = Array.from({ length: COUNT }, (_, index) => `${index}@x.example`);
    const [outcome] = await given.spool.deliver(mailWith({ to }));
    expect(outcome!.kind).toBe('delivered');
    return given;
  }

  it('leaves no keys behind when it is thrown away', async () => {
    const { spool, outlet, path } = await stored();
    const index = await SpoolIndex.open(`${path}/index`);
    const [[{ id } = { id: '' }] = []] = [...index.messages()];
    expect(await index.remove(id, Date.now())).toBe('removed');
    expect(await keysIn(path)).toEqual({ 'o/': COUNT });
    // Places where nothing waits are left as they are come upon.
    for (let turn = 0; turn < 3; turn++) await spool.work();
    expect(await keysIn(path)).toEqual({});
    expect(outlet.attempts).toBe(0);
    await index.close();
  });

  it('is held as a whole', async () => {
    const { path } = await stored();
    const index = await SpoolIndex.open(`${path}/index`);
    const [[{ id } = { id: '' }] = []] = [...index.messages()];
    await index.setHeld(id, true, Date.now());
    expect([...index.message(id)!.jobs.values()].filter(({ state }) => state !== 'held')).toEqual([]);
    expect((await keysIn(path))['r/']).toBeUndefined();
    await index.close();
  });
});

describe('a destination that was never reached while anything waited for it', () => {
  it('is tried at once when the next message comes', async () => {
    const { spool, outlet, pass } = givenSpool({ delayNoticeMs: 0 });
    outlet.answer = (mailbox) => (mailbox.endsWith('@x.example') ? unreachable : delivered);
    await spool.deliver(mailWith({ to: ['a@x.example'] }));
    await pass(6 * DAY, HOUR);
    expect(outlet.deliveries.map(({ to }) => to)).toEqual([['s@c.example']]);
    outlet.answer = () => delivered;
    await spool.deliver(mailWith({ to: ['b@x.example'] }));
    await drain(spool, outlet);
    expect(outlet.deliveries.map(({ to }) => to)).toEqual([['s@c.example'], ['b@x.example']]);
  });

  it('is forgotten with the last message', async () => {
    const { spool, outlet, pass, path } = givenSpool({ delayNoticeMs: 0 });
    outlet.answer = (mailbox) => (mailbox.endsWith('@x.example') ? unreachable : delivered);
    await spool.deliver(mailWith({ to: ['a@x.example'] }));
    await pass(6 * DAY, HOUR);
    expect(await keysIn(path)).toEqual({});
  });
});
