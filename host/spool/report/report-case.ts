/** What a delivery status notification is about. RFC 3461 section 6, RFC 3464. */

import type { NotifyEvent, Recipient } from '../../../bindings/plugin/connection.ts';
import type { HopReply } from '../../../bindings/plugin/delivery.ts';
import type { StoredEnvelope } from '../files/envelope.ts';

/** `relayed`: handed on to a hop that does not report by itself; whether it arrives, nobody will tell. */
export type ReportAction = 'failed' | 'delayed' | 'delivered' | 'relayed';

export interface ReportedRecipient {
  readonly recipient: Recipient;
  readonly action: ReportAction;
  readonly reply: HopReply;
  readonly hop: string | undefined;
  readonly isExpired: boolean;
}

/** The event that a sender must have asked for, or not ruled out. */
export type ReportKind = Exclude<NotifyEvent, 'never'>;

export interface ReportCase {
  /** Id of the report itself. */
  readonly id: string;
  readonly kind: ReportKind;
  readonly original: StoredEnvelope;
  /** At least one, all of this kind. */
  readonly recipients: readonly ReportedRecipient[];
  /** Name of this host. */
  readonly host: string;
  readonly nowMs: number;
  /** When a delayed message will be given up. */
  readonly untilMs: number;
}

/**
 * Whether the sender is to be told of `kind`. Without NOTIFY that is so for failures and delays.
 * RFC 3461 section 4.1.
 */
export function isWanted({ options }: Recipient, kind: ReportKind): boolean {
  const notify = options?.notify;
  return notify === undefined ? kind !== 'success' : notify.includes(kind);
}

/**
 * The original as it is quoted: all of it only if a failure is told and RET=FULL asks for it (RFC 3461 section 4.3). A
 * message under REQUIRETLS is never quoted in full, because the report may take another way (RFC 8689 section 5), one
 * with binary content does not fit into a part of 8-bit lines (RFC 3030 section 4), and one that a hop has refused for what is
 * in it, or for its length, would have the report refused too.
 */
export function isQuotedInFull({ kind, original, recipients }: ReportCase): boolean {
  const { ret, body, requireTls } = original.mailOptions;
  if (kind !== 'failure' || ret !== 'full' || body === 'binarymime' || requireTls) return false;
  return !recipients.some(({ reply }) => isAboutContent(reply));
}

/** RFC 3463: X.2.3 and X.3.4, too long; X.6.Z, its media. A 552 that does not say more may mean its length. */
const isAboutContent = ({ code, status }: HopReply): boolean =>
  status === undefined ? code === 552 : /^\d\.(?:2\.3|3\.4|6\.\d+)$/.test(status);
