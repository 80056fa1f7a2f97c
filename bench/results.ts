/** The files of results: what a run writes and the report reads. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RunFacts } from './machine.ts';
import { RESULTS } from './places.ts';
import type { Spread } from './statistics.ts';

/** One way on one path at one size. */
export interface MicroRow {
  readonly path: 'command' | 'batch' | 'data' | 'stuffed data' | 'headers' | 'host names';
  readonly octets: number;
  /** Items one call handles: commands or fields; 1 for data. */
  readonly items: number;
  readonly contestant: string;
  /** Of one call, over the rounds. */
  readonly nanoseconds: Spread;
}

export interface MicroResults {
  readonly kind: 'micro';
  readonly run: RunFacts;
  readonly contestants: readonly { readonly path: string; readonly name: string; readonly way: string }[];
  readonly rows: readonly MicroRow[];
}

/** A server that took part, or why it did not. */
export interface Participant {
  readonly name: string;
  readonly label: string;
  readonly version: string | undefined;
  /** How it was configured, a sentence each. */
  readonly settings: readonly string[];
  /** Why it is missing. */
  readonly missing?: string;
}

/** One server in one round of one workload. */
export interface Cell {
  readonly workload: string;
  readonly server: string;
  readonly round: number;
  readonly messages: number;
  /** User and system time of the whole process tree, ended children included. */
  readonly cpuSeconds: number;
  readonly seconds: number;
  /** Octets of content on the wire in all. */
  readonly octets: number;
  readonly p50Ms?: number;
  readonly p95Ms?: number;
}

/** A server that could not do a workload, and why. */
export interface Gap {
  readonly workload: string;
  readonly server: string;
  readonly reason: string;
}

/** Memory of a server before and behind a number of idle sessions. */
export interface IdleCell {
  readonly server: string;
  /** Sessions at the earlier and at the later look. */
  readonly sessions: readonly [number, number];
  readonly rssKiB: readonly [number, number, number];
  /** Shared pages counted once; what to read for servers of several processes. */
  readonly pssKiB: readonly [number, number, number];
}

/** A point of a chart: what it costs when something grows. */
export interface ScalePoint {
  readonly chart: string;
  readonly series: string;
  readonly x: number;
  readonly value: Spread;
}

export interface ScaleChart {
  readonly id: string;
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly note: string;
}

export interface ServerResults {
  readonly kind: 'server';
  readonly run: RunFacts;
  readonly rounds: number;
  readonly isPinned: boolean;
  readonly participants: readonly Participant[];
  readonly workloads: readonly {
    readonly id: string;
    readonly title: string;
    readonly about: string;
    /** What a server has to offer for it; older files do not say. */
    readonly needs?: string;
  }[];
  readonly cells: readonly Cell[];
  readonly gaps: readonly Gap[];
  readonly idle: readonly IdleCell[];
  readonly charts: readonly ScaleChart[];
  readonly points: readonly ScalePoint[];
}

/** A day of apache.org. */
export interface DayResults {
  readonly kind: 'apache-day';
  readonly run: RunFacts;
  readonly dayMessages: number;
  readonly parameters: Readonly<Record<string, number>>;
  readonly plugins: readonly string[];
  readonly sessions: number;
  readonly workers: number;
  /** What the sample held: outcome and how often. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly attempts: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Extrapolated to the day. */
  readonly daySeconds: number;
  readonly dayCpuSeconds: number;
}

/** One way to the daemon in one round of one workload. */
export interface FrontCell extends Cell {
  /** The part of `cpuSeconds` that a server in front of the daemon took. */
  readonly frontSeconds: number;
}

export interface BannerRow {
  readonly way: string;
  /** From connecting to the first octets of the greeting. */
  readonly milliseconds: Spread;
}

/** What servers in front of the daemon add. */
export interface FrontResults {
  readonly kind: 'fronts';
  readonly run: RunFacts;
  readonly rounds: number;
  readonly isPinned: boolean;
  readonly httpd: { readonly version: string; readonly settings: string };
  readonly workloads: readonly { readonly id: string; readonly title: string; readonly about: string }[];
  /** Of the servers `direct` and `httpd`. */
  readonly cells: readonly FrontCell[];
  readonly banners: readonly BannerRow[];
}

export type Results = MicroResults | ServerResults | DayResults | FrontResults;

/** `server.json`, or `server-quick.json` for a run that only shows that it works. */
export function resultsFile(kind: Results['kind'], isQuick: boolean): string {
  return join(RESULTS, `${kind}${isQuick ? '-quick' : ''}.json`);
}

export function writeResults(file: string, results: Results): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`);
}

/** The results of a full run, or of a quick one, or undefined. Throws if the file holds something else. */
export function readResults<K extends Results['kind']>(kind: K): Extract<Results, { kind: K }> | undefined {
  const file = [resultsFile(kind, false), resultsFile(kind, true)].find((path) => existsSync(path));
  return file === undefined ? undefined : readFile(file, kind);
}

/** A run about some workloads alone, `bench:server -- --only … --json` with this file: handing on, or what was taken again. */
export function readPart(part: 'forward' | 'again'): ServerResults | undefined {
  const file = join(RESULTS, `server-${part}.json`);
  return existsSync(file) ? readFile(file, 'server') : undefined;
}

function readFile<K extends Results['kind']>(file: string, kind: K): Extract<Results, { kind: K }> {
  const results = JSON.parse(readFileSync(file, 'utf8')) as Results;
  if (results.kind !== kind) throw new Error(`${file} holds results of ${results.kind}, not of ${kind}`);
  return results as Extract<Results, { kind: K }>;
}
