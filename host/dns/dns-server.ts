/** One server that is asked, and what has been learnt about it. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { QuestionForm } from './question.ts';
import { printServer, type ServerAddress } from './server-addresses.ts';
import { UdpPool } from './udp-pool.ts';

export type DnsLog = (level: LogLevel, text: string) => void;

/** Questions in a row without any answer: from then on others are asked first, for a while. */
const SILENT_AFTER = 8;
const LEAVE_ALONE_MS = 30_000;
/** Answers in a row in other letters than the question: it does not keep them. One that fits starts the count anew. */
const FOLDS_CASE_AFTER = 3;
/** What it cannot do is tried again after that. */
const TRY_AGAIN_MS = 3_600_000;

export class DnsServer {
  readonly address: string;
  readonly port: number;
  readonly isTrusted: boolean;
  readonly pool: UdpPool;
  readonly #log: DnsLog;
  #misses = 0;
  #foldedAnswers = 0;
  #isSilent = false;
  #askAgainAt = 0;
  #plainCaseUntil = 0;
  #plainDnsUntil = 0;
  #form: QuestionForm;

  constructor(server: ServerAddress, log: DnsLog) {
    ({ address: this.address, port: this.port, isTrusted: this.isTrusted } = server);
    this.pool = new UdpPool(server);
    this.#log = log;
    this.#form = { mixesCase: true, hasEdns: true, wantsAuthenticity: server.isTrusted };
  }

  get name(): string {
    return printServer(this);
  }

  isSilent(nowMs: number): boolean {
    if (!this.#isSilent) return false;
    if (nowMs < this.#askAgainAt) return true;
    // One question finds out, and the next ones wait for what it found.
    this.#askAgainAt = nowMs + LEAVE_ALONE_MS;
    return false;
  }

  /** How it is asked. */
  form(nowMs: number): QuestionForm {
    const mixesCase = nowMs >= this.#plainCaseUntil;
    const hasEdns = nowMs >= this.#plainDnsUntil;
    if (mixesCase !== this.#form.mixesCase || hasEdns !== this.#form.hasEdns)
      this.#form = { mixesCase, hasEdns, wantsAuthenticity: this.isTrusted };
    return this.#form;
  }

  answers(): void {
    this.#misses = 0;
    if (!this.#isSilent) return;
    this.#isSilent = false;
    this.#log(LogLevel.NOTICE, `DNS server ${this.name} answers again`);
  }

  misses(nowMs: number): void {
    if (++this.#misses < SILENT_AFTER || this.#isSilent) return;
    this.#isSilent = true;
    this.#askAgainAt = nowMs + LEAVE_ALONE_MS;
    this.#log(LogLevel.WARN, `DNS server ${this.name} does not answer: others are asked first`);
  }

  keepsCase(): void {
    this.#foldedAnswers = 0;
  }

  /**
   * Whether such an answer is a guess cannot be known, so it is never believed; a server that gives nothing else is asked without
   * 0x20 bits. Guesses bring that about only where they come more often than answers.
   */
  foldsCase(nowMs: number): void {
    if (++this.#foldedAnswers < FOLDS_CASE_AFTER || nowMs < this.#plainCaseUntil) return;
    this.#plainCaseUntil = nowMs + TRY_AGAIN_MS;
    this.#foldedAnswers = 0;
    this.#log(
      LogLevel.NOTICE,
      `DNS server ${this.name} does not keep the case of names: asked without 0x20 bits`,
    );
  }

  lacksEdns(nowMs: number): void {
    if (nowMs < this.#plainDnsUntil) return;
    this.#plainDnsUntil = nowMs + TRY_AGAIN_MS;
    this.#log(LogLevel.NOTICE, `DNS server ${this.name} does not know EDNS: asked without`);
  }
}
