/**
 * `qpsmtpd queue`: looks into the spool of queue/spool, and changes it while the daemon runs.
 *
 * What `qpsmtpd queue` prints. Senders have chosen the addresses: control characters never reach the terminal.
 */

import { LogLevel, type Log } from '../../bindings/plugin/log-level.ts';
import { heldOctets, type DestinationEntry, type JobEntry } from '../spool/index/index-entries.ts';
import { appendEvent } from '../spool/files/message-file.ts';
import { checkSpool } from '../spool/spool-check.ts';
import { SpoolError } from '../spool/files/spool-error.ts';
import { isSpoolId } from '../spool/files/spool-id.ts';
import type { DaemonLoader } from '../process/daemon.ts';
import type { Terminal } from '../process/serve-options.ts';
import {
  HELP_OPTION,
  printHelp,
  readArguments,
  UsageError,
  type Arguments,
  type OptionSpec,
} from './arguments.ts';
import { readConfigDir } from '../config/search-path.ts';
import { openConfiguredSpool, type ConfiguredSpool } from './configured-spool.ts';
import { suggest } from '../../bindings/lists/nearest.ts';
import { showMessage } from './queue-show.ts';
import { CONFIG_OPTION } from './serve-command.ts';
import { readService, SERVICE_OPTION } from './service-option.ts';
import type { HopReply } from '../../bindings/plugin/delivery.ts';
import type { ListedMessage } from '../spool/index/spool-index.ts';
import { maskControls } from '../message/field-text.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const QUEUE_HEADER = 'ID                       AGE   OCTETS  NEXT     FROM, TO, LAST REPLY';

/** `3h12m`, rounded down. */
export function printSpan(ms: number): string {
  const span = Math.max(0, ms);
  if (span < MINUTE) return `${Math.floor(span / 1_000)}s`;
  if (span < HOUR) return `${Math.floor(span / MINUTE)}m`;
  if (span < DAY) return `${Math.floor(span / HOUR)}h${Math.floor((span % HOUR) / MINUTE)}m`;
  return `${Math.floor(span / DAY)}d${Math.floor((span % DAY) / HOUR)}h`;
}

/** Where a job stands, its destination included: a ready job waits as long as its destination cannot be reached. */
function standing(
  job: JobEntry,
  failed: DestinationEntry | undefined,
  nowMs: number,
): { readonly state: string; readonly nextMs: number | undefined; readonly reply: HopReply | undefined } {
  const { state, nextMs, reply = failed?.reply } = job;
  const openMs = failed?.retryAtMs ?? 0;
  if (state === 'waiting') return { state, nextMs: Math.max(nextMs, openMs), reply };
  if (state === 'ready' && openMs > nowMs) return { state: 'waiting', nextMs: openMs, reply };
  return { state, nextMs: undefined, reply };
}

/** One row for each destination of a message. */
export function queueRows({ id, message, jobs, failed }: ListedMessage, nowMs: number): string[] {
  const { arrivedMs, octets, from } = message;
  return [...jobs].map(([dest, job]) => {
    const { state, nextMs, reply } = standing(job, failed.get(dest), nowMs);
    const next = nextMs === undefined ? nameOf(state) : `in ${printSpan(nextMs - nowMs)}`;
    const to = job.to.map((mailbox) => `<${mailbox}>`).join(',');
    const facts = [
      id,
      printSpan(nowMs - arrivedMs).padStart(7),
      String(octets).padStart(8),
      ` ${next.padEnd(8)}`,
      maskControls(`<${from}> ${to} ${printReply(reply, job.hop)}`),
    ];
    return facts.join(' ').trimEnd();
  });
}

const nameOf = (state: string): string => (state === 'claimed' ? 'sending' : state);

const printReply = (reply: HopReply | undefined, hop: string | undefined): string =>
  reply === undefined
    ? ''
    : `(${[hop, reply.code, reply.status, ...reply.lines].filter((part) => part !== undefined).join(' ')})`;

/** The same for programs: one object for each message. */
export const queueRecord = ({ id, message, jobs, failed }: ListedMessage, nowMs: number): object => ({
  id,
  arrived: new Date(message.arrivedMs).toISOString(),
  octets: message.octets,
  from: message.from,
  held: message.isHeld,
  destinations: [...jobs].map(([dest, job]) => {
    const { state, nextMs, reply } = standing(job, failed.get(dest), nowMs);
    return {
      destination: job.destination,
      state,
      next: nextMs === undefined ? null : new Date(nextMs).toISOString(),
      attempts: job.tries,
      to: job.to,
      reply: reply ?? null,
      hop: job.hop ?? null,
    };
  }),
});

const HOUR_MS = 3_600_000;
/** For entries that `check` makes anew; the daemon puts its own times in their place at the first attempt. */
const TIMES = {
  firstRetryMs: 1,
  longestRetryMs: 1,
  lifeMs: 120 * HOUR_MS,
  delayNoticeMs: 4 * HOUR_MS,
  keepReportsMs: 168 * HOUR_MS,
};

export const QUEUE_OPTIONS: readonly OptionSpec[] = [
  CONFIG_OPTION,
  SERVICE_OPTION,
  { name: 'spool', value: 'DIR', help: 'the folder of the spool, instead of that in config/plugins' },
  { name: 'all', help: 'every message, for retry, hold, release and rm' },
  { name: 'content', help: 'show: the body as well' },
  { name: 'json', help: 'ls and show: objects for programs, one a line' },
  HELP_OPTION,
];

const QUEUE_HELP = printHelp(
  'qpsmtpd queue ACTION [ID]... [--config DIR]',
  `Run it as the daemon's user; root becomes the owner of the spool. A running daemon notices changes within a second. The actions:

  ls               what is in the spool: id, age, size, next try, sender, recipients left, last reply
  show ID          envelope, history and header of a message
  retry ID         try again now
  flush            try everything again now
  hold ID          do not try it any more, nor return it
  release ID       undo hold
  rm ID            throw it away; nobody is told
  check            bring files and index together`,
  QUEUE_OPTIONS,
);

type Action = (spool: ConfiguredSpool, given: Arguments, terminal: Terminal) => Promise<void>;

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['ls', list],
  ['show', show],
  ['retry', (spool, given, terminal) => each(spool, given, terminal, 'retry', retry)],
  ['flush', flush],
  ['hold', (spool, given, terminal) => each(spool, given, terminal, 'hold', hold)],
  ['release', (spool, given, terminal) => each(spool, given, terminal, 'release', release)],
  ['rm', (spool, given, terminal) => each(spool, given, terminal, 'rm', remove)],
  ['check', check],
]);

export async function runQueue(
  args: readonly string[],
  _loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const given = readArguments(args, QUEUE_OPTIONS);
  if (given.has('help')) {
    terminal.out(QUEUE_HELP);
    return 0;
  }
  const [name, ...ids] = given.positionals;
  const action = ACTIONS.get(name ?? '');
  if (name === undefined) throw new UsageError(`queue needs an action: ${[...ACTIONS.keys()].join(', ')}`);
  if (action === undefined)
    throw new UsageError(`queue: "${name}" is no action${suggest(name, [...ACTIONS.keys()])}`);
  // An id becomes a path: `../../etc/passwd` is refused before anything is looked at.
  for (const id of ids)
    if (!isSpoolId(id)) throw new UsageError(`queue ${name}: ${JSON.stringify(id)} is no id`);
  const service = readService(given);
  const spool = await openConfiguredSpool(given.text('spool'), readConfigDir(given.text('config')), service);
  try {
    await action(spool, given, terminal);
  } finally {
    await spool.index.close();
  }
  return 0;
}

const idsOf = ({ positionals }: Arguments): readonly string[] => positionals.slice(1);

async function list({ index }: ConfiguredSpool, given: Arguments, terminal: Terminal): Promise<void> {
  refuseIds(given);
  const nowMs = Date.now();
  const isJson = given.has('json');
  let messages = 0;
  let octets = 0;
  if (!isJson) terminal.out(QUEUE_HEADER);
  for (const piece of index.messages()) {
    for (const message of piece) {
      messages++;
      octets += heldOctets(message.message);
      const rows = isJson ? [JSON.stringify(queueRecord(message, nowMs))] : queueRows(message, nowMs);
      for (const row of rows) terminal.out(row);
    }
  }
  if (!isJson) terminal.out(`${messages} messages, ${octets} octets`);
}

async function show(spool: ConfiguredSpool, given: Arguments, terminal: Terminal): Promise<void> {
  const [id, ...rest] = idsOf(given);
  if (id === undefined || rest.length > 0) throw new UsageError('queue show takes one id');
  const options = { isJson: given.has('json'), isWhole: given.has('content') };
  await showMessage(spool, id, options, (line) => terminal.out(line));
}

/** Says what became of one message. */
type Change = (spool: ConfiguredSpool, id: string) => Promise<string>;

async function each(
  spool: ConfiguredSpool,
  given: Arguments,
  terminal: Terminal,
  name: string,
  change: Change,
): Promise<void> {
  const ids = idsOf(given);
  if (given.has('all') === ids.length > 0) throw new UsageError(`queue ${name}: give ids, or --all`);
  for (const id of ids) terminal.out(`${id}: ${await change(spool, id)}`);
  if (ids.length > 0) return;
  for (const piece of spool.index.messages())
    for (const { id } of piece) terminal.out(`${id}: ${await change(spool, id).catch(String)}`);
}

const unknown = (id: string): SpoolError => new SpoolError(`there is no message ${id}`);

const retry: Change = async ({ index }, id) => {
  const result = await index.retry(id, Date.now());
  if (result === 'unknown') throw unknown(id);
  return result === 'held' ? 'held: release it first' : 'will be tried now';
};

const hold: Change = async ({ index, folder }, id) => {
  if (!(await index.setHeld(id, true, Date.now()))) throw unknown(id);
  await appendEvent(folder, id, { event: 'held', ms: Date.now() }, { isDurable: true });
  return 'held';
};

const release: Change = async ({ index, folder }, id) => {
  if (!(await index.setHeld(id, false, Date.now()))) throw unknown(id);
  await appendEvent(folder, id, { event: 'released', ms: Date.now() }, { isDurable: true });
  return 'released';
};

const remove: Change = async ({ index, folder }, id) => {
  const result = await index.remove(id, Date.now());
  if (result === 'unknown') throw unknown(id);
  if (result === 'busy') throw new SpoolError(`${id} is being sent just now; hold it, and try again`);
  await folder.discard(id);
  return 'removed';
};

async function flush(spool: ConfiguredSpool, given: Arguments, terminal: Terminal): Promise<void> {
  refuseIds(given);
  const counts = { due: 0, held: 0, unknown: 0 };
  for (const piece of spool.index.messages())
    for (const { id } of piece) counts[await spool.index.retry(id, Date.now())]++;
  const { due, held } = counts;
  const rest = held === 1 ? '; 1 is held: release it first' : `; ${held} are held: release them first`;
  terminal.out(`${due} messages will be tried now${held === 0 ? '' : rest}`);
}

async function check(
  { folder, index }: ConfiguredSpool,
  given: Arguments,
  terminal: Terminal,
): Promise<void> {
  refuseIds(given);
  const { found, dropped, damaged } = await checkSpool(folder, index, TIMES, printingLog(terminal));
  const { messages, octets } = index.totals();
  terminal.out(`${found} files found, ${dropped} entries dropped, ${damaged} files damaged`);
  terminal.out(`${messages} messages, ${octets} octets`);
}

function refuseIds(given: Arguments): void {
  const [id] = idsOf(given);
  if (id !== undefined) throw new UsageError(`queue: "${id}" is not understood`);
}

function printingLog(terminal: Terminal): Log {
  const print = (text: string): void => terminal.err(text);
  return {
    writes: (level) => level <= LogLevel.NOTICE,
    at: (_level, text) => print(text),
    error: print,
    warn: print,
    notice: print,
    info: () => undefined,
    debug: () => undefined,
  };
}
