/** `qpsmtpd plugin test PATH`: plays the dialogues that lie beside a plugin. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { DaemonLoader } from '../process/daemon.ts';
import { explain } from '../process/exit-code.ts';
import type { Terminal } from '../process/serve-options.ts';
import { readArguments, UsageError, type OptionSpec } from './arguments.ts';

export const PLUGIN_TEST_OPTIONS: readonly OptionSpec[] = [];

/** The plugins of a dialogue that names none, after the plugin itself. */
const COMPANY: readonly string[] = ['rcpt_ok', 'queue/discard'];
const FAILED = 1;

/** A dialogue, and the plugin it belongs to. */
interface Case {
  readonly file: string;
  readonly plugin: string;
  readonly directory: string;
}

export async function runPluginTest(
  args: readonly string[],
  _loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const { positionals } = readArguments(args, PLUGIN_TEST_OPTIONS);
  if (positionals.length === 0) throw new UsageError('plugin test takes the path of a plugin, or of several');
  const cases = positionals.flatMap(findCases);
  let failures = 0;
  for (const each of cases) {
    const problem = await play(each);
    if (problem.length > 0) failures++;
    for (const line of problem) terminal.out(line);
  }
  terminal.out(
    `${cases.length} dialogues, ${failures === 0 ? 'all as expected' : `${failures} not as expected`}`,
  );
  return failures === 0 ? 0 : FAILED;
}

/** Beside `many_digits.js` these are `many_digits.txt` and `many_digits.*.txt`; a dialogue may also be named itself. */
function findCases(path: string): Case[] {
  const whole = resolve(path);
  if (statSync(whole, { throwIfNoEntry: false })?.isFile() !== true)
    throw new UsageError(`${path}: no such file`);
  const directory = dirname(whole);
  const plugin = basename(whole, extname(whole)).split('.')[0]!;
  if (extname(whole) === '.txt') return [{ file: whole, plugin, directory }];
  const names = readdirSync(directory).filter(
    (name) => name === `${plugin}.txt` || (name.startsWith(`${plugin}.`) && name.endsWith('.txt')),
  );
  if (names.length === 0) {
    throw new UsageError(`${path}: no dialogue beside it (write ${join(directory, `${plugin}.txt`)})`);
  }
  return names.sort().map((name) => ({ file: join(directory, name), plugin, directory }));
}

/** Prints nothing but what is wrong. */
async function play({ file, plugin, directory }: Case): Promise<readonly string[]> {
  // The other commands do without a server.
  const { parseDialogue, playDialogue } = await import('../testing/dialogue.ts');
  try {
    const dialogue = parseDialogue(readFileSync(file, 'utf8'));
    const mismatch = await playDialogue(dialogue, {
      plugins: [plugin, ...COMPANY],
      config: { plugin_dirs: directory, rcpthosts: 'example.test', ...dialogue.config },
    });
    if (mismatch === undefined) return [];
    const { line, expected, heard } = mismatch;
    return [`${file}:${line}: ${dialogue.title}`, `  expected  ${expected}`, `  heard     ${heard}`];
  } catch (error) {
    return [`${file}: ${explain(error)}`];
  }
}
