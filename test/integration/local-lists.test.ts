/** A list in a file, in the daemon: exchanged while clients come and go, none of whom notices. */

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { RunningDaemon, Workplace } from './daemon.ts';
import { StartedPrograms } from './started.ts';

const workplace = new Workplace({ plugins: 'dnsbl\nrcpt_ok\nqueue/discard' });
const path = join(workplace.folder, 'zone');
const programs = new StartedPrograms();
let daemon: RunningDaemon;

/** As many entries as take a while to read. */
const MANY = Array.from(
  { length: 200_000 },
  (_, index) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
);
const WELCOME = '220';
const LISTED = '550 by the new list';
const PATIENCE_MS = 60_000;

/** As rbldnsd wants it: written beside the file, and renamed. */
function exchange(content: string): void {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

const zoneWith = (...entries: readonly string[]): string => [...MANY, ...entries].join('\n');

beforeAll(async () => {
  exchange(zoneWith());
  workplace.write({ dnsbl_zones: `own.test file=${path} format=ip4set` });
  daemon = await RunningDaemon.start(workplace);
});
afterEach(() => programs.end());
afterAll(async () => {
  await daemon.end();
  workplace.remove();
});

/** The first line a client reads. */
async function greeting(): Promise<string> {
  const client = await programs.client(daemon.port);
  const reply = await client.reply();
  return reply.startsWith(WELCOME) ? WELCOME : reply.trim();
}

/** Until a client reads that; all before it were welcome or refused, as one of the two lists has it. */
async function clientsUntil(last: string): Promise<number> {
  for (let clients = 1, end = Date.now() + PATIENCE_MS; Date.now() < end; clients++) {
    const read = await Promise.all([greeting(), greeting(), greeting()]);
    for (const each of read) expect([WELCOME, LISTED]).toContain(each);
    await programs.end();
    if (read.every((each) => each === last)) return clients;
  }
  throw new Error(`no client has read ${last}: ${daemon.log}`);
}

test(
  'the first client finds the list read; each new list takes over, a broken one does not',
  async () => {
    expect(await greeting()).toBe(WELCOME);
    exchange(zoneWith('127.0.0.0/8 by the new list'));
    await clientsUntil(LISTED);
    exchange(zoneWith('!127/8'));
    await clientsUntil(WELCOME);
    exchange(zoneWith('127/8 by the new list', 'not an address'));
    await clientsUntil(LISTED);
    expect(daemon.log).toContain(`left out: ${path} line 200002: no entry of this format`);
    exchange('neither a list\nnor anything');
    await expect
      .poll(async () => (await clientsUntil(LISTED), daemon.log), { timeout: PATIENCE_MS })
      .toContain(
        `${path} line 1: no entry of this format: no zone of this format; what was read before still counts`,
      );
    expect(await greeting()).toBe(LISTED);
  },
  4 * PATIENCE_MS,
);
