/** Lists that are kept in the DNS. RFC 5782. */

import { addressOctets } from '../../bindings/lists/index.ts';
import type { Clock, DnsAnswer, DnsReceiver, Log, Resolver } from '../../bindings/plugin/index.ts';
import { endsBefore } from '../../bindings/timing/time-limit.ts';
import { MAX_NAME, reversedDigits } from '../../bindings/wire/dns-name.ts';
import {
  failedAnswer,
  NOT_LISTED,
  type AnswerTaker,
  type DnsList,
  type ListAnswer,
  type ListOptions,
} from './dns-list.ts';
import { codeProblem } from './return-codes.ts';
import { SelfTest, type AddressFamily, type ListedState, type ListKind } from './self-test.ts';

const TEST_TIMEOUT_MS = 3_000;
/** A list that does not answer is told of once in a while, not with every client. */
const TELL_AGAIN_MS = 300_000;

/** What is asked about. */
interface Subject {
  readonly text: string;
  /** Undefined for a domain. */
  readonly family: AddressFamily | undefined;
  readonly labels: string;
}

/** Many lists in a row are asked about the same subject: it is taken apart once. */
let last: Subject = { text: '', family: undefined, labels: '' };

function subjectOf(text: string): Subject {
  if (last.text === text) return last;
  const octets = addressOctets(text);
  last =
    octets === undefined
      ? { text, family: undefined, labels: text }
      : { text, family: octets.length === 4 ? 4 : 6, labels: reversedDigits(octets) };
  return last;
}

/**
 * What stands in front of the zone in a question about `subject`: the octets of an IPv4 address from the last to the first, the
 * hexadecimal digits of an IPv6 address likewise, or the domain itself. RFC 5782 sections 2.1, 2.4 and 3.
 */
export const queryLabels = (subject: string): string => subjectOf(subject).labels;

export interface RemoteListOptions {
  readonly dns: Pick<Resolver, 'resolve4' | 'resolve4Now' | 'resolve4For' | 'txt'>;
  /** What lets us in: the labels in front of the zone. It stands in no text that leaves this file. */
  readonly key?: string | undefined;
  /** Addresses of other families are not asked about. Undefined: both, IPv6 only as far as the list has it. */
  readonly families?: readonly AddressFamily[] | undefined;
  /** An entry that has a text and no address counts, as in qpsmtpd, which asks for texts alone. */
  readonly takesTextAlone?: boolean | undefined;
  /** How the list is watched over. Undefined: it is neither tested nor spoken of. */
  readonly watch?: ListWatch | undefined;
}

export interface ListWatch {
  readonly kind: ListKind;
  readonly clock: Clock;
  readonly log: Log;
  /** The list is used whether or not it would pass a test. */
  readonly isUntested?: boolean | undefined;
}

/** An answer, and whether a failure is the list's own. */
type Look = { readonly answer: ListAnswer; readonly isByList: boolean };

const ABSENT: Look = { answer: NOT_LISTED, isByList: false };

/** A question under way. */
class Asked implements DnsReceiver<string> {
  readonly question: string;
  readonly family: AddressFamily | undefined;
  /** The test of the list that ran when it was asked. */
  readonly running: Promise<void> | undefined;
  readonly options: ListOptions;
  readonly taker: AnswerTaker;
  readonly place: number;
  readonly #list: RemoteList;

  constructor(
    list: RemoteList,
    question: string,
    family: AddressFamily | undefined,
    running: Promise<void> | undefined,
    options: ListOptions,
    taker: AnswerTaker,
    place: number,
  ) {
    this.#list = list;
    this.question = question;
    this.family = family;
    this.running = running;
    this.options = options;
    this.taker = taker;
    this.place = place;
  }

  receive(found: DnsAnswer<string>): void {
    this.#list.receive(this, found);
  }
}

export class RemoteList implements DnsList {
  readonly name: string;
  /** The zone, with the key and the dot in front of it. */
  readonly #suffix: string;
  /** What was asked last, and about which labels: several sessions of a client ask one after the other. */
  #lastLabels = '';
  #lastQuestion = '';
  readonly #options: RemoteListOptions;
  readonly #test: SelfTest | undefined;
  #failures = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** `zone` is a name of the DNS in A-labels. */
  constructor(zone: string, options: RemoteListOptions) {
    const { families, key, watch } = options;
    this.name = zone;
    this.#suffix = key === undefined ? `.${zone}` : `.${key}.${zone}`;
    this.#options = options;
    if (watch === undefined || watch.isUntested === true) return;
    const look = async (labels: string): Promise<ListedState> =>
      stateOf(await this.#look(labels, { timeoutMs: TEST_TIMEOUT_MS }));
    this.#test = new SelfTest({ ...watch, name: zone, families, look });
  }

  ask(subject: string, options: ListOptions = {}): Promise<ListAnswer> {
    return new Promise((resolve) =>
      this.askFor(subject, options, { take: (_, answer) => resolve(answer) }, 0),
    );
  }

  askNow(subject: string): ListAnswer | undefined {
    const { family, labels } = subjectOf(subject);
    if (!this.#takes(family)) return NOT_LISTED;
    const running = this.#test?.begin();
    const off = this.#off(family);
    if (off !== undefined) return off;
    const question = this.#questionOf(labels);
    if (question === undefined) return NOT_LISTED;
    const found = this.#options.dns.resolve4Now?.(question);
    if (found === undefined || this.#needsText(found)) return undefined;
    const { answer } = this.#judge(question, found);
    if (answer.state === 'failed') this.#tell(answer.reason, undefined);
    return answer.state === 'listed' && running !== undefined ? undefined : answer;
  }

  askFor(subject: string, options: ListOptions, taker: AnswerTaker, place: number): void {
    const { family, labels } = subjectOf(subject);
    if (!this.#takes(family)) return taker.take(place, NOT_LISTED);
    const running = this.#test?.begin();
    const off = this.#off(family);
    if (off !== undefined) return taker.take(place, off);
    const question = this.#questionOf(labels);
    if (question === undefined) return taker.take(place, NOT_LISTED);
    const asked = new Asked(this, question, family, running, options, taker, place);
    const { dns } = this.#options;
    if (dns.resolve4For !== undefined) dns.resolve4For(question, asked, options);
    else void dns.resolve4(question, options).then((found) => asked.receive(found));
  }

  /** For `Asked`: the DNS has answered. */
  receive(asked: Asked, found: DnsAnswer<string>): void {
    const { options, question } = asked;
    if (this.#needsText(found))
      void this.#lookForText(question, options).then(({ answer }) => this.#end(asked, answer));
    else this.#end(asked, this.#judge(question, found).answer);
  }

  #end({ family, options: { signal }, place, running, taker }: Asked, answer: ListAnswer): void {
    if (answer.state === 'failed') this.#tell(answer.reason, signal);
    if (answer.state !== 'listed' || running === undefined) return taker.take(place, answer);
    // A list that has just begun to list the whole world must not have one more victim.
    void endsBefore(running, signal).then((hasEnded) =>
      taker.take(place, hasEnded ? (this.#off(family) ?? answer) : failedAnswer('aborted')),
    );
  }

  /** Begins the test of the list if it is due. Resolves at its end with what is wrong, never rejects. */
  async test(): Promise<readonly string[]> {
    await this.#test?.begin();
    return this.#test?.problems ?? [];
  }

  #takes(family: AddressFamily | undefined): boolean {
    return family === undefined || this.#options.families?.includes(family) !== false;
  }

  /** Undefined: the DNS has no such name, so the list can't have it either. */
  #questionOf(labels: string): string | undefined {
    if (labels !== this.#lastLabels) {
      this.#lastLabels = labels;
      this.#lastQuestion = labels + this.#suffix;
    }
    return this.#lastQuestion.length > MAX_NAME ? undefined : this.#lastQuestion;
  }

  #off(family: AddressFamily | undefined): ListAnswer | undefined {
    const problem = this.#test?.problem(family);
    return problem === undefined
      ? undefined
      : { state: 'failed', reason: `not used: ${problem}`, isOff: true };
  }

  async #look(labels: string, options: ListOptions): Promise<Look> {
    const question = this.#questionOf(labels);
    if (question === undefined) return ABSENT;
    const found = await this.#options.dns.resolve4(question, options);
    return this.#needsText(found) ? this.#lookForText(question, options) : this.#judge(question, found);
  }

  #needsText({ status }: DnsAnswer<string>): boolean {
    return status === 'no such record' && this.#options.takesTextAlone === true;
  }

  #judge(question: string, found: DnsAnswer<string>): Look {
    if (found.status === 'failed')
      return { answer: failedAnswer(this.#conceal(found.reason)), isByList: false };
    if (found.status !== 'found') return ABSENT;
    const problem = codeProblem(found.records);
    if (problem !== undefined) return { answer: failedAnswer(problem), isByList: true };
    let text: Promise<string | undefined> | undefined;
    return {
      answer: {
        state: 'listed',
        codes: found.records,
        text: (more = {}) => (text ??= this.#text(question, more)),
      },
      isByList: false,
    };
  }

  async #lookForText(question: string, options: ListOptions): Promise<Look> {
    const text = await this.#text(question, options);
    if (text === undefined) return ABSENT;
    return { answer: { state: 'listed', codes: [], text: () => Promise.resolve(text) }, isByList: false };
  }

  /** Several texts are no better than one: the first counts. */
  async #text(question: string, options: ListOptions): Promise<string | undefined> {
    const answer = await this.#options.dns.txt(question, options);
    return answer.status === 'found' ? this.#conceal(answer.records[0] ?? '') : undefined;
  }

  /** Lists like to repeat the question: a client must not learn by whose key it is looked up. */
  #conceal(text: string): string {
    const { key } = this.#options;
    if (key === undefined) return text;
    const pattern = key.replace(/[^\w]/g, '\\$&');
    return text.replace(new RegExp(pattern, 'gi'), '[key]');
  }

  #tell(reason: string, signal: AbortSignal | undefined): void {
    const { watch } = this.#options;
    if (watch === undefined || signal?.aborted === true) return;
    const { clock, log } = watch;
    this.#failures++;
    if (Math.abs(clock.now() - this.#toldAt) < TELL_AGAIN_MS) return;
    const count = this.#failures === 1 ? '' : `, ${this.#failures} times since this was said last`;
    log.warn(`list ${this.name} has no answer: ${reason}${count} (nobody is refused for it)`);
    this.#toldAt = clock.now();
    this.#failures = 0;
  }
}

const stateOf = ({ answer, isByList }: Look): ListedState =>
  answer.state === 'failed' ? { failed: answer.reason, isByList } : answer.state;
