import type { Hunk } from './diff.ts';

/** A line of the table "Where they show" in docs/differences.md. */
export interface ListedDifference {
  readonly id: string;
  /** `01-full` for a dialogue, `mail 01-full` for the messages it left, `matrix` for the hook matrix. */
  readonly place: string;
  /** Lines of 1.00, with `*` for any text and `...` for any lines; none if this daemon says something where 1.00 is silent. */
  readonly theirs: readonly string[];
  /** Lines of this daemon likewise. */
  readonly ours: readonly string[];
  /** The line of the document it stands in. */
  readonly line: number;
}

/**
 * Reads the document: the table whose rows are `id | what 1.00 does | ...` and the one whose rows are
 * `id | place | lines of 1.00 | lines here`. Throws if a row cannot be read or its id is explained nowhere.
 */
export function parseDifferences(document: string): ListedDifference[] {
  const explained = new Set<string>();
  const listed: ListedDifference[] = [];
  let shows = false;
  document.split('\n').forEach((text, index) => {
    if (text.startsWith('## ')) shows = text === '## Where they show';
    if (!/^\|\s*D\d/.test(text)) return;
    const cells = splitRow(text);
    if (shows) listed.push(parseRow(cells, index + 1));
    else explained.add(cells[0] ?? '');
  });
  const unknown = listed.find((row) => !explained.has(row.id));
  if (unknown !== undefined) {
    throw new Error(`docs/differences.md:${unknown.line}: ${unknown.id} has no row in the first table`);
  }
  return listed;
}

function splitRow(text: string): string[] {
  return text
    .trim()
    .replace(/^\|/, '')
    .replace(/\|$/, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

function parseRow(cells: readonly string[], line: number): ListedDifference {
  const [id, place, theirs, ours] = cells;
  if (
    cells.length !== 4 ||
    id === undefined ||
    place === undefined ||
    theirs === undefined ||
    ours === undefined
  ) {
    throw new Error(`docs/differences.md:${line}: a row here has four cells: id, place, 1.00, here`);
  }
  const row = { id, place, theirs: parseLines(theirs, line), ours: parseLines(ours, line), line };
  if (row.theirs.length + row.ours.length === 0) {
    throw new Error(`docs/differences.md:${line}: ${id} names a line on neither side`);
  }
  return row;
}

/** The code spans of a cell; `nothing` stands for no line. */
function parseLines(cell: string, line: number): string[] {
  if (cell === 'nothing') return [];
  const spans = [...cell.matchAll(/`([^`]+)`/g)].map((span) => span[1]!);
  if (spans.length === 0) {
    throw new Error(
      `docs/differences.md:${line}: "${cell}" is neither lines in backticks nor the word nothing`,
    );
  }
  return spans;
}

/** The list as it is checked: which rows explain what was seen, and which were not needed. */
export class DifferenceLedger {
  readonly #rows: readonly ListedDifference[];
  readonly #used = new Set<ListedDifference>();
  readonly #visited = new Set<string>();

  constructor(rows: readonly ListedDifference[]) {
    this.#rows = rows;
  }

  /** Remembers that `place` was compared, so that rows about it must have shown. */
  visit(place: string): void {
    this.#visited.add(place);
  }

  /**
   * The rows that together account for every line of a hunk, or undefined if some line is unlisted. A row stands
   * for one time that a difference shows, so that it cannot excuse a second; those of the matrix stand for as
   * many cells as they describe.
   */
  explain(
    place: string,
    { removed, added }: Pick<Hunk, 'removed' | 'added'>,
  ): readonly ListedDifference[] | undefined {
    const isRepeatable = place === 'matrix';
    const rows = this.#rows.filter((row) => row.place === place && (isRepeatable || !this.#used.has(row)));
    const account = accountFor(removed, added, rows);
    for (const row of account ?? []) this.#used.add(row);
    return account;
  }

  /** Rows about places that were compared and did not differ so any more. */
  stale(): readonly ListedDifference[] {
    return this.#rows.filter((row) => this.#visited.has(row.place) && !this.#used.has(row));
  }

  /** Rows about places that no case has: a slip of the pen. */
  misplaced(places: ReadonlySet<string>): readonly ListedDifference[] {
    return this.#rows.filter((row) => !places.has(row.place));
  }
}

function accountFor(
  removed: readonly string[],
  added: readonly string[],
  rows: readonly ListedDifference[],
): readonly ListedDifference[] | undefined {
  if (removed.length === 0 && added.length === 0) return [];
  for (const row of rows) {
    for (const gone of prefixLengths(removed, row.theirs)) {
      for (const come of prefixLengths(added, row.ours)) {
        if (gone + come === 0) continue;
        const others = rows.filter((other) => other !== row);
        const rest = accountFor(removed.slice(gone), added.slice(come), others);
        if (rest !== undefined) return [row, ...rest];
      }
    }
  }
  return undefined;
}

/** How many of the first lines the patterns can stand for; several answers only with `...` among them. */
function prefixLengths(lines: readonly string[], patterns: readonly string[], from = 0): number[] {
  const [pattern, ...rest] = patterns;
  if (pattern === undefined) return [from];
  if (pattern === ANY_LINES) {
    const ends = Array.from({ length: lines.length - from + 1 }, (_, taken) => lines.length - taken);
    return ends.flatMap((end) => prefixLengths(lines, rest, end));
  }
  const line = lines[from];
  return line !== undefined && matches(line, pattern) ? prefixLengths(lines, rest, from + 1) : [];
}

/** The pattern that stands for any number of lines. */
const ANY_LINES = '...';

function matches(line: string, pattern: string): boolean {
  const source = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${source.join('.*')}$`, 's').test(line);
}
