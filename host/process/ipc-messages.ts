/** What a primary and its workers say to each other, and a daemon to a process that waits until it is ready. */

import type { Admission } from './connection-ledger.ts';

export type WorkerMessage =
  /** `silenceMs`: how long it may be silent before it is killed; 0: as long as it likes. */
  | { readonly qpsmtpd: 'ready'; readonly addresses: readonly string[]; readonly silenceMs: number }
  | { readonly qpsmtpd: 'beat' }
  | { readonly qpsmtpd: 'failed'; readonly exitCode: number; readonly text: string }
  | { readonly qpsmtpd: 'leaving' }
  | { readonly qpsmtpd: 'admit'; readonly id: number; readonly ip: string; readonly extra?: number }
  | { readonly qpsmtpd: 'release'; readonly ip: string };

export type PrimaryMessage =
  ({ readonly qpsmtpd: 'admission'; readonly id: number } & Admission) | { readonly qpsmtpd: WorkerOrder };

const WORKER_ORDERS = [
  'reopen-logs',
  /** The daemon goes into the background. */
  'leave-terminal',
  /** It stops before long. */
  'announce-stop',
] as const;
export type WorkerOrder = (typeof WORKER_ORDERS)[number];

/** To the process that has started this one. Resolves when the message is on its way, also if there is no reader. */
export function tell(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected !== true || process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}

/** The longest text of an address: IPv6 with an embedded IPv4 address and a zone. */
const MAX_IP = 64;

/** Reads what came from a worker; undefined for anything that is not of ours. */
export function readWorkerMessage(message: unknown): WorkerMessage | undefined {
  const fields = fieldsOf(message);
  switch (fields?.['qpsmtpd']) {
    case 'ready': {
      const { addresses, silenceMs = 0 } = fields;
      if (!Array.isArray(addresses) || typeof silenceMs !== 'number') return undefined;
      const texts = addresses.filter((address) => typeof address === 'string');
      return { qpsmtpd: 'ready', addresses: texts, silenceMs };
    }
    case 'failed': {
      const { exitCode, text } = fields;
      if (typeof exitCode !== 'number' || typeof text !== 'string') return undefined;
      return { qpsmtpd: 'failed', exitCode, text };
    }
    case 'beat':
      return { qpsmtpd: 'beat' };
    case 'leaving':
      return { qpsmtpd: 'leaving' };
    case 'admit': {
      const { id, ip, extra = 0 } = fields;
      if (typeof id !== 'number' || typeof extra !== 'number' || !isAddress(ip)) return undefined;
      return { qpsmtpd: 'admit', id, ip, extra };
    }
    case 'release': {
      const { ip } = fields;
      return isAddress(ip) ? { qpsmtpd: 'release', ip } : undefined;
    }
    default:
      return undefined;
  }
}

/** Reads what came from the primary; undefined for anything that is not of ours. */
export function readPrimaryMessage(message: unknown): PrimaryMessage | undefined {
  const fields = fieldsOf(message);
  const kind = fields?.['qpsmtpd'];
  const order = WORKER_ORDERS.find((known) => known === kind);
  if (order !== undefined) return { qpsmtpd: order };
  if (fields === undefined || kind !== 'admission') return undefined;
  const { id, isAdmitted, fromIp } = fields;
  if (typeof id !== 'number' || typeof isAdmitted !== 'boolean' || typeof fromIp !== 'number')
    return undefined;
  return { qpsmtpd: 'admission', id, isAdmitted, fromIp };
}

interface Fields {
  readonly [name: string]: unknown;
  readonly addresses?: unknown;
  readonly silenceMs?: unknown;
  readonly id?: unknown;
  readonly ip?: unknown;
  readonly extra?: unknown;
  readonly exitCode?: unknown;
  readonly text?: unknown;
  readonly isAdmitted?: unknown;
  readonly fromIp?: unknown;
}

function fieldsOf(message: unknown): Fields | undefined {
  return typeof message === 'object' && message !== null ? (message as Fields) : undefined;
}

function isAddress(ip: unknown): ip is string {
  return typeof ip === 'string' && ip.length <= MAX_IP;
}
