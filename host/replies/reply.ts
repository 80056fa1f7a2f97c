/**
 * Replies as values. RFC 5321 section 4.2. A template is written once in `replies.ts` and rendered in one of two
 * styles: `classic` has qpsmtpd's literal texts, `enhanced` has RFC 2034 status codes and plain texts.
 */

import type { Verdict } from '../../bindings/plugin/verdict.ts';

export type ReplyStyle = 'classic' | 'enhanced';

/** One reply of the table. `%1` and `%2` in the texts are filled in by the caller. */
export interface Template {
  readonly code: number;
  /** RFC 3463 status with its class digit; empty where RFC 2034 section 4 wants none (greeting, EHLO, 354). */
  readonly status: string;
  readonly classic: readonly string[];
  readonly enhanced: readonly string[];
}

/** A template of the table. A plain text is the same in both styles. */
export function template(
  code: number,
  status: string,
  classic: string | readonly string[],
  enhanced: string | readonly string[] = classic,
): Template {
  const lines = (text: string | readonly string[]): readonly string[] =>
    typeof text === 'string' ? [text] : text;
  return { code, status, classic: lines(classic), enhanced: lines(enhanced) };
}

/** Renders templates in one style; what stands around their gaps is rendered once and kept. */
export class ReplyPrinter {
  readonly style: ReplyStyle;
  /** Weak, because a verdict with a reply code of its own makes a template of its own. */
  readonly #rendered = new WeakMap<Template, string>();
  readonly #pieces = new WeakMap<Template, readonly string[]>();

  constructor(style: ReplyStyle) {
    this.style = style;
  }

  /** A reply that needs nothing filled in, CRLF included. */
  fixed(reply: Template): string {
    const known = this.#rendered.get(reply);
    if (known !== undefined) return known;
    const text = this.lines(reply.code, reply.status, reply[this.style]);
    this.#rendered.set(reply, text);
    return text;
  }

  /** A reply with `%1` and `%2` filled in. */
  filled(reply: Template, first: string, second = ''): string {
    let pieces = this.#pieces.get(reply);
    if (pieces === undefined) this.#pieces.set(reply, (pieces = this.fixed(reply).split(/%([12])/)));
    let text = pieces[0]!;
    for (let gap = 1; gap < pieces.length; gap += 2) {
      text += onWire(pieces[gap] === '1' ? first : second) + pieces[gap + 1]!;
    }
    return text;
  }

  /** Lines under a code: `250-first`, `250 last`. The status stands in front of each line in the enhanced style. */
  lines(code: number, status: string, lines: readonly string[]): string {
    const prefix = this.style === 'enhanced' && status !== '' ? `${status} ` : '';
    const last = lines.length - 1;
    let reply = '';
    for (let index = 0; index <= last; index++) {
      reply += `${code}${index === last ? ' ' : '-'}${prefix}${onWire(lines[index]!)}\r\n`;
    }
    return reply;
  }

  /** The text of a plugin, or that of the table if it has none. */
  verdict(reply: Template, { replyCode, status, lines }: Verdict, about: string): string {
    const code = replyCode ?? reply.code;
    const isExplicit = status !== undefined;
    const whole = isExplicit ? `${Math.floor(code / 100)}.${status}` : reply.status;
    if (lines.length > 0) return this.worded(code, whole, lines, isExplicit);
    return this.filled(underCode(reply, code, whole, isExplicit), about);
  }

  /** The lines of a plugin's verdict: the classic style appends the status as qpsmtpd's DSN texts do. */
  worded(code: number, status: string, lines: readonly string[], isExplicit: boolean): string {
    if (this.style === 'enhanced' || !isExplicit) return this.lines(code, status, lines);
    if (lines.length === 1) return `${code} ${onWire(lines[0]!)} (#${onWire(status)})\r\n`;
    return this.lines(code, status, withStatus(lines, status));
  }
}

const withStatus = (lines: readonly string[], status: string): readonly string[] =>
  lines.map((line, index) => (index === lines.length - 1 ? `${line} (#${status})` : line));

/** The text of `reply` for a verdict with a code, perhaps an explicit status, and no text. */
export function underCode(reply: Template, code: number, status: string, isExplicit: boolean): Template {
  if (isExplicit) return { ...reply, code, status, classic: withStatus(reply.classic, status) };
  return code === reply.code ? reply : { ...reply, code };
}

const UNSAFE = /[\u0000-\u0008\u000a-\u001f\u007f]/g;

const ASCII = /^[\u0020-\u007e\t]*$/;

/**
 * A text as the octets of a reply line, one character an octet. Control characters become `?`: a line feed in an echoed
 * address or in a daemon's answer would add replies of its author's choice (reply splitting).
 */
function onWire(text: string): string {
  if (ASCII.test(text)) return text;
  return Buffer.from(text.replace(UNSAFE, '?'), 'utf8').latin1Slice();
}
