/** What was set out to be reached, and whether a run reached it. */

import { addedMicroseconds } from '../fronts/rows.ts';
import type { FrontResults, MicroResults, ServerResults } from '../results.ts';
import { perSession, summarise } from '../server/summary.ts';

/** One promise, what was measured, and whether it held. */
export interface Verdict {
  readonly promise: string;
  readonly measured: string;
  /** Undefined: not measured in this run. */
  readonly isKept: boolean | undefined;
}

const OWN = 'qpsmtpd';
/** RSS of a session beyond that of a bare Node socket, in KiB. */
const SESSION_BUDGET_KIB = 2;
/** Processor time of taking a message and handing it on, to that of taking it. */
const FORWARD_BUDGET = 2;

/** MAIL, RCPT, DATA, and the content. */
const COMMANDS_A_MESSAGE = 4;

const RATIOS: readonly (readonly [workload: string, server: string, most: number])[] = [
  ['W1', OWN, 1.4],
  ['W2', OWN, 1.4],
  ['W2p', OWN, 1.4],
  ['W4', OWN, 1.5],
  ['W1', 'qpsmtpd-sample', 2.5],
  ['W2', 'qpsmtpd-sample', 2.5],
  ['W2p', 'qpsmtpd-sample', 2.5],
];

/** smtp-sink is no server: it counts where it has to read, and not where it only answers. */
const SINK = 'smtp-sink';
const SINK_COUNTS = ['W3', 'W4'];

export function serverVerdicts(results: ServerResults): Verdict[] {
  return [...ratioVerdicts(results), ...peerVerdicts(results), ...otherVerdicts(results)];
}

/** What handing on costs, in each way of sending that was measured, to each kind of next hop. */
export function forwardVerdicts({ cells, participants, workloads }: ServerResults): Verdict[] {
  const forwarding = participants.filter(({ name }) => name.startsWith(`${OWN}-forward`));
  return workloads
    .filter(({ needs }) => needs === 'forward')
    .flatMap(({ id }) => {
      const lines = summarise(cells, id, participants);
      const cpuOf = (name: string) => lines.find(({ server }) => server === name)?.cpu.median;
      const accepting = cpuOf(OWN);
      return forwarding.map(({ name, label }) => {
        const cost = cpuOf(name);
        const times = accepting && cost ? cost / accepting : undefined;
        return {
          promise: `${id}, ${label.split(', ').at(-1)}: CPU a message at most ${FORWARD_BUDGET} x that of accepting alone`,
          measured: times === undefined ? '-' : `${times.toFixed(2)} x`,
          isKept: times === undefined ? undefined : times <= FORWARD_BUDGET,
        };
      });
    });
}

function ratioVerdicts({ cells, participants }: ServerResults): Verdict[] {
  return RATIOS.map(([workload, server, most]) => {
    const ratio = summarise(cells, workload, participants).find((line) => line.server === server)?.ratio;
    const who = server === OWN ? '' : ' with the sample plugins';
    return {
      promise: `${workload}${who}: at most ${most} x the floor`,
      measured:
        ratio === undefined
          ? '-'
          : `${ratio.median.toFixed(2)} x (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`,
      isKept: ratio === undefined ? undefined : ratio.median <= most,
    };
  });
}

/** Below every peer in every workload, by the median. */
export function peerVerdicts({ cells, participants, workloads }: ServerResults): Verdict[] {
  return workloads
    .filter(({ id }) => id !== 'durable' && !id.startsWith('forward') && !id.startsWith('latency'))
    .map(({ id }) => {
      const lines = summarise(cells, id, participants);
      const own = lines.find(({ server }) => server === OWN);
      const [nearest] = lines.filter(
        ({ server }) => !/floor|^qpsmtpd/.test(server) && (server !== SINK || SINK_COUNTS.includes(id)),
      );
      const isKnown = own !== undefined && nearest !== undefined;
      return {
        promise: `${id}: below every peer`,
        measured: isKnown ? `${(own.cpu.median / nearest.cpu.median).toFixed(2)} x ${nearest.label}` : '-',
        isKept: isKnown ? own.cpu.median < nearest.cpu.median : undefined,
      };
    });
}

function otherVerdicts({ cells, participants, idle }: ServerResults): Verdict[] {
  const line = (workload: string, server: string) =>
    summarise(cells, workload, participants).find((each) => each.server === server);
  const [maildir, queue] = [line('durable', 'qpsmtpd-maildir'), line('durable', 'postfix-queue')];
  const [alone, together] = [line('latency', OWN)?.p50Ms, line('latency-p', OWN)?.p50Ms];
  const command = (alone?.median ?? 0) / COMMANDS_A_MESSAGE;
  const [own, floor] = [OWN, 'node-floor'].map((name) => idle.find(({ server }) => server === name));
  const extra = own && floor ? perSession(own).rss - perSession(floor).rss : undefined;
  return [
    {
      promise: 'durable: messages/s at least those of Postfix accepting to its queue',
      measured:
        maildir && queue
          ? `${maildir.messagesPerSecond.median.toFixed(0)} against ${queue.messagesPerSecond.median.toFixed(0)}`
          : '-',
      isKept:
        maildir && queue ? maildir.messagesPerSecond.median >= queue.messagesPerSecond.median : undefined,
    },
    {
      promise: 'pipelined: p50 of a message at most 2 x that of a command sent by itself',
      measured: alone && together ? `${together.median.toFixed(2)} ms against ${command.toFixed(2)} ms` : '-',
      isKept: alone && together ? together.median <= 2 * command : undefined,
    },
    {
      promise: `idle session: at most ${SESSION_BUDGET_KIB} KiB RSS beyond a bare Node socket`,
      measured: extra === undefined ? '-' : `${extra.toFixed(1)} KiB at ${own!.sessions[1]} sessions`,
      isKept: extra === undefined ? undefined : extra <= SESSION_BUDGET_KIB,
    },
  ];
}

/** What a server in front may add: microseconds of processor time to a message, milliseconds to a greeting. */
const HTTPD_BUDGET_US = 150;
const LAUNCHER_BUDGET_MS = 5;

export function frontVerdicts(results: FrontResults): Verdict[] {
  const costs = results.workloads.map(({ id }) => {
    const { median, min, max } = addedMicroseconds(results, id);
    return {
      promise: `${id}: httpd and mod_qpsmtpd add at most ${HTTPD_BUDGET_US} us of CPU to a message`,
      measured: `${median.toFixed(0)} us (${min.toFixed(0)} to ${max.toFixed(0)})`,
      isKept: median <= HTTPD_BUDGET_US,
    };
  });
  const { banners } = results;
  const [direct, launched] = [banners[0]!, banners.at(-1)!].map(({ milliseconds }) => milliseconds.median);
  return [
    ...costs,
    {
      promise: `tcpserver and qpsmtpd-connect add at most ${LAUNCHER_BUDGET_MS} ms to the greeting, by the median`,
      measured: `${(launched! - direct!).toFixed(2)} ms`,
      isKept: launched! - direct! <= LAUNCHER_BUDGET_MS,
    },
  ];
}

const MICRO: readonly (readonly [path: string, octets: number, against: string, least: number])[] = [
  ['data', 65_536, 'best JavaScript', 4],
  ['data', 65_536, 'smtp-server', 12],
  ['batch', 65_536, 'best JavaScript', 3],
  ['headers', 65_536, 'best JavaScript', 1.8],
];

/** How often the compiled core is faster, by the median; sizes are matched to the nearest measured one. */
export function microVerdicts({ rows }: MicroResults): Verdict[] {
  return MICRO.map(([path, octets, against, least]) => {
    const near = rows.filter((row) => row.path === path && Math.abs(row.octets - octets) < octets / 10);
    const time = (name: string) => near.find(({ contestant }) => contestant === name)?.nanoseconds.median;
    const [wasm, other] = [time('wasm'), time(against)];
    const times = wasm !== undefined && other !== undefined ? other / wasm : undefined;
    return {
      promise: `${path}, 64 KiB: at least ${least} x as fast as ${against}`,
      measured: times === undefined ? '-' : `${times.toFixed(1)} x`,
      isKept: times === undefined ? undefined : times >= least,
    };
  });
}
