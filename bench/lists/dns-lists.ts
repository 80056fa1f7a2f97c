/**
 * What 50 lists in the DNS cost 200 sessions that come at the same time: by the list client, with its vote, beside Node's
 * `dns.Resolver` that is asked for the same names and nothing else. Processor time is that of the whole process.
 */

import { Resolver as NodeResolver } from 'node:dns/promises';
import { coreOfProcess } from '../../bindings/core.ts';
import { StubResolver } from '../../host/dns/stub-resolver.ts';
import { parseListLine } from '../../plugins/dns-lists/list-line.ts';
import { askLists, type ListEntry } from '../../plugins/dns-lists/list-vote.ts';
import { queryLabels, RemoteList } from '../../plugins/dns-lists/remote-list.ts';
import { CountingServer } from '../dns/counting-server.ts';
import { pairRatios, rotate, spreadOf, type InRound, type Spread } from '../statistics.ts';

const LISTS = 50;
const SESSIONS = 200;
const QUESTIONS = LISTS * SESSIONS;
/** As many names at a time as Node is asked for: with more of them datagrams are lost, and it asks again. */
const IN_FLIGHT = 100;
/** Rounds for the compiler: more of ours is JavaScript than of c-ares. */
const WARM_UP = 8;
/** What need not be sent is asked for so many times more: the clock of processor time is too coarse for less. */
const REPEATS = 8;
const TIMEOUT_MS = 30_000;
/** Bounds: of an uncached lookup over one by Node, of one that need not be sent, and of packets for a name. */
const MAX_RATIO = 1.1;
const MAX_KNOWN_US = 1;
const MAX_PACKETS = 1.001;

export interface DnsListResult {
  readonly nodeUs: Spread;
  /** For each list that is asked. */
  readonly oursUs: Spread;
  readonly ratio: Spread;
  readonly packetsPerName: number;
  /** All sessions ask for one address at once. */
  readonly joinedUs: Spread;
  /** Likewise, each with lists of its own, as plugins that ask the same lists: only their questions are the same. No bound. */
  readonly joinedApartUs: Spread;
  readonly joinedPacketsPerName: number;
  /** What was asked before. */
  readonly cachedUs: Spread;
  readonly cachedPackets: number;
}

export interface DnsListVerdict {
  readonly promise: string;
  readonly measured: string;
  readonly isKept: boolean;
}

const us = ({ max, median, min }: Spread): string =>
  `${median.toFixed(2)} µs (${min.toFixed(2)} to ${max.toFixed(2)})`;

/** What was promised of lists in the DNS, and what came of it. */
export function judgeDnsLists(result: DnsListResult): readonly DnsListVerdict[] {
  const { cachedPackets, cachedUs, joinedPacketsPerName, joinedUs, packetsPerName, ratio } = result;
  const { max, median, min } = ratio;
  return [
    {
      promise: `a list that has to ask costs at most ${MAX_RATIO} × Node's resolver alone`,
      measured: `${median.toFixed(2)} × (${min.toFixed(2)} to ${max.toFixed(2)}), ${us(result.oursUs)} and ${us(result.nodeUs)}`,
      isKept: median <= MAX_RATIO,
    },
    {
      promise: `one that all sessions ask about one client at once, ${MAX_KNOWN_US} µs`,
      measured: `${us(joinedUs)}; with lists of their own ${us(result.joinedApartUs)}`,
      isKept: joinedUs.median <= MAX_KNOWN_US,
    },
    {
      promise: `one that was asked before, ${MAX_KNOWN_US} µs`,
      measured: us(cachedUs),
      isKept: cachedUs.median <= MAX_KNOWN_US,
    },
    {
      promise: 'a packet for each name, and none for what is known',
      measured: `${packetsPerName.toFixed(3)}, joined ${joinedPacketsPerName.toFixed(3)}, cached ${cachedPackets}`,
      isKept: packetsPerName <= MAX_PACKETS && joinedPacketsPerName <= MAX_PACKETS && cachedPackets === 0,
    },
  ];
}

/** The server has no name with `absent` in it. */
const ZONES = Array.from({ length: LISTS }, (_, index) => `absent${index}.list.test`);

/** An address for each session; other ones in each round. */
const subjectsOf = (round: number): readonly string[] =>
  Array.from({ length: SESSIONS }, (_, session) => `10.${round >> 8}.${round & 255}.${session}`);

/** One address for all sessions, which nobody has asked for. */
const sameSubject = (number: number): readonly string[] =>
  Array.from({ length: SESSIONS }, () => `11.${number >> 16}.${(number >> 8) & 255}.${number & 255}`);

type Sessions = (subjects: readonly string[]) => Promise<void>;

function nodeSessions(port: number): Sessions {
  const resolver = new NodeResolver({ timeout: 5_000, tries: 2 });
  resolver.setServers([`127.0.0.1:${port}`]);
  return async (subjects) => {
    const names = subjects.flatMap((subject) => ZONES.map((zone) => `${queryLabels(subject)}.${zone}`));
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < names.length) await resolver.resolve4(names[next++]!).catch(() => []);
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  };
}

/** `isApart`: each session has the lists in a configuration of its own. */
function listSessions(entries: readonly ListEntry[], isApart = false): Sessions {
  return async (subjects) => {
    const options = { threshold: 1, timeoutMs: TIMEOUT_MS, now: () => performance.now() };
    const verdicts = await Promise.all(
      subjects.map((subject) =>
        askLists(isApart ? [...entries] : entries, subject, {
          ...options,
          signal: new AbortController().signal,
        }),
      ),
    );
    const answered = verdicts.reduce((sum, verdict) => sum + verdict.answered, 0);
    if (answered !== subjects.length * LISTS) throw new Error(`${answered} lists have answered`);
  };
}

/** Microseconds of processor time for each list that is asked, by all sessions each of the times. */
async function cost(work: () => Promise<void>, times = 1): Promise<number> {
  const before = process.cpuUsage();
  for (let time = 0; time < times; time++) await work();
  const { system, user } = process.cpuUsage(before);
  return (user + system) / QUESTIONS / times;
}

export async function measureDnsLists(rounds: number): Promise<DnsListResult> {
  const server = new CountingServer();
  const port = await server.port();
  const resolver = new StubResolver({
    core: coreOfProcess().core,
    serverList: () => list,
    timeoutMs: TIMEOUT_MS,
    cacheOctets: 64 * 1_048_576,
    log: (_, text) => void process.stderr.write(`${text}\n`),
  });
  const list = { servers: [{ address: '127.0.0.1', port, isTrusted: false }], attempts: 2 };
  const entries = ZONES.map((zone) => ({
    list: new RemoteList(zone, { dns: resolver }),
    lines: [parseListLine(zone)],
  }));
  try {
    const ask = listSessions(entries);
    const uncached = await compare(server, nodeSessions(port), ask, rounds);
    return { ...uncached, ...(await repeat(server, ask, listSessions(entries, true), rounds)) };
  } finally {
    resolver.close();
    server.close();
  }
}

async function compare(server: CountingServer, node: Sessions, ours: Sessions, rounds: number) {
  const contestants = [
    { costs: [] as InRound[], ask: node, isOurs: false },
    { costs: [] as InRound[], ask: ours, isOurs: true },
  ];
  let packets = 0;
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const { ask, costs, isOurs } of rotate(contestants, Math.abs(round))) {
      const subjects = subjectsOf(2 * (round + WARM_UP) + Number(isOurs));
      await server.packets();
      const value = await cost(() => ask(subjects));
      const asked = await server.packets();
      if (round < 0) continue;
      costs.push({ round, value });
      if (isOurs) packets += asked;
    }
  }
  const [nodeCosts, oursCosts] = contestants.map(({ costs }) => costs) as [InRound[], InRound[]];
  return {
    nodeUs: spreadOf(nodeCosts.map(({ value }) => value)),
    oursUs: spreadOf(oursCosts.map(({ value }) => value)),
    ratio: spreadOf(pairRatios(oursCosts, nodeCosts)),
    packetsPerName: packets / rounds / QUESTIONS,
  };
}

/** One address for all sessions, which nobody has asked for; then the last one once more. */
async function repeat(server: CountingServer, ask: Sessions, askApart: Sessions, rounds: number) {
  const [joined, apart, cached]: [number[], number[], number[]] = [[], [], []];
  let [joinedPackets, cachedPackets, subject] = [0, 0, 0];
  for (let round = -WARM_UP; round < rounds; round++) {
    await server.packets();
    const costs = {
      joined: await cost(() => ask(sameSubject(subject++)), REPEATS),
      apart: await cost(() => askApart(sameSubject(subject++)), REPEATS),
    };
    const sent = await server.packets();
    const known = sameSubject(subject - 1);
    const costCached = await cost(() => ask(known), REPEATS);
    const sentAgain = await server.packets();
    if (round < 0) continue;
    joined.push(costs.joined);
    apart.push(costs.apart);
    cached.push(costCached);
    joinedPackets += sent;
    cachedPackets += sentAgain;
  }
  return {
    joinedUs: spreadOf(joined),
    joinedApartUs: spreadOf(apart),
    joinedPacketsPerName: joinedPackets / rounds / LISTS / (2 * REPEATS),
    cachedUs: spreadOf(cached),
    cachedPackets,
  };
}
