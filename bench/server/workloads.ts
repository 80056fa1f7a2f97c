/** What servers are made to do. */

import type { LoadPlan } from '../load/plan.ts';

/** How much one run of a cell may take. */
export interface Amount {
  /** Processor time of the server to aim at: shorter runs drown in the clock's ticks of 10 ms. */
  readonly cpuSeconds: number;
  /** Longest time one run may take. */
  readonly seconds: number;
  /** Processor time of the run that warms a server up, uncounted. */
  readonly warmUpCpuSeconds: number;
  /** Whether a server is warmed up again for each workload, and not for its first one only. */
  readonly warmsAlways: boolean;
}

export const FULL: Amount = { cpuSeconds: 1.5, seconds: 6, warmUpCpuSeconds: 1.5, warmsAlways: true };
export const QUICK: Amount = { cpuSeconds: 0.2, seconds: 0.8, warmUpCpuSeconds: 1, warmsAlways: false };

export interface Workload {
  readonly id: string;
  readonly title: string;
  readonly about: string;
  /** Postfix's smtp-source, which knows neither pipelining nor TLS, or this project's load generator. */
  readonly generator: 'smtp-source' | 'load';
  readonly sessions: number;
  readonly plan: Omit<LoadPlan, 'port' | 'messages' | 'sessions'>;
  /** Fewest messages of a run for each session: where connections are kept, opening them must not be what is measured. */
  readonly minPerSession: number;
  /** Which of the server's configurations it needs. */
  readonly needs: 'plain' | 'tls' | 'durable' | 'forward';
  /** A new connection for every message: a server that waits before it greets needs more of them at a time. */
  readonly isGreetingBound: boolean;
}

const KIB = 1_024;
const KEPT = 100;

/** Where a connection is kept. */
const MIN_KEPT = 25;

const base = {
  generator: 'smtp-source',
  sessions: 20,
  minPerSession: MIN_KEPT,
  needs: 'plain',
  isGreetingBound: false,
} as const;

export const WORKLOADS: readonly Workload[] = [
  {
    ...base,
    id: 'W1',
    title: '1 KiB, a connection each',
    about: 'Each message of 1 KiB on a connection of its own, 20 at a time, no pipelining.',
    plan: { octets: KIB, perConnection: 1 },
    minPerSession: 2,
    isGreetingBound: true,
  },
  {
    ...base,
    id: 'W2',
    title: '1 KiB, connection kept',
    about: 'Messages of 1 KiB one after the other on 20 connections, no pipelining.',
    plan: { octets: KIB, perConnection: KEPT },
  },
  {
    ...base,
    id: 'W2p',
    title: '1 KiB, kept and pipelined',
    about: 'As W2, with MAIL, RCPT and DATA in one write (RFC 2920), 100 messages a connection.',
    generator: 'load',
    plan: { octets: KIB, perConnection: KEPT, isPipelined: true },
  },
  {
    ...base,
    id: 'W3',
    title: '50 KiB, a connection each',
    about: 'Each message of 50 KiB on a connection of its own, 20 at a time.',
    plan: { octets: 50 * KIB, perConnection: 1 },
    minPerSession: 2,
    isGreetingBound: true,
  },
  {
    ...base,
    id: 'W4',
    title: '5 MiB, connection kept',
    about: 'Messages of 5 MiB one after the other on 4 connections.',
    sessions: 4,
    plan: { octets: 5 * KIB * KIB, perConnection: 10 },
    minPerSession: 1,
  },
  {
    ...base,
    id: 'BDAT',
    title: '50 KiB by BDAT',
    about: 'Messages of 50 KiB in one chunk of RFC 3030 each, envelope pipelined, 100 messages a connection.',
    generator: 'load',
    plan: { octets: 50 * KIB, perConnection: KEPT, isPipelined: true, usesBdat: true },
  },
  {
    ...base,
    id: 'TLS',
    title: '1 KiB under STARTTLS, a connection each',
    about:
      'Each message of 1 KiB on a connection of its own with a full TLS 1.3 handshake (P-256), 20 at a time.',
    generator: 'load',
    plan: { octets: KIB, perConnection: 1, usesTls: true },
    needs: 'tls',
    minPerSession: 2,
    isGreetingBound: true,
  },
  {
    ...base,
    id: 'refused',
    title: 'ten recipients refused, one taken',
    about:
      'A message of 1 KiB with ten recipients that are refused and one that is not; pipelined, 100 a connection.',
    generator: 'load',
    plan: { octets: KIB, perConnection: KEPT, isPipelined: true, refusedRecipients: 10 },
  },
  {
    ...base,
    id: 'latency',
    title: 'one client, command by command',
    about:
      'One connection, 1 KiB, every command waits for the reply to the one before: milliseconds a message.',
    generator: 'load',
    sessions: 1,
    plan: { octets: KIB, perConnection: KEPT },
  },
  {
    ...base,
    id: 'latency-p',
    title: 'one client, pipelined',
    about:
      'One connection, 1 KiB, pipelined. A server that writes each reply by itself stalls here for 40 ms.',
    generator: 'load',
    sessions: 1,
    plan: { octets: KIB, perConnection: KEPT, isPipelined: true },
  },
  {
    ...base,
    id: 'durable',
    title: '1 KiB, on disk before the reply',
    about:
      '20 clients, connection kept; the message is written and synced to the disk before it is accepted.',
    plan: { octets: KIB, perConnection: KEPT },
    needs: 'durable',
  },
  {
    ...base,
    id: 'forward-c',
    title: '1 KiB, a connection each, handed on before the reply',
    about:
      'As W1, beside the same server handing each message on by SMTP to a sink on another core before it accepts it. Clients of an edge host mostly come like this.',
    plan: { octets: KIB, perConnection: 1 },
    minPerSession: 2,
    isGreetingBound: true,
    needs: 'forward',
  },
  {
    ...base,
    id: 'forward',
    title: '1 KiB, connection kept, handed on before the reply',
    about: 'As W2, beside the same server handing on. The client waits for each reply.',
    plan: { octets: KIB, perConnection: KEPT },
    needs: 'forward',
  },
  {
    ...base,
    id: 'forward-p',
    title: '1 KiB, pipelined, handed on before the reply',
    about:
      'As W2p, beside the same server handing on. Accepting costs two reads and two writes here, and handing on as many again, which have to wake the sink as well.',
    generator: 'load',
    plan: { octets: KIB, perConnection: KEPT, isPipelined: true },
    needs: 'forward',
  },
];
