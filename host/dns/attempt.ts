/** One question to one server: over UDP, and over TCP if the answer did not fit or is not to be believed. */

import { DNS_MALFORMED, RecordType, type Core } from '../../bindings/core/contract.ts';
import type { DnsServer } from './dns-server.ts';
import type { Lookup } from './lookup.ts';
import { encodeQuestion, type QuestionForm } from './question.ts';
import { readAnswer, type ReadAnswer } from './reply-reader.ts';
import type { SentQuestion } from './udp-pool.ts';

/** What comes of attempts, for the resolver. */
export interface AttemptOwner {
  readonly core: Core;
  now(): number;
  found(attempt: Attempt, answer: ReadAnswer): void;
  /** The server has said that it cannot say. */
  refused(attempt: Attempt, reason: string): void;
  missed(attempt: Attempt, reason: string): void;
  /** The same question again, over TCP. */
  toTcp(attempt: Attempt): void;
  /** The same question again, without EDNS. */
  withoutEdns(attempt: Attempt): void;
}

const TRUNCATED = 0x0200;
const AUTHENTIC_DATA = 0x0020;
const RESPONSE = 0x80;
const QUESTION = 12;
/** RFC 1035 section 4.1.1, RFC 6891 section 6.1.3. */
const NO_ERROR = 0;
const FORMAT_ERROR = 1;
const NO_SUCH_NAME = 3;
const NOT_IMPLEMENTED = 4;
const BAD_VERSION = 16;
const CODE_NAMES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

const nameOf = (code: number): string => CODE_NAMES[code] ?? `code ${code}`;

export class Attempt implements SentQuestion {
  readonly lookup: Lookup;
  readonly server: DnsServer;
  readonly form: QuestionForm;
  readonly octets: Buffer;
  socket: SentQuestion['socket'] = undefined;
  id = 0;
  isOverTcp = false;
  /** Its server has refused the same question with EDNS. */
  isWithoutEdns = false;
  /** When it was sent, in ticks of the resolver; -1: it does not count as just sent any more. */
  sentAtTick = -1;
  readonly #owner: AttemptOwner;

  private constructor(
    owner: AttemptOwner,
    lookup: Lookup,
    server: DnsServer,
    form: QuestionForm,
    octets: Buffer,
  ) {
    this.#owner = owner;
    this.lookup = lookup;
    this.server = server;
    this.form = form;
    this.octets = octets;
  }

  /** Undefined for what is no name. */
  static of(owner: AttemptOwner, lookup: Lookup, server: DnsServer, form: QuestionForm): Attempt | undefined {
    const octets = encodeQuestion(lookup.at, lookup.type, form);
    return octets && new Attempt(owner, lookup, server, form, octets);
  }

  take(message: Buffer): boolean {
    const owner = this.#owner;
    const { core } = owner;
    const { server } = this;
    const count = core.dns(message);
    if (count === DNS_MALFORMED) return this.#takeBareError(message);
    if (!this.#isMine(message)) {
      if (core.dnsQuestionType !== RecordType[this.lookup.type] || core.dnsName(0) !== this.lookup.at)
        return false;
      if (!this.isOverTcp) {
        server.foldsCase(owner.now());
        owner.toTcp(this);
        return true;
      }
    } else if (this.form.mixesCase && !this.isOverTcp) server.keepsCase();
    server.answers();
    if ((core.dnsFlags & TRUNCATED) !== 0) {
      if (this.isOverTcp) return false;
      owner.toTcp(this);
      return true;
    }
    this.#digest(message, count);
    return true;
  }

  miss(reason: string): void {
    this.#owner.missed(this, reason);
  }

  distrust(): void {
    this.#owner.toTcp(this);
  }

  #digest(message: Buffer, count: number): void {
    const owner = this.#owner;
    const { core } = owner;
    const code = core.dnsCode;
    if (code === NO_ERROR || code === NO_SUCH_NAME) {
      const isSecure = this.server.isTrusted && (core.dnsFlags & AUTHENTIC_DATA) !== 0;
      const { at, type } = this.lookup;
      owner.found(this, readAnswer(core, message, count, at, type, isSecure));
    } else if (
      this.form.hasEdns &&
      (code === FORMAT_ERROR || code === NOT_IMPLEMENTED || code === BAD_VERSION)
    ) {
      owner.withoutEdns(this);
    } else owner.refused(this, nameOf(code));
  }

  /** The question stands in the answer as it was sent, letter for letter. */
  #isMine(message: Buffer): boolean {
    const end = this.#owner.core.dnsQuestionEnd;
    return this.octets.length >= end && this.octets.compare(message, QUESTION, end, QUESTION, end) === 0;
  }

  /**
   * An error in a header alone. A server that does not know EDNS may answer so (RFC 6891 section 7), and one that does not serve
   * us: that counts over TCP only, as without a question there is less to guess for an attacker that wants no mail to be taken.
   */
  #takeBareError(message: Buffer): boolean {
    const code = message.length === QUESTION ? message[3]! & 0x0f : NO_ERROR;
    if (code === NO_ERROR || (message[2]! & RESPONSE) === 0) return false;
    const isOfEdns = code === FORMAT_ERROR || code === NOT_IMPLEMENTED;
    if (isOfEdns && this.form.hasEdns) this.#owner.withoutEdns(this);
    else if (!this.isOverTcp) this.#owner.toTcp(this);
    else {
      this.server.answers();
      this.#owner.refused(this, nameOf(code));
    }
    return true;
  }
}
