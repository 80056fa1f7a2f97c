import type { ParityCase } from './cases.ts';
import { diffDialogues, diffMails, type Hunk } from './diff.ts';
import type { DifferenceLedger, ListedDifference } from './differences.ts';
import type { Played } from './play-case.ts';
import type { Reference } from './references.ts';
import type { Report } from './report.ts';

/** Compares what the Perl daemon did with what was recorded; nothing is excused. True if equal. */
export function compareOracle(
  { script }: ParityCase,
  played: Played,
  reference: Reference,
  report: Report,
): boolean {
  const hunks = [
    ...diffDialogues(reference.dialogue, played.dialogue),
    ...(reference.mails === undefined ? [] : diffMails(reference.mails, played.mails)),
  ];
  if (hunks.length === 0) return true;
  report.failed(script, 'the Perl daemon and the recorded transcript differ');
  for (const hunk of hunks) report.hunk(hunk, 'recorded', 'Perl');
  return false;
}

/** The ids of the known differences that showed, or undefined if there was an unlisted one. */
export function compareDaemon(
  { script }: ParityCase,
  played: Played,
  reference: Reference,
  ledger: DifferenceLedger,
  report: Report,
): readonly string[] | undefined {
  const places: [string, Hunk[]][] = [[script, diffDialogues(reference.dialogue, played.dialogue)]];
  if (reference.mails !== undefined)
    places.push([`mail ${script}`, diffMails(reference.mails, played.mails)]);
  const known = new Set<string>();
  const unlisted: Hunk[] = [];
  for (const [place, hunks] of places) {
    ledger.visit(place);
    for (const hunk of hunks) {
      const rows: readonly ListedDifference[] | undefined = ledger.explain(place, hunk);
      if (rows === undefined) unlisted.push(hunk);
      else report.known(hunk, rows);
      for (const row of rows ?? []) known.add(row.id);
    }
  }
  if (unlisted.length === 0) return [...known].sort();
  report.failed(script, 'this daemon differs in a way docs/differences.md does not list');
  for (const hunk of unlisted) report.hunk(hunk, '1.00', 'here');
  return undefined;
}
