/**
 * Turns findings into verdicts: the settings `reject` and `reject_type` of the plugin's line decide,
 * and the log gets a line in the form log analysers know (`pass`, `fail, tolerated`, `skip`, `error`).
 */

import {
  declined,
  denySoft,
  LogLevel,
  naughty,
  naughtyRejectType,
  refusal,
  type Finding,
  type HookContext,
  type Verdict,
} from '../../bindings/plugin/index.ts';
import type { FindingSettings } from './loaded-plugin.ts';

/** A client that fails check after check must not make the note grow without end. */
export const MAX_DEFERRED = 20;

/** The refusal for now that closes the connection if the one for good would. */
const FOR_NOW = {
  perm: 'temp',
  hard: 'temp',
  temp: 'temp',
  soft: 'temp',
  disconnect: 'temp_disconnect',
  temp_disconnect: 'temp_disconnect',
} as const;

/** What the client is told when a plugin fails and the command can't be answered without it. */
export const internalError: Verdict = Object.freeze(
  denySoft('Internal error - please try again later', '3.0'),
);

/** `onFailure` stands in for a check that could not be made, as it does for one that threw. */
export function judgeFinding(
  finding: Finding,
  settings: FindingSettings,
  context: HookContext,
  onFailure: Verdict,
): Verdict {
  if (finding.kind === 'fail') return judgeFailure(finding, settings, context);
  const level = finding.kind === 'error' ? LogLevel.ERROR : LogLevel.INFO;
  if (context.log.writes(level)) context.log.at(level, logLine(finding.kind, finding));
  return finding.kind === 'error' ? onFailure : declined;
}

function judgeFailure(finding: Finding, settings: FindingSettings, context: HookContext): Verdict {
  const { reject = '1', reject_type = 'perm' } = settings;
  if (context.log.writes(LogLevel.INFO)) context.log.info(logLine(FAILURE_WORDS[reject], finding));
  if (reject === '0') return declined;
  const text = finding.text === '' ? 'unspecified error' : finding.text;
  if (reject === '1') {
    return refusal(finding.isTemporary === true ? FOR_NOW[reject_type] : reject_type, text, finding.status);
  }
  const { notes } = context.connection;
  const reason = `(${context.name}) ${text}`;
  const reasons = notes.get(naughty) ?? [];
  if (reasons.length < MAX_DEFERRED && !reasons.includes(reason)) notes.set(naughty, [...reasons, reason]);
  if (settings.reject_type !== undefined && notes.get(naughtyRejectType) === undefined) {
    notes.set(naughtyRejectType, settings.reject_type);
  }
  return declined;
}

const FAILURE_WORDS = { '0': 'fail, tolerated', '1': 'fail', naughty: 'fail, NAUGHTY' } as const;

function logLine(outcome: string, { log, text }: Finding): string {
  const detail = log ?? text;
  return detail === '' ? outcome : `${outcome}, ${detail}`;
}
