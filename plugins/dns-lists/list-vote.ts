/**
 * Asks many lists at once, and decides as soon as the answers that are missing can't change anything. As in Postfix's postscreen,
 * each line that matches adds its weight; qpsmtpd's way, the first listing decides, is the same with all weights 1 and threshold 1.
 */

import type { DnsList, ListAnswer } from './dns-list.ts';
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

/** Never rejects. */
export function askLists(
  entries: readonly ListEntry[],
  subject: string,
  options: VoteOptions,
): Promise<ListVerdict> {
  return new Promise((resolve) => new ListVote(entries, subject, options, resolve).begin());
}

class ListVote {
  readonly #entries: readonly ListEntry[];
  readonly #subject: string;
  readonly #options: VoteOptions;
  readonly #resolve: (verdict: ListVerdict) => void;
  readonly #controller = new AbortController();
  readonly #hits: ListHit[] = [];
  readonly #said: (string | undefined)[];
  readonly #startedAt: number;
  #score = 0;
  /** The least and the most that the missing answers can add. */
  #least = 0;
  #most = 0;
  #failed = 0;
  #answered = 0;
  #isOver = false;

  constructor(
    entries: readonly ListEntry[],
    subject: string,
    options: VoteOptions,
    resolve: (verdict: ListVerdict) => void,
  ) {
    this.#entries = entries;
    this.#subject = subject;
    this.#options = options;
    this.#resolve = resolve;
    this.#said = entries.map(() => undefined);
    this.#startedAt = options.now();
  }

  begin(): void {
    for (const { lines } of this.#entries) {
      this.#least += leastOf(lines);
      this.#most += mostOf(lines);
    }
    this.#decide();
    if (this.#isOver) return;
    const { signal, timeoutMs } = this.#options;
    signal.addEventListener('abort', this.#abort, { once: true });
    if (signal.aborted) this.#abort();
    const asked = { signal: this.#controller.signal, timeoutMs };
    const open: (readonly [number, ListEntry])[] = [];
    // Lists in memory first: they may decide before a question to the DNS is worth a packet.
    this.#entries.forEach((entry, index) => {
      const answer = entry.list.askNow?.(this.#subject);
      if (answer === undefined) open.push([index, entry]);
      else this.#take(index, entry, answer);
    });
    for (const [index, entry] of open) {
      if (this.#isOver) return;
      entry.list.ask(this.#subject, asked).then(
        (answer) => this.#take(index, entry, answer),
        (cause: unknown) => this.#take(index, entry, { state: 'failed', reason: String(cause) }),
      );
    }
  }

  readonly #abort = (): void => this.#end(false);

  #take(index: number, { list, lines }: ListEntry, answer: ListAnswer): void {
    if (this.#isOver) return;
    this.#said[index] = `${list.name}: ${sayAnswer(answer)} (${this.#options.now() - this.#startedAt} ms)`;
    this.#least -= leastOf(lines);
    this.#most -= mostOf(lines);
    if (answer.state === 'failed') {
      // An allow list that fails might have spared the client: it is taken to have done so.
      this.#score += leastOf(lines);
      if (answer.isOff !== true) this.#failed++;
    } else {
      this.#answered++;
      if (answer.state === 'listed') this.#count(list, lines, answer);
    }
    this.#decide();
  }

  #count(list: DnsList, lines: readonly ListLine[], answer: Listing): void {
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
    this.#isOver = true;
    this.#options.signal.removeEventListener('abort', this.#abort);
    this.#controller.abort();
    this.#resolve({
      isListed,
      score: this.#score,
      hits: [...this.#hits].sort((a, b) => b.line.weight - a.line.weight),
      failed: this.#failed,
      answered: this.#answered,
      summary: () =>
        this.#entries
          .map(({ list }, index) => this.#said[index] ?? `${list.name}: not waited for`)
          .join(', '),
    });
  }
}

const leastOf = (lines: readonly ListLine[]): number =>
  lines.reduce((sum, { weight }) => sum + Math.min(weight, 0), 0);
export const mostOf = (lines: readonly ListLine[]): number =>
  lines.reduce((sum, { weight }) => sum + Math.max(weight, 0), 0);

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
