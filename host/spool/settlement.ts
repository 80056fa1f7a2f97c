/** From the outcomes of an attempt to what is remembered of them, and who is told. */

import type { DeliveryReport, HopReply, RecipientOutcome } from '../../bindings/plugin/delivery.ts';
import type { OutcomeGroup, OutcomeKind } from './files/history.ts';
import type { StoredEnvelope } from './files/envelope.ts';
import {
  isWanted,
  type ReportAction,
  type ReportedRecipient,
  type ReportKind,
} from './report/report-case.ts';

/** What became of one recipient, which `index` finds in the envelope. */
export interface Settled {
  readonly index: number;
  readonly kind: OutcomeKind;
  readonly reply: HopReply;
  readonly hop: string | undefined;
  readonly isReportedByHop: boolean;
}

/** For an outlet that broke its promise to report, whatever happens. */
export const BROKEN_OUTLET: RecipientOutcome = {
  kind: 'deferred',
  reply: { code: 451, status: '4.3.0', lines: ['the outlet failed'] },
  hop: undefined,
};

/** Where a recipient is given up without ever having been tried. */
export const NO_REPLY: HopReply = { code: 451, status: '4.4.1', lines: ['no next hop was reached'] };

/** What is kept of a reply. */
const MAX_LINES = 5;
const MAX_CHARACTERS = 200;
/** Different answers that are kept of one attempt; further ones of a kind count as the one before. */
const MAX_GROUPS = 100;

/** A hop that says as much as it may to each of a thousand recipients, at every attempt, would fill the disk. */
function shortened(reply: HopReply): HopReply {
  const { lines } = reply;
  const isShort = lines.length <= MAX_LINES && lines.every(({ length }) => length <= MAX_CHARACTERS);
  if (isShort) return reply;
  return { ...reply, lines: lines.slice(0, MAX_LINES).map((line) => line.slice(0, MAX_CHARACTERS)) };
}

/** `isExpired`: what is put off now is given up. */
export function settle(indices: readonly number[], report: DeliveryReport, isExpired: boolean): Settled[] {
  return indices.map((index, place) => {
    const { kind, reply, hop, isReportedByHop = false } = report[place] ?? BROKEN_OUTLET;
    const settledKind = kind === 'deferred' && isExpired ? 'expired' : kind;
    return { index, kind: settledKind, reply: shortened(reply), hop, isReportedByHop };
  });
}

/** The same outcomes in one group, so that a list of a thousand recipients takes one line. */
export function grouped(settled: readonly Settled[]): OutcomeGroup[] {
  const groups = new Map<string, { readonly recipients: number[]; readonly one: Settled }>();
  for (const one of settled) {
    const key = groups.size < MAX_GROUPS ? JSON.stringify([one.kind, one.hop, one.reply]) : one.kind;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { recipients: [one.index], one });
    else group.recipients.push(one.index);
  }
  return [...groups.values()].map(({ recipients, one: { kind, reply, hop } }) => ({
    recipients,
    kind,
    reply,
    hop,
  }));
}

export const isSettled = ({ kind }: Settled): boolean => kind !== 'deferred' && kind !== 'kept';

/** What a report comes to: its end cannot be reported (RFC 5321 section 6.1), so it must be kept. */
export const keepingReports = (settled: readonly Settled[]): readonly Settled[] =>
  settled.map((one) =>
    one.kind === 'refused' || one.kind === 'expired' ? { ...one, kind: 'kept' as const } : one,
  );

/** True if a hop has spoken, or at least one recipient is served: the destination is alive. */
export const isReached = (settled: readonly Settled[]): boolean =>
  settled.some(({ kind, hop }) => kind === 'delivered' || kind === 'refused' || hop !== undefined);

/** The recipients whose sender is to hear of `kind`. */
export function reportedOf(
  { recipients }: StoredEnvelope,
  settled: readonly Settled[],
  kind: ReportKind,
): ReportedRecipient[] {
  return settled.flatMap((one) => {
    const recipient = recipients[one.index]!;
    const action = actionOf(one, kind);
    if (action === undefined || !isWanted(recipient, kind)) return [];
    const { reply, hop } = one;
    return [{ recipient, action, reply, hop, isExpired: one.kind === 'expired' }];
  });
}

function actionOf({ kind, hop, isReportedByHop }: Settled, about: ReportKind): ReportAction | undefined {
  if (about === 'failure') return kind === 'refused' || kind === 'expired' ? 'failed' : undefined;
  if (about === 'delay') return kind === 'deferred' ? 'delayed' : undefined;
  if (kind !== 'delivered' || isReportedByHop) return undefined;
  return hop === undefined ? 'delivered' : 'relayed';
}
