/** `qpsmtpd karma`: shows and corrects what the plugin karma remembers, in the columns of qpsmtpd's karma_tool. */

import { addressNumber, addressOfNumber } from '../../bindings/lists/address-number.ts';
import { karmaLifeMs, parseKarma, printKarma, type KarmaRecord } from '../../bindings/plugin/karma-record.ts';
import type { Store } from '../../bindings/plugin/store.ts';
import { strftime } from '../../bindings/plugin/strftime.ts';
import { DnsReverseLookup } from '../dns/reverse-lookup.ts';
import { suggest } from '../hooks/nearest.ts';
import { maskControls } from '../message/field-text.ts';
import type { DaemonLoader } from '../process/daemon.ts';
import type { Terminal } from '../process/serve-options.ts';
import { localTime } from '../services/local-time.ts';
import {
  HELP_OPTION,
  printHelp,
  readArguments,
  readCount,
  UsageError,
  type OptionSpec,
} from './arguments.ts';
import { readConfigDir } from './config-dir.ts';
import { openConfiguredStore } from './configured-store.ts';
import { CONFIG_OPTION } from './serve-command.ts';

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 7;

export const KARMA_OPTIONS: readonly OptionSpec[] = [CONFIG_OPTION, HELP_OPTION];

export const KARMA_HELP = printHelp(
  'qpsmtpd karma ACTION [--config DIR]',
  `Run it as the daemon's user; root becomes the owner of the store. The actions:

  list                             all addresses
  search naughty|nice|both|IP      some of them, or one with its name
  prune [DAYS]                     forget what has not changed for so long (default: ${DEFAULT_DAYS})
  capture IP                       send an address to the penalty box
  release IP                       let it out, and forget its bad connections`,
  KARMA_OPTIONS,
);

type Action = (store: Store, argument: string | undefined, terminal: Terminal) => Promise<void>;

const ACTIONS: ReadonlyMap<string, Action> = new Map([
  ['list', (store, argument, terminal) => list(store, checkNothing(argument), terminal)],
  ['search', search],
  ['prune', prune],
  ['capture', (store, argument) => revise(store, argument, capture)],
  ['release', (store, argument) => revise(store, argument, release)],
]);

export async function runKarma(
  args: readonly string[],
  _loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const given = readArguments(args, KARMA_OPTIONS);
  if (given.has('help')) {
    terminal.out(KARMA_HELP);
    return 0;
  }
  const [name, argument, ...rest] = given.positionals;
  const action = ACTIONS.get(name ?? '');
  if (name === undefined) throw new UsageError(`karma needs an action: ${[...ACTIONS.keys()].join(', ')}`);
  if (action === undefined)
    throw new UsageError(`karma: "${name}" is no action${suggest(name, [...ACTIONS.keys()])}`);
  if (rest.length > 0) throw new UsageError(`karma ${name}: "${rest[0]}" is not understood`);
  const { store, place, close } = openConfiguredStore('karma', readConfigDir(given.text('config')));
  try {
    terminal.out(`using karma db at ${place}`);
    await action(store, argument, terminal);
  } finally {
    await close();
  }
  return 0;
}

type Kind = 'naughty' | 'nice' | 'both';
const KINDS: readonly string[] = ['naughty', 'nice', 'both'] satisfies Kind[];

async function list(store: Store, kind: Kind | undefined, terminal: Terminal): Promise<void> {
  const totals = new KarmaTotals();
  terminal.out(KARMA_HEADER);
  for await (const [key, value] of store.scan()) {
    const record = parseKarma(value);
    if (kind !== 'nice' && kind !== undefined && record.naughty === 0) continue;
    if (kind !== 'naughty' && kind !== undefined && record.nice === 0) continue;
    terminal.out(karmaRow(addressOfNumber(key) ?? maskControls(key), record));
    totals.add(record);
  }
  terminal.out(String(totals));
}

function checkNothing(argument: string | undefined): undefined {
  if (argument !== undefined) throw new UsageError(`karma list: "${argument}" is not understood`);
}

async function search(store: Store, argument: string | undefined, terminal: Terminal): Promise<void> {
  if (argument !== undefined && KINDS.includes(argument)) return list(store, argument as Kind, terminal);
  const key = keyOf(argument, 'search naughty, nice, both or an IP address');
  const record = parseKarma(await store.get(key));
  const name = await new DnsReverseLookup().nameOf(argument!);
  terminal.out(KARMA_HEADER);
  terminal.out(karmaRow(argument!, record, name));
}

async function prune(store: Store, argument: string | undefined, terminal: Terminal): Promise<void> {
  const days = argument === undefined ? DEFAULT_DAYS : readCount('days', argument, 0, 36_500);
  terminal.out(`pruned ${await store.prune(Date.now() - days * DAY_MS)} entries`);
}

type Revision = (record: KarmaRecord, now: number) => KarmaRecord;

const capture: Revision = (record, now) => ({ ...record, penaltyStart: now, naughty: record.naughty + 1 });
const release: Revision = (record) => ({ ...record, penaltyStart: 0, naughty: 0 });

async function revise(store: Store, argument: string | undefined, revision: Revision): Promise<void> {
  const key = keyOf(argument, 'an IP address is missing');
  const nowMs = Date.now();
  await store.transact(key, (value) => {
    const record = revision(parseKarma(value), Math.floor(nowMs / 1_000));
    return { value: printKarma(record), expiresInMs: karmaLifeMs(record, nowMs), answer: undefined };
  });
}

function keyOf(argument: string | undefined, otherwise: string): string {
  const key = argument === undefined ? undefined : addressNumber(argument);
  if (key === undefined)
    throw new UsageError(argument === undefined ? `karma: ${otherwise}` : `karma: not an IP: ${argument}`);
  return key;
}

export const KARMA_HEADER =
  '      IP Address                 Penalty        Naughty  Nice  Connects  Hostname';

/** Counts of 0 are left out of a list, where they would only be in the way. */
export function karmaRow(address: string, record: KarmaRecord, hostName = ''): string {
  const { penaltyStart, naughty, nice, connects } = record;
  const penalty = penaltyStart === 0 ? '' : strftime('%a %b %e %H:%M', localTime(penaltyStart * 1_000));
  const counts = [naughty, nice, connects].map((count) => (count === 0 ? '' : String(count)).padStart(3));
  return ` ${address.padEnd(18)}  ${penalty.padStart(24)}    ${counts.join('     ')}    ${hostName.padStart(30)}`;
}

/** What a list adds up to. */
export class KarmaTotals {
  #addresses = 0;
  #naughty = 0;
  #nice = 0;
  #connects = 0;

  add({ naughty, nice, connects }: KarmaRecord): void {
    this.#addresses++;
    this.#naughty += naughty;
    this.#nice += nice;
    this.#connects += connects;
  }

  toString(): string {
    return `${this.#addresses} addresses: ${this.#naughty} naughty, ${this.#nice} nice, ${this.#connects} connects`;
  }
}
