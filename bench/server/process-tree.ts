/** What a server has cost so far and what it holds: read from /proc for the whole tree of its processes. */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** One line of /proc/PID/stat, as far as it matters here. */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** User and system time, its own and that of children it has waited for, in clock ticks. */
  readonly ticks: number;
}

export interface Memory {
  readonly processes: number;
  readonly rssKiB: number;
  /** Shared pages divided among those who share them. */
  readonly pssKiB: number;
}

/** Parses /proc/PID/stat; the program's name stands in parentheses and may hold any character. */
export function parseStat(text: string): ProcessStat {
  const behindName = text.lastIndexOf(')') + 2;
  const fields = text.slice(behindName).split(' ').map(Number);
  // proc(5) counts from 1 and the state, which stands first here, is field 3.
  const field = (number: number): number => fields[number - 3]!;
  return {
    pid: Number.parseInt(text, 10),
    parent: field(4),
    ticks: field(14) + field(15) + field(16) + field(17),
  };
}

/** The process and everything below it. */
export function treeOf(root: number, all: readonly ProcessStat[]): ProcessStat[] {
  const children = new Map<number, ProcessStat[]>();
  for (const stat of all) children.set(stat.parent, [...(children.get(stat.parent) ?? []), stat]);
  const found = all.filter(({ pid }) => pid === root);
  for (let index = 0; index < found.length; index++) found.push(...(children.get(found[index]!.pid) ?? []));
  return found;
}

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Seconds of processor time the tree has used; what ended children used counts once their parent has waited for them. */
export function cpuSecondsOf(root: number): number {
  return treeOf(root, readAllStats()).reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND;
}

export function memoryOf(root: number): Memory {
  const tree = treeOf(root, readAllStats());
  let rssKiB = 0;
  let pssKiB = 0;
  for (const { pid } of tree) {
    const rollup = readProc(`${pid}/smaps_rollup`) ?? '';
    rssKiB += Number(/^Rss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
    pssKiB += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  }
  return { processes: tree.length, rssKiB, pssKiB };
}

export function pidsOf(root: number): number[] {
  return treeOf(root, readAllStats()).map(({ pid }) => pid);
}

function readAllStats(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const text = readProc(`${pid}/stat`);
      return text === undefined ? [] : [parseStat(text)];
    });
}

/** Undefined if the process has ended meanwhile, or is not ours to look into. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'latin1');
  } catch {
    return undefined;
  }
}
