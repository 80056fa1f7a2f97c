/** Tells apart what a hook may return: nothing, a verdict, a finding, a promise of these, or garbage. */

import { inspect } from 'node:util';
import type { Answer, Finding, Verdict } from '../../bindings/plugin/index.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';

const CODES: ReadonlySet<unknown> = new Set(Object.values(ReturnCode));
const FINDING_KINDS: ReadonlySet<unknown> = new Set<Finding['kind']>(['pass', 'fail', 'skip', 'error']);

/** True for anything that can be awaited. */
export function isPromise(answer: unknown): answer is PromiseLike<Answer> {
  if (typeof answer !== 'object' || answer === null) return false;
  try {
    return typeof (answer as { then?: unknown }).then === 'function';
  } catch {
    return false;
  }
}

/** Plugins are not bound by our types, so what they return is looked at before it is believed. */
export function isVerdict(answer: unknown): answer is Verdict {
  if (typeof answer !== 'object' || answer === null) return false;
  const { kind, code, lines, status, replyCode, hop, byMailbox } = answer as Partial<
    Record<keyof Verdict, unknown>
  >;
  if (hop !== undefined && typeof hop !== 'string') return false;
  if (byMailbox !== undefined && !isMapOfVerdicts(byMailbox)) return false;
  return kind === 'verdict' && CODES.has(code) && isText(lines) && isStatus(status) && isReplyCode(replyCode);
}

const isMapOfVerdicts = (value: unknown): boolean =>
  value instanceof Map && [...value.values()].every(isVerdict);

export function isFinding(answer: unknown): answer is Finding {
  if (typeof answer !== 'object' || answer === null) return false;
  const { kind, text, status, log } = answer as Partial<Record<keyof Finding, unknown>>;
  return (
    FINDING_KINDS.has(kind) &&
    typeof text === 'string' &&
    isStatus(status) &&
    (log === undefined || typeof log === 'string')
  );
}

/** A value of any kind, briefly, for the log. */
export const show = (value: unknown): string =>
  inspect(value, {
    depth: 1,
    breakLength: Infinity,
    maxArrayLength: 5,
    maxStringLength: 200,
    getters: false,
  });

/** What was thrown, with where: the first line of an error's stack that is not the message. */
export function showThrown(thrown: unknown): string {
  if (!(thrown instanceof Error)) return show(thrown);
  const at = thrown.stack
    ?.split('\n')
    .find((line) => /^\s+at /.test(line))
    ?.trim();
  return at === undefined ? `${thrown.name}: ${thrown.message}` : `${thrown.name}: ${thrown.message} ${at}`;
}

const isText = (lines: unknown): boolean =>
  Array.isArray(lines) && lines.every((line) => typeof line === 'string');
const isReplyCode = (code: unknown): boolean =>
  code === undefined || (typeof code === 'number' && Number.isInteger(code) && code >= 400 && code <= 599);
const isStatus = (status: unknown): boolean => status === undefined || typeof status === 'string';
