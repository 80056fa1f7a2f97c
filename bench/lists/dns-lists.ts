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
/** Rounds for the compiler. */
const WARM_UP = 4;
const TIMEOUT_MS = 30_000;

export interface DnsListResult {
  readonly nodeUs: Spread;
  /** For each list that is asked. */
  readonly oursUs: Spread;
  readonly ratio: Spread;
  readonly packetsPerName: number;
  /** All sessions ask for one address at once. */
  readonly joinedUs: Spread;
  readonly joinedPacketsPerName: number;
  /** What was asked before. */
  readonly cachedUs: Spread;
  readonly cachedPackets: number;
}

/** The server has no name with `absent` in it. */
const ZONES = Array.from({ length: LISTS }, (_, index) => `absent${index}.list.test`);

/** An address for each session; other ones in each round. */
const subjectsOf = (round: number): readonly string[] =>
  Array.from({ length: SESSIONS }, (_, session) => `10.${round >> 8}.${round & 255}.${session}`);

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

function listSessions(entries: readonly ListEntry[]): Sessions {
  return async (subjects) => {
    const options = { threshold: 1, timeoutMs: TIMEOUT_MS, now: () => performance.now() };
    const verdicts = await Promise.all(
      subjects.map((subject) =>
        askLists(entries, subject, { ...options, signal: new AbortController().signal }),
      ),
    );
    const answered = verdicts.reduce((sum, verdict) => sum + verdict.answered, 0);
    if (answered !== subjects.length * LISTS) throw new Error(`${answered} lists have answered`);
  };
}

/** Microseconds of processor time for each list that is asked. */
async function cost(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { system, user } = process.cpuUsage(before);
  return (user + system) / QUESTIONS;
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
    return { ...uncached, ...(await repeat(server, ask, rounds)) };
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

/** The same address for all sessions, which nobody has asked for; then all of them once more. */
async function repeat(server: CountingServer, ask: Sessions, rounds: number) {
  const [joined, cached]: [number[], number[]] = [[], []];
  let [joinedPackets, cachedPackets] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    const subjects = Array.from({ length: SESSIONS }, () => `11.0.${round >> 8}.${round & 255}`);
    await server.packets();
    joined.push(await cost(() => ask(subjects)));
    joinedPackets += await server.packets();
    cached.push(await cost(() => ask(subjects)));
    cachedPackets += await server.packets();
  }
  return {
    joinedUs: spreadOf(joined),
    joinedPacketsPerName: joinedPackets / rounds / LISTS,
    cachedUs: spreadOf(cached),
    cachedPackets,
  };
}
