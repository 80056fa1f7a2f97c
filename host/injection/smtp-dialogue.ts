/** The client's side of a dialogue with a session of this process: commands out, replies in. RFC 5321 section 4.2. */

import type { Duplex } from 'node:stream';

/** One reply, all its lines together. */
export interface SmtpReply {
  readonly code: number;
  /** Enhanced status code (RFC 2034), such as `2.6.0`; undefined if the reply begins with none. */
  readonly status: string | undefined;
  /** The lines without code and status. */
  readonly lines: readonly string[];
}

/** Stands for the reply of a session that ended without one. */
const NO_REPLY: SmtpReply = { code: 421, status: '4.3.0', lines: ['The connection was closed'] };

/** A plugin may write long replies; more than this is a fault of ours, and must not fill the memory. */
const MAX_REPLY = 65_536;

const LINE = /^([2-5]\d\d)([ -]?)(?:([245]\.\d{1,3}\.\d{1,3})(?: |$))?(.*)$/;

export class SmtpDialogue {
  readonly #stream: Duplex;
  /** The beginning of a line whose end has not come yet. */
  #partial = '';
  #lines: string[] = [];
  #octets = 0;
  readonly #replies: SmtpReply[] = [];
  readonly #waiting: ((reply: SmtpReply) => void)[] = [];
  #isOver = false;
  #onChange: (() => void) | undefined = undefined;

  /** Owns the stream from here on; `close` gives it up. */
  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => this.#read(text));
    stream.on('end', () => this.#end()).on('close', () => this.#end());
    stream.on('error', () => this.#end());
  }

  /** The session has closed its side, or is gone. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The session has said something nobody has asked for yet, or has ended: it may not want the rest. */
  get isAnswered(): boolean {
    return this.#isOver || this.#replies.length > 0;
  }

  /** The next reply; 421 if the session ends without one. */
  reply(): Promise<SmtpReply> {
    const reply = this.#replies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    if (this.#isOver) return Promise.resolve(NO_REPLY);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** False: more than the session has room for is under way, and `onChange` tells when it has gone. */
  write(octets: string | Buffer): boolean {
    return this.#stream.write(octets);
  }

  /** Called when there is room again, when an unasked reply has come, and at the end; undefined: nobody is. */
  watch(onChange: (() => void) | undefined): void {
    if (this.#onChange !== undefined) this.#stream.off('drain', this.#onChange);
    this.#onChange = onChange;
    if (onChange !== undefined) this.#stream.on('drain', onChange);
  }

  async command(line: string): Promise<SmtpReply> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  /** Takes leave; nothing more is asked. */
  quit(): void {
    if (!this.#isOver) this.#stream.end('QUIT\r\n');
  }

  /** Leaves without a word: a message that is not whole is forgotten. */
  destroy(): void {
    this.#stream.destroy();
  }

  #read(text: string): void {
    const lines = (this.#partial + text).split('\r\n');
    this.#partial = lines.pop()!;
    for (const line of lines) this.#take(line);
    if (this.#octets + this.#partial.length > MAX_REPLY) this.#stream.destroy();
  }

  #take(line: string): void {
    const [, code, mark, status, text = ''] = LINE.exec(line) ?? [];
    // No session of ours says that.
    if (code === undefined) return void this.#stream.destroy();
    this.#lines.push(text);
    this.#octets += line.length;
    if (mark === '-') return;
    const reply: SmtpReply = { code: Number(code), status, lines: this.#lines };
    this.#lines = [];
    this.#octets = 0;
    const asked = this.#waiting.shift();
    if (asked !== undefined) return asked(reply);
    this.#replies.push(reply);
    this.#onChange?.();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const asked of this.#waiting.splice(0)) asked(NO_REPLY);
    this.#onChange?.();
  }
}
