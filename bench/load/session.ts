/** One connection of the load generator: plays a script and keeps the books. */

import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Exchange, Script, Visit } from './exchange.ts';
import { ReplyReader } from './reply-reader.ts';

/** What happened on all connections together. */
export class Ledger {
  accepted = 0;
  refused = 0;
  /** Connections that ended before their script did. */
  cutShort = 0;
  /** Replies by code. */
  readonly replies = new Map<number, number>();
  /** From the first octet of a transaction to its last reply, in milliseconds. */
  readonly latenciesMs: number[] = [];
  problem: string | undefined;

  note(code: number): void {
    this.replies.set(code, (this.replies.get(code) ?? 0) + 1);
  }
}

const PATIENCE_MS = 60_000;
const READY = 354;

export class LoadSession {
  readonly #script: Script;
  readonly #ledger: Ledger;
  readonly #done: () => void;
  readonly #reader = new ReplyReader();
  #socket: Socket;
  /** Index of the exchange whose replies are awaited; -1 while the greeting is. */
  #at = -1;
  #awaited = 1;
  #lastCode = 0;
  #begunAt = 0;
  #isOver = false;

  /** Connects at once; `done` is called when the connection has ended, however it ended. */
  constructor(port: number, { script, from }: Visit, ledger: Ledger, done: () => void) {
    this.#script = script;
    this.#ledger = ledger;
    this.#done = done;
    this.#socket = this.#attend(
      connect({
        port,
        host: '127.0.0.1',
        noDelay: true,
        ...(from === undefined ? {} : { localAddress: from }),
      }),
    );
  }

  #attend(socket: Socket): Socket {
    socket.on('data', this.#read);
    socket.on('error', (error) => this.#fail(error.message));
    socket.on('close', () => this.#end());
    socket.setTimeout(PATIENCE_MS, () => this.#fail(`no reply within ${PATIENCE_MS / 1_000} s`));
    return socket;
  }

  readonly #read = (chunk: Buffer): void => {
    this.#reader.take(chunk);
    const { codes } = this.#reader;
    while (codes.length >= this.#awaited && !this.#isOver) {
      for (let index = 0; index < this.#awaited; index++) {
        this.#lastCode = codes.shift()!;
        this.#ledger.note(this.#lastCode);
      }
      if (!this.#finishExchange()) return;
      this.#next();
    }
  };

  /** False if something has to happen before the next exchange. */
  #finishExchange(): boolean {
    const exchange = this.#script[this.#at];
    if (exchange === undefined) {
      if (this.#lastCode < 300) return true;
      this.#ledger.refused++;
      this.#close();
      return false;
    }
    if (exchange.kind === 'content') this.#finishMessage(this.#lastCode < 300);
    if (exchange.kind === 'starttls') {
      this.#startTls();
      return false;
    }
    return true;
  }

  #finishMessage(isAccepted: boolean): void {
    if (isAccepted) this.#ledger.accepted++;
    else this.#ledger.refused++;
    this.#ledger.latenciesMs.push(performance.now() - this.#begunAt);
  }

  #next(): void {
    const exchange = this.#script[++this.#at];
    if (exchange === undefined) return this.#close();
    if (exchange.kind === 'envelope') this.#begunAt = performance.now();
    if (exchange.kind === 'content' && !isWanted(exchange, this.#lastCode)) {
      this.#finishMessage(false);
      this.#next();
      return;
    }
    this.#awaited = exchange.replies;
    this.#socket.write(exchange.octets);
  }

  #startTls(): void {
    const plain = this.#socket;
    if (this.#lastCode !== 220) return this.#fail(`STARTTLS was answered with ${this.#lastCode}`);
    plain.removeAllListeners();
    plain.setTimeout(0);
    this.#socket = this.#attend(
      connectTls({ socket: plain, rejectUnauthorized: false, minVersion: 'TLSv1.2' }, () => this.#next()),
    );
  }

  #close(): void {
    this.#isOver = true;
    this.#socket.end();
    this.#socket.destroySoon();
  }

  #fail(problem: string): void {
    if (this.#isOver) return;
    this.#ledger.problem ??= problem;
    this.#ledger.cutShort++;
    this.#isOver = true;
    this.#socket.destroy();
  }

  #end(): void {
    if (!this.#isOver) {
      this.#isOver = true;
      const isExpected = this.#script[this.#at]?.kind === 'close' || this.#at >= this.#script.length;
      if (!isExpected) this.#ledger.cutShort++;
    }
    this.#done();
  }
}

/** Content goes out after 354 only; BDAT brings its own command and always goes out. */
const isWanted = ({ octets }: Exchange, lastCode: number): boolean =>
  lastCode === READY || octets.subarray(0, 5).latin1Slice() === 'BDAT ';
