/** Lists in files of this host: how long reading one holds up everybody else, what it takes in memory, and what a question costs. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { SystemFiles } from '../../host/services/files.ts';
import { workers } from '../../host/workers/thread-pool.ts';
import { LocalList } from '../../plugins/dns-lists/local-list.ts';
import type { ZoneFormat } from '../../plugins/dns-lists/zone-files/zone-entries.ts';
import { ZoneFiles } from '../../plugins/dns-lists/zone-files/zone-file.ts';
import { Random } from '../../test/fuzz/random.ts';
import { spreadOf, type Spread } from '../statistics.ts';

const ENTRIES = 1_000_000;
const QUESTIONS = 200_000;
const ROUNDS = 9;
/** Bounds. */
const MAX_NS = 1_000;
const MAX_MB = 24;
/** Of the main thread, for one reading. */
const MAX_BUSY_MS = 50;

export interface LocalListResult {
  readonly name: string;
  readonly fileMb: number;
  readonly entries: number;
  readonly readMs: number;
  /** Processor time of the main thread for that; undefined where the system does not tell. */
  readonly busyMs: number | undefined;
  /** The longest time in which nothing else had a turn meanwhile, whatever the machine had to do besides. */
  readonly pauseMs: number;
  readonly memoryMb: number;
  readonly nsPerQuestion: Spread;
  /** Of the questions. */
  readonly listedPart: number;
  readonly isWithin: boolean;
}

interface Contestant {
  readonly name: string;
  readonly format: ZoneFormat;
  /** Megabytes its memory may take. Undefined: no bound. */
  readonly maxMb: number | undefined;
  readonly entry: (random: Random) => string;
  readonly subject: (random: Random) => string;
}

const dotted = (address: number): string =>
  [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');

function network(random: Random): string {
  const bits = 16 + random.below(17);
  return `${dotted((random.next() & (-1 << (32 - bits))) >>> 0)}/${bits}`;
}

/** Four groups in the part of the address space that is in use. */
const groups = (random: Random): string =>
  [0x2000 + random.below(0x1000), ...[0, 0, 0].map(() => random.below(0x1_0000))]
    .map((group) => group.toString(16))
    .join(':');

const domain = (random: Random): string =>
  `${random.next().toString(36)}.${random.pick(['com', 'net', 'org', 'example', 'co.uk'])}`;

const address = (random: Random): string => dotted(random.next());

const CONTESTANTS: readonly Contestant[] = [
  { name: 'ip4set, networks', format: 'ip4set', maxMb: MAX_MB, entry: network, subject: address },
  { name: 'ip4set, addresses', format: 'ip4set', maxMb: MAX_MB, entry: address, subject: address },
  { name: 'ip4trie, networks', format: 'ip4trie', maxMb: MAX_MB, entry: network, subject: address },
  {
    name: 'ip6trie, /64',
    format: 'ip6trie',
    maxMb: MAX_MB,
    entry: groups,
    subject: (random) => `${groups(random)}::1`,
  },
  {
    name: 'dnset',
    format: 'dnset',
    maxMb: undefined,
    entry: (random) => `.${domain(random)}`,
    subject: (random) => `mail.${domain(random)}`,
  },
];

const log = {
  warn: () => undefined,
  error: (text: string) => process.stderr.write(`${text}\n`),
  notice: () => undefined,
};

/** Measures one after the other; `show` hears of each. */
export async function measureLocalLists(
  show: (result: LocalListResult) => void,
): Promise<readonly LocalListResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-bench-lists-'));
  try {
    const results: LocalListResult[] = [];
    for (const contestant of CONTESTANTS) {
      results.push(await measure(folder, contestant));
      show(results.at(-1)!);
    }
    return results;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measure(
  folder: string,
  { entry, format, maxMb, name, subject }: Contestant,
): Promise<LocalListResult> {
  const random = new Random(7);
  const path = join(folder, 'zone');
  const lines = Array.from({ length: ENTRIES }, () => entry(random));
  const text = `:127.0.0.2:Listed, see http://lists.example/?$\n${lines.join('\n')}\n`;
  writeFileSync(path, text);
  const clock = { now: () => Date.now() };
  const services = { clock, files: new SystemFiles(clock), random: () => Math.random(), workers };
  const files = new ZoneFiles(services, log as never);
  const file = files.open({ paths: [path], format });
  const list = new LocalList('bench', file, clock);
  const { busyMs, pauseMs, readMs } = await watched(() => list.load());
  const { zone } = file;
  if (zone === undefined) throw new Error(file.problem);
  files.close();
  const subjects = Array.from({ length: QUESTIONS }, () => subject(random));
  const { listed, nsPerQuestion } = ask(list, subjects);
  const memoryMb = zone.octets / 1e6;
  const isWithin =
    nsPerQuestion.median < MAX_NS && memoryMb < (maxMb ?? Infinity) && (busyMs ?? 0) < MAX_BUSY_MS;
  return {
    name,
    fileMb: text.length / 1e6,
    entries: ENTRIES,
    readMs,
    busyMs,
    pauseMs,
    memoryMb,
    nsPerQuestion,
    listedPart: listed / QUESTIONS,
    isWithin,
  };
}

async function watched(
  work: () => Promise<void>,
): Promise<Pick<LocalListResult, 'busyMs' | 'pauseMs' | 'readMs'>> {
  // What was made before must not be cleared away in this time.
  globalThis.gc?.();
  await new Promise((resolve) => setImmediate(resolve));
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const began = performance.now();
  const before = mainThreadMs();
  await work();
  const after = mainThreadMs();
  const readMs = performance.now() - began;
  delay.disable();
  const busyMs = before === undefined || after === undefined ? undefined : after - before;
  return { readMs, busyMs, pauseMs: delay.max / 1e6 };
}

/** `schedstat` begins with the nanoseconds on a processor. */
function mainThreadMs(): number | undefined {
  try {
    const text = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1');
    return Number(text.split(' ')[0]) / 1e6;
  } catch {
    return undefined;
  }
}

/** In processor time of this process, of which the work is all. */
function ask(list: LocalList, subjects: readonly string[]): { listed: number; nsPerQuestion: Spread } {
  const samples: number[] = [];
  let listed = 0;
  for (let round = -3; round < ROUNDS; round++) {
    listed = 0;
    const before = process.cpuUsage();
    for (const subject of subjects) if (list.askNow(subject)?.state === 'listed') listed++;
    const { system, user } = process.cpuUsage(before);
    // The first rounds are for the compiler.
    if (round >= 0) samples.push(((user + system) * 1_000) / subjects.length);
  }
  return { listed, nsPerQuestion: spreadOf(samples) };
}
