import type { Hunk } from './diff.ts';
import type { ListedDifference } from './differences.ts';

/** Where the comparison says what it found, and what the verdict is in the end. */
export class Report {
  readonly #isVerbose: boolean;
  #failures = 0;
  #passed = 0;
  #skipped = 0;

  constructor(isVerbose: boolean) {
    this.#isVerbose = isVerbose;
  }

  say(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  passed(name: string, note: string): void {
    this.#passed++;
    this.say(`ok       ${name}${note === '' ? '' : `  (${note})`}`);
  }

  skipped(name: string, why: string): void {
    this.#skipped++;
    this.say(`skipped  ${name}: ${why}`);
  }

  failed(name: string, why: string): void {
    this.#failures++;
    this.say(`FAILED   ${name}: ${why}`);
  }

  /** Prints a place that differs; the names are those of the two sides. */
  hunk({ about, removed, added }: Hunk, expected: string, actual: string): void {
    this.say(`    ${about === '' ? 'at the start' : about}`);
    for (const line of removed) this.say(`    - ${expected}: ${line}`);
    for (const line of added) this.say(`    + ${actual}: ${line}`);
  }

  /** Prints a difference the document lists; only when asked to be verbose. */
  known(hunk: Hunk, rows: readonly ListedDifference[]): void {
    if (!this.#isVerbose) return;
    this.say(`    known, ${rows.map((row) => row.id).join(', ')}:`);
    this.hunk(hunk, '1.00', 'here');
  }

  /** Prints the end of a daemon's log; only when asked to be verbose. */
  log(text: string): void {
    if (this.#isVerbose) this.say(text.replace(/^/gm, '    | '));
  }

  /** Prints the totals; true if nothing failed. */
  conclude(): boolean {
    this.say(`${this.#passed} equal, ${this.#skipped} skipped, ${this.#failures} failed`);
    return this.#failures === 0;
  }
}
