import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { normaliseTranscript } from './normalise.ts';
import type { Played } from './play-case.ts';
import { DIALOGUES, MAILS } from './places.ts';

/** What qpsmtpd 1.00 made of a script. */
export interface Reference {
  readonly dialogue: readonly string[];
  /** Undefined where only the dialogue was recorded. */
  readonly mails: readonly string[] | undefined;
}

/** Reads what was recorded for a script; undefined if nothing was. */
export function readReference(script: string): Reference | undefined {
  const dialogue = readLines(join(DIALOGUES, `${script}.txt`));
  if (dialogue === undefined) return undefined;
  return { dialogue: normaliseTranscript(dialogue), mails: readLines(join(MAILS, `${script}.txt`)) };
}

/** Writes what a daemon of version 1.00 made of a script. A dialogue that came with the scripts is kept as it is. */
export function writeReference(script: string, { dialogue, mails }: Played, keepDialogue: boolean): void {
  if (!keepDialogue) writeLines(join(DIALOGUES, `${script}.txt`), dialogue);
  mkdirSync(MAILS, { recursive: true });
  const file = join(MAILS, `${script}.txt`);
  rmSync(file, { force: true });
  writeLines(file, mails);
}

/** Lines of a file without the empty one after the last line feed; an empty file has none. */
function readLines(file: string): string[] | undefined {
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

const writeLines = (file: string, lines: readonly string[]): void =>
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''), 'utf8');
