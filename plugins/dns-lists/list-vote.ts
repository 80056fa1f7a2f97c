/**
 * Asks many lists at once, and decides as soon as the answers that are missing can't change anything. As in Postfix's postscreen,
 * each line that matches adds its weight; qpsmtpd's way, the first listing decides, is the same with all weights 1 and threshold 1.
 */

import { failedAnswer, type AnswerTaker, type DnsList, type ListAnswer } from './dns-list.ts';
import type { ListLine } from './list-line.ts';

/** A list, and the lines that count its answers: one question for all of them. */
export interface ListEntry<L extends ListLine = ListLine> {
  readonly list: DnsList;
  readonly lines: readonly L[];
}

export interface VoteOptions {
  /** The score from which the subject counts as listed. */
  readonly threshold: number;
  readonly timeoutMs: number;
  /** Aborted once the result is not needed any more. */
  readonly signal: AbortSignal;
  /** Milliseconds, for how long each list took. */
  readonly now: () => number;
}

type Listing = Extract<ListAnswer, { readonly state: 'listed' }>;

/** A line that matched. */
export interface ListHit {
  readonly list: DnsList;
  readonly line: ListLine;
  readonly answer: Listing;
}

export interface ListVerdict {
  readonly isListed: boolean;
  readonly score: number;
  /** Lines that counted against the subject, the weightiest first, else in the order of the answers. */
  readonly hits: readonly ListHit[];
  /** Lists that had no answer; those that were not asked since they do not pass their test are not among them. */
  readonly failed: number;
  /** Lists that had one. */
  readonly answered: number;
  /** What each list said and in how long, in the order of the lists. */
  readonly summary: () => string;
}

/** By lists and subject: clients like to open many sessions at once, and the lists are asked once for them all. */
const underWay = new WeakMap<readonly ListEntry[], Map<string, ListVote>>();
/** A session that comes later has the lists asked for itself: it would wait that much less than its `timeoutMs`. */
const JOIN_MS = 100;

/** Never rejects. Sessions that ask the same at about the same time share one verdict; the signal of one ends its own wait alone. */
export function askLists(
  entries: readonly ListEntry[],
  subject: string,
  options: VoteOptions,
): Promise<ListVerdict> {
  let vote = underWay.get(entries)?.get(subject);
  if (vote?.serves(options) !== true) {
    vote = new ListVote(entries, subject, options);
    if (!options.signal.aborted) vote.begin();
  }
  return vote.verdictFor(options.signal);
}

/** A session that waits for the verdict. */
class Voter {
  readonly #vote: ListVote;
  readonly #signal: AbortSignal;
  readonly #resolve: (verdict: ListVerdict) => void;

  constructor(vote: ListVote, signal: AbortSignal, resolve: (verdict: ListVerdict) => void) {
    this.#vote = vote;
    this.#signal = signal;
    this.#resolve = resolve;
    signal.addEventListener('abort', this);
  }

  handleEvent(): void {
    this.#vote.leave(this);
  }

  settle(verdict: ListVerdict): void {
    this.#signal.removeEventListener('abort', this);
    this.#resolve(verdict);
  }
}

/** Has no closure, promise or text for a list that can answer without them: fifty lists are asked about each client. */
class ListVote implements AnswerTaker {
  readonly #entries: readonly ListEntry[];
  readonly #subject: string;
  readonly #options: VoteOptions;
  readonly #voters = new Set<Voter>();
  /** Ends the questions that are not answered at once. */
  #controller: AbortController | undefined = undefined;
  readonly #hits: ListHit[] = [];
  /** By list, as the next. */
  readonly #answers: (ListAnswer | undefined)[] = [];
  readonly #answeredAt: number[] = [];
  readonly #startedAt: number;
  #score = 0;
  /** The least and the most that the missing answers can add. */
  #least = 0;
  #most = 0;
  #failed = 0;
  #answered = 0;
  #verdict: ListVerdict | undefined = undefined;

  constructor(entries: readonly ListEntry[], subject: string, options: VoteOptions) {
    this.#entries = entries;
    this.#subject = subject;
    this.#options = options;
    this.#startedAt = options.now();
  }

  /** True if the verdict is the one that another session asks for, and in time. */
  serves({ now, threshold, timeoutMs }: VoteOptions): boolean {
    const own = this.#options;
    return (
      threshold === own.threshold &&
      timeoutMs === own.timeoutMs &&
      Math.abs(now() - this.#startedAt) <= JOIN_MS
    );
  }

  verdictFor(signal: AbortSignal): Promise<ListVerdict> {
    if (this.#verdict !== undefined) return Promise.resolve(this.#verdict);
    if (signal.aborted) return Promise.resolve(this.#verdictNow(false));
    return new Promise((resolve) => this.#voters.add(new Voter(this, signal, resolve)));
  }

  /** The session has ended. */
  leave(voter: Voter): void {
    if (!this.#voters.delete(voter)) return;
    voter.settle(this.#verdictNow(false));
    if (this.#voters.size === 0) this.#end(false);
  }

  begin(): void {
    for (const { lines } of this.#entries) {
      this.#least += leastOf(lines);
      this.#most += mostOf(lines);
    }
    this.#decide();
    const open = this.#askThoseThatKnow();
    if (!this.#isOver) this.#askThoseThatWait(open);
  }

  get #isOver(): boolean {
    return this.#verdict !== undefined;
  }

  /** They may decide before a question to the DNS is worth a packet. Returns the places of the others. */
  #askThoseThatKnow(): readonly number[] {
    const entries = this.#entries;
    const open: number[] = [];
    for (let place = 0; place < entries.length && !this.#isOver; place++) {
      const answer = entries[place]!.list.askNow?.(this.#subject);
      if (answer === undefined) open.push(place);
      else this.#count(place, answer, this.#startedAt);
    }
    return open;
  }

  #askThoseThatWait(open: readonly number[]): void {
    const votes = underWay.get(this.#entries) ?? new Map<string, ListVote>();
    underWay.set(this.#entries, votes.set(this.#subject, this));
    this.#controller = new AbortController();
    const asked = { signal: this.#controller.signal, timeoutMs: this.#options.timeoutMs };
    for (const place of open) {
      if (this.#isOver) return;
      const { list } = this.#entries[place]!;
      if (list.askFor !== undefined) list.askFor(this.#subject, asked, this, place);
      else
        list.ask(this.#subject, asked).then(
          (answer) => this.take(place, answer),
          (cause: unknown) => this.take(place, failedAnswer(String(cause))),
        );
    }
  }

  take(place: number, answer: ListAnswer): void {
    if (!this.#isOver) this.#count(place, answer, this.#options.now());
  }

  #count(place: number, answer: ListAnswer, nowMs: number): void {
    const { list, lines } = this.#entries[place]!;
    this.#answers[place] = answer;
    this.#answeredAt[place] = nowMs;
    this.#least -= leastOf(lines);
    this.#most -= mostOf(lines);
    if (answer.state === 'failed') {
      // An allow list that fails might have spared the client: it is taken to have done so.
      this.#score += leastOf(lines);
      if (answer.isOff !== true) this.#failed++;
    } else {
      this.#answered++;
      if (answer.state === 'listed') this.#match(list, lines, answer);
    }
    this.#decide();
  }

  #match(list: DnsList, lines: readonly ListLine[], answer: Listing): void {
    for (const line of lines) {
      if (!matches(line, answer)) continue;
      this.#score += line.weight;
      if (line.weight > 0) this.#hits.push({ list, line, answer });
    }
  }

  #decide(): void {
    const { threshold } = this.#options;
    if (this.#score + this.#least >= threshold) this.#end(true);
    else if (this.#score + this.#most < threshold) this.#end(false);
  }

  #end(isListed: boolean): void {
    if (this.#isOver) return;
    const verdict = (this.#verdict = this.#verdictNow(isListed));
    const votes = underWay.get(this.#entries);
    if (votes?.get(this.#subject) === this) votes.delete(this.#subject);
    for (const voter of this.#voters) voter.settle(verdict);
    // With a reason of its own: else each abort would make an exception with a stack.
    this.#controller?.abort(OVER);
  }

  #verdictNow(isListed: boolean): ListVerdict {
    return {
      isListed,
      score: this.#score,
      hits: [...this.#hits].sort((a, b) => b.line.weight - a.line.weight),
      failed: this.#failed,
      answered: this.#answered,
      summary: () => this.#entries.map(({ list }, place) => this.#say(list.name, place)).join(', '),
    };
  }

  #say(name: string, place: number): string {
    const answer = this.#answers[place];
    return answer === undefined
      ? `${name}: not waited for`
      : `${name}: ${sayAnswer(answer)} (${this.#answeredAt[place]! - this.#startedAt} ms)`;
  }
}

const OVER = 'decided';

function leastOf(lines: readonly ListLine[]): number {
  let sum = 0;
  for (const { weight } of lines) if (weight < 0) sum += weight;
  return sum;
}

export function mostOf(lines: readonly ListLine[]): number {
  let sum = 0;
  for (const { weight } of lines) if (weight > 0) sum += weight;
  return sum;
}

const matches = ({ filter }: ListLine, { codes }: Listing): boolean =>
  filter === undefined || codes.some(filter);

/** A list may answer with hundreds of codes; the log has the first of them. */
const MAX_SAID = 8;

function sayAnswer(answer: ListAnswer): string {
  if (answer.state === 'failed') return `failed, ${answer.reason}`;
  if (answer.state !== 'listed') return answer.state;
  const { codes } = answer;
  const more = codes.length > MAX_SAID ? ' ...' : '';
  return codes.length === 0 ? 'listed' : `${codes.slice(0, MAX_SAID).join(' ')}${more}`;
}
