/** What a hook orders: qpsmtpd's return codes, with the text the client is shown. */

import type { RejectOptions } from './definition.ts';

/** The return codes, by their qpsmtpd numbers. */
export const ReturnCode = {
  OK: 900,
  DENY: 901,
  DENYSOFT: 902,
  DENY_DISCONNECT: 903,
  DENYSOFT_DISCONNECT: 904,
  DECLINED: 909,
  DONE: 910,
} as const;
export type ReturnCode = (typeof ReturnCode)[keyof typeof ReturnCode];

/** Subject and detail of an enhanced status code, without the class digit: `7.1`. RFC 3463 sections 2 and 3. */
export type EnhancedStatus = `${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7}.${bigint}`;

/**
 * `7.1` of a hop's `5.7.1`. What it says is handed on as it is, even where RFC 3463 knows no such subject: the sender may have to ask
 * the hop's operator about it.
 */
export const withoutClass = (status: string | undefined): EnhancedStatus | undefined =>
  status?.replace(/^[245]\./, '') as EnhancedStatus | undefined;

/** A return code with what goes with it. Verdicts are values: make them with the functions below. */
export interface Verdict {
  readonly kind: 'verdict';
  readonly code: ReturnCode;
  /** Lines for the reply, or what the hook's OK is about (an address, header lines). Empty: the default text. */
  readonly lines: readonly string[];
  /** The class follows from the reply code. */
  readonly status?: EnhancedStatus;
  /** SMTP reply code of a refusal, 400 to 599, where the hook's own would say something else. */
  readonly replyCode?: number;
  /** Of the queue hook: the next hop that answered, for the log. */
  readonly hop?: string;
  /**
   * Of the queue hook, where `Transaction.isAnsweredByRecipient`: what became of each recipient, by its canonical mailbox.
   * Others are answered with the verdict itself.
   */
  readonly byMailbox?: ReadonlyMap<string, Verdict>;
}

function verdict(
  code: ReturnCode,
  text: string | readonly string[] | undefined,
  status?: EnhancedStatus,
): Verdict {
  const lines = text === undefined ? NO_LINES : splitLines(text);
  return status === undefined ? { kind: 'verdict', code, lines } : { kind: 'verdict', code, lines, status };
}

const NO_LINES: readonly string[] = Object.freeze([]);

const isOneLine = (piece: string): boolean => piece !== '' && !piece.includes('\n');

/** Every piece between line feeds is a line of the reply; empty pieces vanish, as an empty message does. */
function splitLines(text: string | readonly string[]): readonly string[] {
  // Nearly all refusals have one line, and a spammer may earn one for each of a thousand recipients.
  const pieces = typeof text === 'string' ? [text] : [...text];
  if (pieces.every(isOneLine)) return pieces;
  return pieces.flatMap((piece) => piece.split(/\r?\n/)).filter((line) => line !== '');
}

/** No opinion: the next plugin is asked. Returning nothing means the same. */
export const declined: Verdict = Object.freeze(verdict(ReturnCode.DECLINED, undefined));

/**
 * No opinion, with a text for the client should no other plugin have one: a queue plugin that could not store the
 * message says why, and the next queue plugin is still asked.
 */
export const decline = (text: string | readonly string[]): Verdict => verdict(ReturnCode.DECLINED, text);

/** Ends the chain in favour of the client; what OK makes of the reply depends on the hook. */
export const ok = (text?: string | readonly string[], status?: EnhancedStatus): Verdict =>
  verdict(ReturnCode.OK, text, status);

/** Refuses for good (5yz). */
export const deny = (text?: string | readonly string[], status?: EnhancedStatus): Verdict =>
  verdict(ReturnCode.DENY, text, status);

/** Refuses for now (4yz); the client is expected to come back. */
export const denySoft = (text?: string | readonly string[], status?: EnhancedStatus): Verdict =>
  verdict(ReturnCode.DENYSOFT, text, status);

/** Refuses for good and closes the connection. */
export const denyDisconnect = (text?: string | readonly string[], status?: EnhancedStatus): Verdict =>
  verdict(ReturnCode.DENY_DISCONNECT, text, status);

/** Refuses for now and closes the connection. */
export const denySoftDisconnect = (text?: string | readonly string[], status?: EnhancedStatus): Verdict =>
  verdict(ReturnCode.DENYSOFT_DISCONNECT, text, status);

/** The same refusal under another reply code: HELP is answered 502 where it is not implemented. RFC 5321 section 4.2.4. */
export const withReplyCode = (verdict: Verdict, replyCode: number): Verdict => ({ ...verdict, replyCode });

/** The plugin has dealt with the command itself: qpsmtpd sends no reply. */
export const done: Verdict = Object.freeze(verdict(ReturnCode.DONE, undefined));

const NAMES = new Map<number, string>(Object.entries(ReturnCode).map(([name, code]) => [code, name]));

/** The name of a return code, for logs. */
export const nameOf = (code: ReturnCode): string => NAMES.get(code) ?? String(code);

/** True for the four codes that refuse. */
export const isDenial = (code: ReturnCode): boolean =>
  code >= ReturnCode.DENY && code <= ReturnCode.DENYSOFT_DISCONNECT;

/**
 * The verdict that a list of an operator's orders: a return code by name (`DENY`, `DENYSOFT_DISCONNECT`) and a text
 * for the client. Undefined for a name that is no return code.
 */
export function verdictFor(name: string, text: string): Verdict | undefined {
  if (!Object.hasOwn(ReturnCode, name)) return undefined;
  return { ...deny(text), code: ReturnCode[name as keyof typeof ReturnCode] };
}

/** The names of all return codes, for messages. */
export const RETURN_CODE_NAMES: readonly string[] = Object.keys(ReturnCode);

const REFUSALS = {
  perm: deny,
  hard: deny,
  temp: denySoft,
  soft: denySoft,
  disconnect: denyDisconnect,
  temp_disconnect: denySoftDisconnect,
} as const satisfies Record<NonNullable<RejectOptions['reject_type']>, typeof deny>;

/** The refusal that a `reject_type` stands for. */
export const refusal = (
  type: NonNullable<RejectOptions['reject_type']>,
  text: string | readonly string[],
  status?: EnhancedStatus,
): Verdict => REFUSALS[type](text, status);
