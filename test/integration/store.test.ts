/** One store for all workers: nothing that was counted is lost, under load and under kill -9. */

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { parseKarma } from '../../plugins/karma/record.ts';
import { systemClock } from '../../host/services/services.ts';
import type { StoreLocation } from '../../host/settings/store-settings.ts';
import { ProcessStores } from '../../host/store/stores.ts';
import { hasRedis, redisPlace } from '../store/backends.ts';
import { RunningDaemon, Workplace } from './daemon.ts';
import { freePort } from '../free-port.ts';

const DIALOGUE = 'EHLO client.test\r\nMAIL FROM:<a@b.example>\r\nQUIT\r\n';
/** How long a client waits while no daemon runs. */
const RETRY_MS = 20;
const workplaces: Workplace[] = [];
const daemons: RunningDaemon[] = [];

afterEach(async () => {
  await Promise.all(daemons.splice(0).map((daemon) => daemon.end('SIGKILL')));
});
afterAll(() => {
  for (const workplace of workplaces) workplace.remove();
});

/** Every session costs its address one point of karma and one refusal. */
function prepare(files: Readonly<Record<string, string>> = {}): {
  workplace: Workplace;
  location: StoreLocation;
} {
  const workplace = new Workplace();
  workplaces.push(workplace);
  const directory = join(workplace.folder, 'store');
  workplace.write({
    store_dir: directory,
    loglevel: '3',
    karma_tlds: 'example:-1',
    hosts_allow: '198.51.100.0/24 DENY',
    plugins: 'karma reject 0\nhosts_allow\ngreylisting\nrcpt_ok\nqueue/discard',
    ...files,
  });
  return { workplace, location: { kind: 'lmdb', directory } };
}

async function start(workplace: Workplace, workers: number, port = 0): Promise<RunningDaemon> {
  const daemon = await RunningDaemon.start(workplace, { workers, port, words: ['--max-from-ip', '5'] });
  daemons.push(daemon);
  return daemon;
}

/** Sends the dialogue from a loopback address; resolves with everything the server said, undefined if nobody was there. */
function talk(port: number, address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let heard: string | undefined;
    const socket = connect({ host: '127.0.0.1', port, localAddress: address });
    socket.setEncoding('latin1').on('data', (text: string) => (heard += text));
    socket.once('connect', () => {
      heard = '';
      socket.write(DIALOGUE);
    });
    // A killed worker takes its sessions along.
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(heard));
  });
}

const REFUSED = /^450 This mail is temporarily denied\r$/m;
const TOO_MANY = /^451 too many connections from 127\.\d+\.\d+\.\d+, try again later\r$/m;

/** What the clients of one address saw. */
interface Tally {
  /** Sessions begun. */
  begun: number;
  /** Sessions in which MAIL was answered: what it changed must be in the store. */
  answered: number;
}

/** One client at a time for each address, because that is all karma allows a stranger. */
async function drive(
  port: () => number,
  address: string,
  tally: Tally,
  goesOn: () => boolean,
): Promise<void> {
  while (goesOn()) {
    const heard = await talk(port(), address);
    if (heard === undefined) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    // The last connection may not have been counted off yet.
    if (heard === undefined || TOO_MANY.test(heard)) continue;
    tally.begun++;
    if (REFUSED.test(heard)) tally.answered++;
  }
}

const addresses = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `127.0.7.${index + 1}`);
const numberOf = (address: string): string =>
  String(address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0));

/** What the store has of each address: refusals of greylisting, connections of karma. */
async function recorded(
  location: StoreLocation,
): Promise<Map<string, { refused: number; connects: number }>> {
  const stores = new ProcessStores(systemClock);
  const found = new Map<string, { refused: number; connects: number }>();
  try {
    const [greylist, karma] = ['greylist', 'karma'].map((name) => stores.under(location).open(name));
    for await (const [key, value] of greylist!.scan()) {
      expect(value).toMatch(/^\d{10}:1:\d+:0$/);
      found.set(key, { refused: 1 + Number(value.split(':')[2]), connects: 0 });
    }
    for await (const [key, value] of karma!.scan()) {
      expect(value).toMatch(/^0:0:0:\d+$/);
      found.set(key, { refused: found.get(key)?.refused ?? 0, connects: parseKarma(value).connects });
    }
  } finally {
    await stores.close();
  }
  return found;
}

/** The processes a primary has started. */
const workersOf = ({ pid }: RunningDaemon): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

describe('a store shared by workers', () => {
  it('counts 10,000 sessions with karma, greylisting and hosts_allow on 2 workers exactly', async () => {
    const { workplace, location } = prepare();
    const daemon = await start(workplace, 2);
    const tallies = new Map(addresses(40).map((address) => [address, { begun: 0, answered: 0 }]));
    await Promise.all(
      [...tallies].map(([address, tally]) =>
        drive(
          () => daemon.port,
          address,
          tally,
          () => tally.begun < 250,
        ),
      ),
    );
    expect(await daemon.end()).toBe(0);
    expect(daemon.log).not.toMatch(/error|store|too many/i);
    const found = await recorded(location);
    expect(found.size).toBe(40);
    for (const [address, { answered }] of tallies) {
      expect(answered).toBe(250);
      expect(found.get(numberOf(address)), address).toEqual({ refused: 250, connects: 250 });
    }
  });

  it('loses nothing a client was told, and stays whole, when processes are killed in the middle of it', async () => {
    const { workplace, location } = prepare();
    // A port of its own: a restarted server has to come back where the clients look for it.
    const port = await freePort();
    let daemon = await start(workplace, 2, port);
    const tallies = new Map(addresses(20).map((address) => [address, { begun: 0, answered: 0 }]));
    let isOver = false;
    const answered = (): number => [...tallies.values()].reduce((sum, tally) => sum + tally.answered, 0);
    const clients = [...tallies].map(([address, tally]) =>
      drive(
        () => daemon.port,
        address,
        tally,
        () => !isOver,
      ),
    );
    for (let round = 1; round <= 12; round++) {
      const before = answered();
      await expect.poll(answered, { interval: 5 }).toBeGreaterThan(before + 100);
      if (round % 4 === 0) {
        await daemon.end('SIGKILL');
        daemon = await start(workplace, 2, port);
        continue;
      }
      await expect.poll(() => workersOf(daemon), { interval: 20 }).toHaveLength(2);
      process.kill(workersOf(daemon)[round % 2]!, 'SIGKILL');
    }
    isOver = true;
    await Promise.all(clients);
    await daemon.end();
    const found = await recorded(location);
    for (const [address, tally] of tallies) {
      const { refused, connects } = found.get(numberOf(address))!;
      expect(refused, address).toBeGreaterThanOrEqual(tally.answered);
      expect(refused, address).toBeLessThanOrEqual(tally.begun);
      expect(connects, address).toBeLessThanOrEqual(tally.begun);
    }
  });

  it.runIf(hasRedis)('counts exactly for two daemons on one Redis server', async () => {
    const redis = await redisPlace();
    try {
      const url = redis.location.kind === 'redis' ? redis.location.url : '';
      const { workplace } = prepare({ store: url });
      const pair = [await start(workplace, 1), await start(workplace, 1)];
      const tallies = new Map(addresses(10).map((address) => [address, { begun: 0, answered: 0 }]));
      let turn = 0;
      const nextPort = (): number => pair[turn++ % 2]!.port;
      await Promise.all(
        [...tallies].map(([address, tally]) => drive(nextPort, address, tally, () => tally.begun < 50)),
      );
      for (const daemon of pair) expect(await daemon.end()).toBe(0);
      const found = await recorded(redis.location);
      for (const address of tallies.keys()) {
        expect(found.get(numberOf(address)), address).toEqual({ refused: 50, connects: 50 });
      }
    } finally {
      await redis.remove();
    }
  });
});
