/** Lists that are kept in files on this host, in the formats of rbldnsd. */

import type { Clock } from '../../bindings/plugin/index.ts';
import { endsBefore, withDeadline } from '../../bindings/timing/time-limit.ts';
import { failedAnswer, NOT_LISTED, type DnsList, type ListAnswer, type ListOptions } from './dns-list.ts';
import { codeProblem } from './return-codes.ts';
import type { ZoneFile } from './zone-files/zone-file.ts';

/** As a resolver is waited for. */
const PATIENCE_MS = 5_000;

export class LocalList implements DnsList {
  readonly name: string;
  readonly #file: ZoneFile;
  readonly #clock: Clock;

  constructor(name: string, file: ZoneFile, clock: Clock) {
    this.name = name;
    this.#file = file;
    this.#clock = clock;
  }

  /** Resolves when the file has been read for the first time. Never rejects. */
  load(): Promise<void> {
    return this.#file.load();
  }

  /** Why the last reading brought nothing; undefined if all is well. */
  get problem(): string | undefined {
    return this.#file.problem;
  }

  /** The answer, if nothing has to be waited for: undefined only until the file has been read for the first time. */
  askNow(subject: string): ListAnswer | undefined {
    const { problem, zone } = this.#file;
    if (zone === undefined) return problem === undefined ? undefined : failedAnswer(problem);
    if (zone.isExpired(this.#clock.now())) return failedAnswer('the data have expired ($TIMESTAMP)');
    const entry = zone.find(subject);
    if (entry === undefined) return NOT_LISTED;
    const { codes, text } = entry;
    const noCode = codeProblem(codes);
    return noCode === undefined
      ? { state: 'listed', codes, text: () => Promise.resolve(text()) }
      : failedAnswer(noCode);
  }

  async ask(subject: string, { signal, timeoutMs = PATIENCE_MS }: ListOptions = {}): Promise<ListAnswer> {
    const answer = this.askNow(subject);
    if (answer !== undefined) return answer;
    await withDeadline(timeoutMs, signal, (limit) => endsBefore(this.#file.load(), limit));
    return this.askNow(subject) ?? failedAnswer('the file is still being read');
  }
}
