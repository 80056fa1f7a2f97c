/** A client that sends messages until its connection breaks, and knows which ones were acknowledged. */

import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** After a refusal: a server that is short of something should not be asked without pause. */
const PAUSE_MS = 20;

export class Sender {
  /** The messages that were answered 250. */
  readonly acknowledged: string[] = [];
  /** Those that were answered 4yz or 5yz. */
  refused = 0;
  /** Resolves when the connection is gone. */
  readonly finished: Promise<void>;
  readonly #socket: Socket;
  readonly #name: string;
  readonly #recipients: readonly string[];
  /** What the next replies answer. */
  readonly #awaited: ('greeting' | 'hello' | 'envelope' | 'data' | 'dot')[] = ['greeting'];
  #buffered = '';
  #pending = '';
  #count = 0;

  /** `name` begins the names of its messages. */
  constructor(port: number, name: string, recipients: readonly string[]) {
    this.#name = name;
    this.#recipients = recipients;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.finished = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.on('error', () => undefined);
    this.#socket.setEncoding('latin1').on('data', (text: string) => {
      this.#buffered += text;
      for (let end = this.#buffered.indexOf('\r\n'); end >= 0; end = this.#buffered.indexOf('\r\n')) {
        const line = this.#buffered.slice(0, end);
        this.#buffered = this.#buffered.slice(end + 2);
        if (line[3] !== '-') this.#take(Number(line.slice(0, 3)));
      }
    });
  }

  /** Ends the connection, whatever it is about. */
  leave(): void {
    this.#socket.destroy();
  }

  #say(line: string): void {
    this.#socket.write(`${line}\r\n`);
  }

  #take(code: number): void {
    const step = this.#awaited.shift();
    if (step === 'greeting') {
      this.#awaited.push('hello');
      this.#say('HELO client.example');
    } else if (step === 'hello') this.#begin();
    else if (step === 'data' && code === 354) this.#sendMessage();
    else if (step === 'data') this.#tryAgain();
    else if (step === 'dot' && code === 250) {
      this.acknowledged.push(this.#pending);
      this.#begin();
    } else if (step === 'dot') this.#tryAgain();
  }

  #tryAgain(): void {
    this.refused++;
    setTimeout(() => this.#begin(), PAUSE_MS);
  }

  #begin(): void {
    if (this.#socket.destroyed) return;
    const recipients = this.#recipients.map((recipient) => `RCPT TO:<${recipient}>\r\n`).join('');
    this.#awaited.push('envelope', ...this.#recipients.map(() => 'envelope' as const), 'data');
    this.#say(`MAIL FROM:<a@b.example>\r\n${recipients}DATA`);
  }

  /** From some hundred octets to 200 KB, so that kills hit short writes, long ones and the spool. */
  #sendMessage(): void {
    this.#pending = `${this.#name}-${this.#count++}`;
    this.#awaited.push('dot');
    const size = Math.random() < 0.1 ? 200_000 : Math.floor(Math.random() * 4_000);
    const body = randomBytes(Math.ceil(size / 2))
      .toString('hex')
      .replace(/.{76}/g, '$&\r\n');
    this.#say(`Subject: ${this.#pending}\r\nX-Digest: ${digestOf(body)}\r\n\r\n${body}\r\n.`);
  }
}

/** Of a body, whatever its line ends are, without those at its end. */
const digestOf = (body: string): string =>
  createHash('sha256').update(body.replaceAll('\r', '').trimEnd()).digest('hex');

/** The name a sender gave to the message; undefined if it is none of theirs or not whole. */
export function nameOfWhole(message: Buffer): string | undefined {
  const text = message.toString('latin1');
  const name = /^Subject: (\S+)\r?$/m.exec(text)?.[1];
  const digest = /^X-Digest: (\S+)\r?$/m.exec(text)?.[1];
  const bodyAt = /\r?\n\r?\n/.exec(text);
  if (name === undefined || digest === undefined || bodyAt === null) return undefined;
  const body = text.slice(bodyAt.index + bodyAt[0].length);
  return digestOf(body) === digest ? name : undefined;
}
