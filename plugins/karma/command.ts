/** `qpsmtpd karma`: looks into what the plugin remembers, and corrects it, as qpsmtpd's karma_tool did. */

import { addressNumber, addressOfNumber, isLoopback } from '../../bindings/lists/index.ts';
import {
  strftime,
  type CommandContext,
  type PluginCommand,
  type Store,
} from '../../bindings/plugin/index.ts';
import { karmaLifeMs, parseKarma, printKarma, type KarmaRecord } from './record.ts';

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 7;
const MAX_DAYS = 36_500;

type Action = (context: CommandContext, store: Store, argument: string | undefined) => Promise<void>;

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['list', listAll],
  ['search', search],
  ['prune', prune],
  ['capture', (context, store, argument) => revise(context, store, argument, capture)],
  ['release', (context, store, argument) => revise(context, store, argument, release)],
]);

export const karmaCommand: PluginCommand = {
  about: 'look into what the plugin karma remembers',
  usage: 'ACTION',
  help: `Run it as the daemon's user; root becomes the owner of the store. The actions:

  list                             all addresses
  search naughty|nice|both|IP      some of them, or one with its name
  prune [DAYS]                     forget what has not changed for so long (default: ${DEFAULT_DAYS})
  capture IP                       send an address to the penalty box
  release IP                       let it out, and forget its bad connections`,
  async run(context) {
    const { positionals, misuse, openStore, print } = context;
    const names = [...ACTIONS.keys()];
    const [name, argument, ...rest] = positionals;
    if (name === undefined) throw misuse(`karma needs an action: ${names.join(', ')}`);
    const action = ACTIONS.get(name);
    if (action === undefined) throw misuse(`karma: "${name}" is no action`, name, names);
    if (rest.length > 0) throw misuse(`karma ${name}: "${rest[0]}" is not understood`);
    const { store, place } = openStore('karma');
    print(`using karma db at ${place}`);
    await action(context, store, argument);
  },
};

type Kind = 'naughty' | 'nice' | 'both';
const KINDS: readonly string[] = ['naughty', 'nice', 'both'] satisfies Kind[];

async function listAll(context: CommandContext, store: Store, argument: string | undefined): Promise<void> {
  if (argument !== undefined) throw context.misuse(`karma list: "${argument}" is not understood`);
  await list(context, store);
}

async function list(context: CommandContext, store: Store, kind?: Kind): Promise<void> {
  const totals = { addresses: 0, naughty: 0, nice: 0, connects: 0 };
  context.print(HEADER);
  for await (const [key, value] of store.scan()) {
    const record = parseKarma(value);
    if (kind !== 'nice' && kind !== undefined && record.naughty === 0) continue;
    if (kind !== 'naughty' && kind !== undefined && record.nice === 0) continue;
    context.print(rowOf(context, addressOfNumber(key) ?? maskControls(key), record));
    totals.addresses++;
    totals.naughty += record.naughty;
    totals.nice += record.nice;
    totals.connects += record.connects;
  }
  const { addresses, naughty, nice, connects } = totals;
  context.print(`${addresses} addresses: ${naughty} naughty, ${nice} nice, ${connects} connects`);
}

async function search(context: CommandContext, store: Store, argument: string | undefined): Promise<void> {
  if (argument !== undefined && KINDS.includes(argument)) return list(context, store, argument as Kind);
  const key = keyOf(context, argument, 'search naughty, nice, both or an IP address');
  const record = parseKarma(await store.get(key));
  const name = await nameOf(context, argument!);
  context.print(HEADER);
  context.print(rowOf(context, argument!, record, name));
}

/** A PTR record may hold any octets: what is no host name is not printed. */
async function nameOf({ services }: CommandContext, address: string): Promise<string | undefined> {
  if (isLoopback(address)) return undefined;
  const answer = await services.dns.reverse(address);
  const name = answer.status === 'found' ? answer.records[0] : undefined;
  return name !== undefined && name.length <= 255 && /^[\w-]+(?:\.[\w-]+)*\.?$/.test(name) ? name : undefined;
}

async function prune(context: CommandContext, store: Store, argument: string | undefined): Promise<void> {
  const days = argument === undefined ? DEFAULT_DAYS : Number(/^\d{1,9}$/.exec(argument)?.[0] ?? NaN);
  if (!(days <= MAX_DAYS))
    throw context.misuse(`--days: "${argument}" is no whole number from 0 to ${MAX_DAYS}`);
  context.print(`pruned ${await store.prune(context.services.clock.now() - days * DAY_MS)} entries`);
}

type Revision = (record: KarmaRecord, now: number) => KarmaRecord;

const capture: Revision = (record, now) => ({ ...record, penaltyStart: now, naughty: record.naughty + 1 });
const release: Revision = (record) => ({ ...record, penaltyStart: 0, naughty: 0 });

async function revise(
  context: CommandContext,
  store: Store,
  argument: string | undefined,
  revision: Revision,
): Promise<void> {
  const key = keyOf(context, argument, 'an IP address is missing');
  const nowMs = context.services.clock.now();
  await store.transact(key, (value) => {
    const record = revision(parseKarma(value), Math.floor(nowMs / 1_000));
    return { value: printKarma(record), expiresInMs: karmaLifeMs(record, nowMs), answer: undefined };
  });
}

function keyOf({ misuse }: CommandContext, argument: string | undefined, otherwise: string): string {
  const key = argument === undefined ? undefined : addressNumber(argument);
  if (key === undefined)
    throw misuse(`karma: ${argument === undefined ? otherwise : `not an IP: ${argument}`}`);
  return key;
}

/** The columns of karma_tool. */
const HEADER = '      IP Address                 Penalty        Naughty  Nice  Connects  Hostname';

/** Counts of 0 are left out of a list, where they would only be in the way. */
function rowOf(
  { services }: CommandContext,
  address: string,
  { penaltyStart, naughty, nice, connects }: KarmaRecord,
  hostName = '',
): string {
  const start = services.system.localTime(penaltyStart * 1_000);
  const penalty = penaltyStart === 0 ? '' : strftime('%a %b %e %H:%M', start);
  const counts = [naughty, nice, connects].map((count) => (count === 0 ? '' : String(count)).padStart(3));
  return ` ${address.padEnd(18)}  ${penalty.padStart(24)}    ${counts.join('     ')}    ${hostName.padStart(30)}`;
}

const maskControls = (text: string): string => text.replace(/[\u0000-\u001f\u007f]/g, '?');
