/**
 * `npm run bench:dns [-- --quick]`: what a question to the DNS costs, in processor time of the whole process: ours beside
 * Node's `dns.Resolver`, against one server in a process of its own. 200 sessions ask 50 lists each, as many at a time as
 * `IN_FLIGHT`, so that no datagram is lost and each resolver is asked for the same work. Fails if a bound is exceeded.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { Resolver as NodeResolver } from 'node:dns/promises';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { coreOfProcess } from '../../bindings/core.ts';
import { NO_RANGES } from '../../host/config/address-ranges.ts';
import { ProcessDns } from '../../host/dns/process-dns.ts';
import { CountingServer } from './counting-server.ts';
import { describeRun } from '../machine.ts';
import { RESULTS } from '../places.ts';
import { pairRatios, rotate, spreadOf, type InRound, type Spread } from '../statistics.ts';

const LISTS = 50;
const SESSIONS = 200;
const QUESTIONS = LISTS * SESSIONS;
const IN_FLIGHT = 100;
/** Rounds for the compiler: half of ours is JavaScript, and none of c-ares is. */
const WARM_UP = 8;
/** A cached answer is asked for so many times more: the clock of processor time is too coarse for less. */
const REPEATS = 10;
/** Bounds: of an uncached lookup over one by Node, and of one that need not be sent. */
const MAX_RATIO = 1.1;
const MAX_CACHED_US = 1;

interface Contestant {
  readonly name: string;
  ask(name: string): Promise<unknown>;
  close(): void;
}

interface Count {
  readonly microseconds: number;
  readonly packets: number;
  /** Packets since the last count. */
  readonly packetsBefore: number;
}

const server = new CountingServer();

/** Runs the work and counts processor time of this process, for one question of `count`, and packets at the server. */
async function counted(count: number, work: () => Promise<void>): Promise<Count> {
  const packetsBefore = await server.packets();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { microseconds: (user + system) / count, packets: await server.packets(), packetsBefore };
}

/** Names of a round: nobody has asked for them before. */
const namesOf = (kind: string, round: number): readonly string[] =>
  Array.from({ length: QUESTIONS }, (_, index) => {
    const session = Math.floor(index / LISTS);
    return `${session}.${round}.2.0.192.${kind}${index % LISTS}.list.test`;
  });

/** Asks them all, `IN_FLIGHT` at a time. */
async function askAll({ ask }: Contestant, names: readonly string[]): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < names.length) await ask(names[next++]!);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

const openNode = (port: number): Contestant => {
  const resolver = new NodeResolver({ timeout: 5_000, tries: 2 });
  resolver.setServers([`127.0.0.1:${port}`]);
  return { name: 'node', ask: (name) => resolver.resolve4(name).catch(() => []), close: () => undefined };
};

const openOurs = (port: number): Contestant => {
  const log = (_: number, text: string): void => void process.stderr.write(`${text}\n`);
  const processDns = new ProcessDns({ core: () => coreOfProcess().core, log });
  const dns = processDns.under(() => ({
    dnsServers: [{ address: '127.0.0.1', port }],
    mxResolvers: [],
    mxTrustedResolvers: NO_RANGES,
    dnsTimeoutMs: 5_000,
    dnsAttempts: 2,
    dnsCacheOctets: 8_388_608,
    dnsClient: 'own',
  }));
  return { name: 'ours', ask: (name) => dns.resolve4(name), close: () => processDns.close() };
};

async function compare(port: number, kind: string, rounds: number) {
  const contestants = [openNode, openOurs].map((open) => open(port));
  const costs = new Map<string, InRound[]>(contestants.map(({ name }) => [name, []]));
  const packets = new Map<string, number>(contestants.map(({ name }) => [name, 0]));
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const [place, contestant] of rotate([...contestants.entries()], Math.abs(round))) {
      const names = namesOf(kind, (round + WARM_UP) * contestants.length + place);
      const count = await counted(QUESTIONS, () => askAll(contestant, names));
      if (round < 0) continue;
      costs.get(contestant.name)!.push({ round, value: count.microseconds });
      packets.set(contestant.name, packets.get(contestant.name)! + count.packets);
    }
  }
  for (const { close } of contestants) close();
  const spread = (name: string): Spread => spreadOf(costs.get(name)!.map(({ value }) => value));
  return {
    kind,
    node: spread('node'),
    ours: spread('ours'),
    ratio: spreadOf(pairRatios(costs.get('ours')!, costs.get('node')!)),
    packetsOfNode: packets.get('node')! / rounds / QUESTIONS,
    packetsOfOurs: packets.get('ours')! / rounds / QUESTIONS,
  };
}

/** All sessions ask for the same names at once: the first sends, the others join; then all ask again, from the cache. */
async function shareAnswers(port: number, rounds: number) {
  const ours = openOurs(port);
  const [cached, joined]: [number[], number[]] = [[], []];
  let [packets, cachedPackets] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    const names = Array.from({ length: LISTS }, (_, list) => `7.${round}.2.0.192.join${list}.list.test`);
    const waits = names.map((name) => ours.ask(name));
    const join = await counted(QUESTIONS, () => {
      for (let session = 0; session < SESSIONS; session++)
        for (const name of names) waits.push(ours.ask(name));
      return Promise.resolve();
    });
    await Promise.all(waits);
    packets += join.packetsBefore + join.packets + (await server.packets());
    joined.push(join.microseconds);
    const cache = await counted(QUESTIONS * REPEATS, async () => {
      for (let session = 0; session < SESSIONS * REPEATS; session++)
        for (const name of names) await ours.ask(name);
    });
    cached.push(cache.microseconds);
    cachedPackets += cache.packets;
  }
  ours.close();
  const packetsPerName = packets / rounds / LISTS;
  return { joined: spreadOf(joined), cached: spreadOf(cached), packetsPerName, cachedPackets };
}

const us = ({ min, median, max }: Spread): string =>
  `${median.toFixed(2)} µs (${min.toFixed(2)} to ${max.toFixed(2)})`;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
  const rounds = values.quick ? 4 : 16;
  const run = describeRun(`npm run bench:dns${values.quick ? ' -- --quick' : ''}`);
  const port = await server.port();
  const uncached = [await compare(port, 'found', rounds), await compare(port, 'absent', rounds)];
  const shared = await shareAnswers(port, rounds);
  const lines = [
    ...uncached.map(({ kind, node, ours, ratio, packetsOfOurs, packetsOfNode }) => ({
      text: `${kind}: node ${us(node)}, ours ${us(ours)}, ratio ${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)}); packets for a question: node ${packetsOfNode.toFixed(3)}, ours ${packetsOfOurs.toFixed(3)}`,
      isWithin: ratio.median <= MAX_RATIO && packetsOfOurs <= 1.001,
    })),
    {
      text: `joined: ${us(shared.joined)}; packets for a name: ${shared.packetsPerName}`,
      isWithin: shared.joined.median <= MAX_CACHED_US && shared.packetsPerName === 1,
    },
    {
      text: `cached: ${us(shared.cached)}; packets: ${shared.cachedPackets}`,
      isWithin: shared.cached.median <= MAX_CACHED_US && shared.cachedPackets === 0,
    },
  ];
  for (const { text, isWithin } of lines)
    process.stdout.write(`${text}${isWithin ? '' : '  OUT OF BOUNDS'}\n`);
  const isWithin = lines.every((line) => line.isWithin);
  const file = join(RESULTS, `dns${values.quick ? '-quick' : ''}.json`);
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(file, `${JSON.stringify({ kind: 'dns', run, isWithin, uncached, shared }, undefined, 1)}\n`);
  process.stdout.write(`bench/results/${basename(file)} written\n`);
  server.close();
  return isWithin ? 0 : 1;
}

process.exitCode = await main();
