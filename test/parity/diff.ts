/** A place where two records differ: what stands in the first, what in the second, and what comes before it. */
export interface Hunk {
  readonly removed: readonly string[];
  readonly added: readonly string[];
  /** What the client said last, or which message it is about. */
  readonly about: string;
}

/** Where a message starts in the record of a Maildir. */
export const MESSAGE_MARK = '=== message';

/**
 * The differences between two dialogues of the same script: the answers to each thing the client said are
 * compared by themselves. Where one connection ended early, what the other went on to say does not count.
 */
export function diffDialogues(before: readonly string[], after: readonly string[]): Hunk[] {
  const isSaid = (line: string): boolean => line.startsWith('C') || line.startsWith('-- TLS');
  const [theirs, ours] = [splitBlocks(before, isSaid), splitBlocks(after, isSaid)];
  return theirs
    .slice(0, ours.length)
    .flatMap((block, index) => diffLines(block, ours[index]!, block[0] ?? ''));
}

/**
 * The differences between the messages of two Maildirs: equal messages are matched first; what is left between
 * two of them is compared line by line if the numbers agree, and is missing or additional as a whole if not.
 */
export function diffMails(before: readonly string[], after: readonly string[]): Hunk[] {
  const isMark = (line: string): boolean => line === MESSAGE_MARK;
  const [theirs, ours] = [splitBlocks(before, isMark), splitBlocks(after, isMark)];
  const name = (block: readonly string[]): string => block.join('\n');
  return diffLines(theirs.map(name), ours.map(name), '').flatMap(({ removed, added }) => {
    const about = `message ${theirs.findIndex((block) => name(block) === removed[0]) + 1}`;
    const [gone, come] = [removed.map((block) => block.split('\n')), added.map((block) => block.split('\n'))];
    if (gone.length !== come.length) return [{ removed: gone.flat(), added: come.flat(), about }];
    return gone.flatMap((block, index) => diffLines(block, come[index]!, about));
  });
}

/** Cuts a record before every line that starts a block; there is no block for nothing. */
function splitBlocks(lines: readonly string[], isStart: (line: string) => boolean): string[][] {
  const blocks: string[][] = [];
  for (const line of lines) {
    if (blocks.length === 0 || isStart(line)) blocks.push([]);
    blocks.at(-1)!.push(line);
  }
  return blocks;
}

/** The differences between two lists of lines along their longest common subsequence. */
function diffLines(before: readonly string[], after: readonly string[], about: string): Hunk[] {
  const common = commonLengths(before, after);
  const hunks: Hunk[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && before[i] === after[j]) {
      [i, j] = [i + 1, j + 1];
      continue;
    }
    const [removed, added]: [string[], string[]] = [[], []];
    while ((i < before.length || j < after.length) && (i >= before.length || before[i] !== after[j])) {
      const goesFirst = j >= after.length || (i < before.length && common[i + 1]![j]! >= common[i]![j + 1]!);
      if (goesFirst) removed.push(before[i++]!);
      else added.push(after[j++]!);
    }
    hunks.push({ removed, added, about });
  }
  return hunks;
}

/** `table[i][j]`: the length of the longest common subsequence of `before` from i and `after` from j. */
function commonLengths(before: readonly string[], after: readonly string[]): number[][] {
  const table = Array.from({ length: before.length + 1 }, () => new Array<number>(after.length + 1).fill(0));
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      table[i]![j] =
        before[i] === after[j] ? table[i + 1]![j + 1]! + 1 : Math.max(table[i + 1]![j]!, table[i]![j + 1]!);
    }
  }
  return table;
}
