import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { diffDialogues, diffMails } from './diff.ts';
import { DifferenceLedger, parseDifferences } from './differences.ts';
import { CASES } from './cases.ts';
import { printMails } from './mailbox.ts';
import { DIFFERENCES } from './places.ts';

const HEAD = '## What differs\n\n| D01 | a | b | c |\n| D02 | a | b | c |\n\n## Where they show\n\n';

describe('the table of differences', () => {
  it('gives each place its lines, with escaped bars and blanks kept', () => {
    const document = `${HEAD}| D01 | 10-x | \`S: 250 a \` \`C\\| b\\r\\n\` | nothing |\n| D02 | matrix | nothing | \`S: 1\` |`;
    expect(parseDifferences(document)).toEqual([
      { id: 'D01', place: '10-x', theirs: ['S: 250 a ', 'C| b\\r\\n'], ours: [], line: 8 },
      { id: 'D02', place: 'matrix', theirs: [], ours: ['S: 1'], line: 9 },
    ]);
  });

  it('is refused with the line where a row cannot be read', () => {
    expect(() => parseDifferences(`${HEAD}| D03 | x | \`a\` | \`b\` |`)).toThrow(
      'differences.md:8: D03 has no row',
    );
    expect(() => parseDifferences(`${HEAD}| D01 | x | a | \`b\` |`)).toThrow(
      ':8: "a" is neither lines in backticks',
    );
    expect(() => parseDifferences(`${HEAD}| D01 | x | nothing | nothing |`)).toThrow(
      ':8: D01 names a line on neither',
    );
    expect(() => parseDifferences(`${HEAD}| D01 | x | \`b\` |`)).toThrow(':8: a row here has four cells');
  });

  it('of this project can be read, has ids of its own and names only places that exist', () => {
    const document = readFileSync(DIFFERENCES, 'utf8');
    const rows = parseDifferences(document);
    expect(rows.length).toBeGreaterThan(0);
    const places = new Set(['matrix', ...CASES.flatMap(({ script }) => [script, `mail ${script}`])]);
    expect(new DifferenceLedger(rows).misplaced(places)).toEqual([]);
    const [explanations = ''] = document.split('## Where they show');
    const ids = [...explanations.matchAll(/^\| (D\d+) /gm)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('the ledger', () => {
  const rows = parseDifferences(
    `${HEAD}| D01 | x | \`S: 250 *\` | \`S: 550 no\` |\n| D02 | x | \`S: a\` \`...\` \`S: z\` | nothing |`,
  );

  it('explains a place line by line, and only if every line is accounted for', () => {
    const ledger = new DifferenceLedger(rows);
    expect(ledger.explain('x', { removed: ['S: 250 ok'], added: ['S: 551 no'] })).toBeUndefined();
    expect(ledger.explain('x', { removed: ['S: 250 ok', 'S: b'], added: ['S: 550 no'] })).toBeUndefined();
    expect(ledger.explain('y', { removed: ['S: 250 ok'], added: ['S: 550 no'] })).toBeUndefined();
    expect(ledger.explain('x', { removed: ['S: 250 ok'], added: ['S: 550 no'] })).toHaveLength(1);
  });

  it('takes two differences that touch apart, and lets `...` stand for any lines', () => {
    const removed = ['S: a', 'S: b', 'S: c', 'S: z', 'S: 250 ok'];
    const used = new DifferenceLedger(rows).explain('x', { removed, added: ['S: 550 no'] });
    expect(used?.map((row) => row.id)).toEqual(['D02', 'D01']);
  });

  it('lets a row excuse one place of a dialogue, and any number of cells of the matrix', () => {
    const ledger = new DifferenceLedger(
      parseDifferences(`${HEAD}| D01 | x | \`S: *\` | nothing |\n| D02 | matrix | \`m*\` | nothing |`),
    );
    expect(ledger.explain('x', { removed: ['S: 1'], added: [] })).toHaveLength(1);
    expect(ledger.explain('x', { removed: ['S: 2'], added: [] })).toBeUndefined();
    expect(ledger.explain('matrix', { removed: ['m1'], added: [] })).toHaveLength(1);
    expect(ledger.explain('matrix', { removed: ['m2'], added: [] })).toHaveLength(1);
  });

  it('calls a row stale once its place was compared and it did not show', () => {
    const ledger = new DifferenceLedger(rows);
    expect(ledger.stale()).toEqual([]);
    ledger.visit('x');
    ledger.explain('x', { removed: ['S: 250 ok'], added: ['S: 550 no'] });
    expect(ledger.stale().map((row) => row.id)).toEqual(['D02']);
  });
});

describe('the difference of two dialogues', () => {
  it('compares the answers to each command by themselves', () => {
    const before = ['S: 220', 'C: a', 'S: 250', 'C: b', 'S: 250', 'S: 1', 'C: c', 'S: 250'];
    const after = ['S: 220', 'C: a', 'S: 500', 'C: b', 'S: 250', 'C: c', 'S: 250', 'S: 2'];
    expect(diffDialogues(before, after)).toEqual([
      { about: 'C: a', removed: ['S: 250'], added: ['S: 500'] },
      { about: 'C: b', removed: ['S: 1'], added: [] },
      { about: 'C: c', removed: [], added: ['S: 2'] },
    ]);
    expect(diffDialogues(before, before)).toEqual([]);
  });

  it('does not hold against an ended connection what the other went on to say', () => {
    expect(diffDialogues(['C: a', 'S: 250', 'C: b', 'S: 250'], ['C: a', 'S: 421', 'S: [EOF]'])).toEqual([
      { about: 'C: a', removed: ['S: 250'], added: ['S: 421', 'S: [EOF]'] },
    ]);
  });
});

describe('the difference of two Maildirs', () => {
  const mails = (...texts: string[]): string[] => printMails(texts.map((text) => `A: ${text}\nB: ${text}\n`));

  it('finds a missing message as a whole, wherever it was', () => {
    expect(diffMails(mails('1', '2', '3'), mails('3'))).toEqual([
      { about: 'message 1', removed: mails('1', '2'), added: [] },
    ]);
    expect(diffMails(mails('1'), [])).toEqual([{ about: 'message 1', removed: mails('1'), added: [] }]);
  });

  it('compares changed messages line by line', () => {
    const changed = mails('1', '2', '3').map((line) => (line === 'M: B: 2' ? 'M: C: 2' : line));
    expect(diffMails(mails('1', '2', '3'), changed)).toEqual([
      { about: 'message 2', removed: ['M: B: 2'], added: ['M: C: 2'] },
    ]);
  });
});
