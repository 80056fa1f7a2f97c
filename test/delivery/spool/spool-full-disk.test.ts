/** What a disk that has become full does not lead to: somebody who gets a message twice. */

import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { appendEvent } from '../../../host/spool/files/message-file.ts';
import { SpoolFolder } from '../../../host/spool/files/spool-folder.ts';
import { SpoolIndex } from '../../../host/spool/index/spool-index.ts';
import { fillDisk, smallDisk } from '../../message/small-disk.ts';
import { deferred, delivered } from './fake-outlet.ts';
import { DAY, drain, givenSpool, HOUR, MINUTE, mailWith, type GivenSpool } from './given-spool.ts';

afterEach(() => void vi.restoreAllMocks());

/** A spool with a message to two, of whom one has got it while nothing could be written to its file. */
async function halfDelivered(): Promise<
  GivenSpool & { readonly mend: () => void; readonly asked: string[] }
> {
  const given = givenSpool();
  const { spool, outlet, path } = given;
  const asked: string[] = [];
  await spool.deliver(mailWith({ to: ['a@x.example', 'b@x.example'] }));
  const [id = ''] = readdirSync(join(path, 'new'));
  const [file, away] = [join(path, 'new', id), join(path, 'away')];
  const isAway = (): boolean => statSync(file).isDirectory();
  outlet.answer = (mailbox) => {
    asked.push(mailbox);
    if (asked.length === 1) {
      renameSync(file, away);
      mkdirSync(file);
    }
    return mailbox === 'a@x.example' ? delivered : deferred;
  };
  await drain(spool, outlet);
  expect(asked).toEqual(['a@x.example', 'b@x.example']);
  expect(isAway()).toBe(true);
  const mend = (): void => {
    rmdirSync(file);
    renameSync(away, file);
  };
  return { ...given, mend, asked };
}

describe('a file that nothing can be added to', () => {
  it('keeps all from being tried, and then those from being tried again who have the message', async () => {
    const { outlet, pass, mend, asked, log } = await halfDelivered();
    expect(log.join('\n')).toContain("can't write to");
    await pass(20 * MINUTE);
    expect(asked).toHaveLength(2);
    mend();
    await pass(HOUR);
    expect(new Set(asked.slice(2))).toEqual(new Set(['b@x.example']));
    outlet.answer = () => delivered;
    await pass(12 * HOUR, 10 * MINUTE);
    expect(outlet.deliveries.map(({ to }) => to)).toEqual([['a@x.example'], ['b@x.example']]);
  });

  it('does so across a restart, as long as the index can be written', async () => {
    const { spool, path, clock, mend } = await halfDelivered();
    await spool.close(0);
    mend();
    const again = givenSpool({}, { path, clock });
    await again.pass(HOUR);
    expect(again.outlet.deliveries.map(({ to }) => to)).toEqual([['b@x.example']]);
    expect(readdirSync(join(path, 'new'))).toEqual([]);
  });
});

it('where the index cannot be written either, the process remembers', async () => {
  const settle = vi.spyOn(SpoolIndex.prototype, 'settle');
  for (let count = 0; count < 4; count++) settle.mockRejectedValueOnce(new Error('no space'));
  const { outlet, pass, mend } = await halfDelivered();
  mend();
  outlet.answer = () => delivered;
  await pass(HOUR);
  expect(settle.mock.calls.length).toBeGreaterThan(4);
  expect(outlet.deliveries.map(({ to }) => to)).toEqual([['a@x.example'], ['b@x.example']]);
});

it('what is left to be written stays until it is', async () => {
  const { path, clock, mend, spool } = await halfDelivered();
  await spool.close(0);
  const index = await SpoolIndex.open(join(path, 'index'));
  const [[{ id } = { id: '' }] = []] = [...index.messages()];
  await expect(index.writeRest(id, () => Promise.reject(new Error('no space')))).rejects.toThrow('no space');
  const written: unknown[] = [];
  const write = (event: unknown): Promise<void> => Promise.resolve(void written.push(event));
  await index.writeRest(id, write);
  await index.writeRest(id, write);
  const outcomes = [
    { recipients: [0], kind: 'delivered' },
    { recipients: [1], kind: 'deferred' },
  ];
  expect(written).toMatchObject([{ event: 'attempt', ms: clock.ms, destination: 'x.example', outcomes }]);
  await index.close();
  mend();
});

describe('a disk that is really full', () => {
  it('has a line that fits by half only for a failure', async () => {
    const disk = smallDisk();
    const folder = new SpoolFolder(join(disk, 'spool'));
    folder.prepare();
    const id = 'A'.repeat(20);
    writeFileSync(folder.pathOf(id), 'x'.repeat(4_000), { mode: 0o600 });
    const makeRoom = fillDisk(disk);
    const event = { event: 'attempt', ms: 1, destination: 'x'.repeat(200), outcomes: [] } as const;
    await expect(appendEvent(folder, id, event, { isDurable: true })).rejects.toMatchObject({
      code: 'Q_DISK_FULL',
    });
    makeRoom();
    await appendEvent(folder, id, event, { isDurable: true });
    const lines = readFileSync(folder.pathOf(id), 'utf8').split('\n');
    expect(lines.filter((line) => line === JSON.stringify(event))).toHaveLength(1);
  });

  it('gives nobody a message twice', async () => {
    const disk = smallDisk('6m');
    const terms = { perDestination: 50, inAll: 50, delayNoticeMs: 5 * DAY };
    const { spool, outlet, pass } = givenSpool(terms, { path: join(disk, 'spool') });
    for (let count = 0; count < 40; count++) {
      const text = `Subject: ${count}\r\n\r\n${'x'.repeat(count * 100)}\r\n`;
      const to = [`a${count}@x.example`, `b${count}@x.example`];
      const [outcome] = await spool.deliver(mailWith({ to, text }));
      expect(outcome!.kind).toBe('delivered');
    }
    const counts = new Map<string, number>();
    const take = (mailbox: string): typeof delivered => {
      counts.set(mailbox, (counts.get(mailbox) ?? 0) + 1);
      return delivered;
    };
    let makeRoom: (() => void) | undefined;
    outlet.answer = (mailbox) => {
      makeRoom ??= fillDisk(disk);
      return mailbox.startsWith('a') ? take(mailbox) : deferred;
    };
    await drain(spool, outlet);
    expect(counts.size).toBe(40);
    makeRoom!();
    outlet.answer = take;
    await pass(6 * HOUR, 10 * MINUTE);
    expect(counts.size).toBe(80);
    expect([...counts].filter(([, count]) => count > 1)).toEqual([]);
  });
});
