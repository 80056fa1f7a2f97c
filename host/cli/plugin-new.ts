/** `qpsmtpd plugin new NAME`: a plugin to begin with, with its test. */

import { rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { troubleAt } from '../errors/system-trouble.ts';
import type { DaemonLoader } from '../process/daemon.ts';
import { codeOf } from '../process/exit-code.ts';
import type { Terminal } from '../process/serve-options.ts';
import { readArguments, UsageError, type OptionSpec } from './arguments.ts';
import { pluginFiles, type Language } from './plugin-templates.ts';

const RUNS_TYPESCRIPT = Boolean((process.features as { typescript?: unknown }).typescript);

export const PLUGIN_NEW_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'language',
    value: 'js|ts',
    help: 'new: JavaScript, or TypeScript where Node runs it (default: ts if it does, else js)',
  },
];

export function runPluginNew(
  args: readonly string[],
  _loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const given = readArguments(args, PLUGIN_NEW_OPTIONS);
  const [name, ...more] = given.positionals;
  if (name === undefined || more.length > 0) throw new UsageError('plugin new takes one name');
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name)) {
    throw new UsageError(`"${name}" is no plugin name (letters, digits, "_" and "-", a letter first)`);
  }
  const files = pluginFiles(name, readLanguage(given.text('language')));
  for (const [file, text] of files) {
    write(file, text);
    terminal.out(`wrote ${file}`);
  }
  const [plugin, itsTest] = [...files.keys()];
  for (const line of nextSteps(name, plugin!, itsTest!)) terminal.out(line);
  return Promise.resolve(0);
}

function readLanguage(language: string | undefined): Language {
  if (language === undefined) return RUNS_TYPESCRIPT ? 'ts' : 'js';
  if (language !== 'js' && language !== 'ts')
    throw new UsageError(`--language: "${language}" is neither js nor ts`);
  if (language === 'ts' && !RUNS_TYPESCRIPT) {
    throw new UsageError(`--language: Node ${process.version} does not run TypeScript (22.18 and later do)`);
  }
  return language;
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx' });
  } catch (cause) {
    const isTaken = codeOf(cause) === 'EEXIST';
    // Half a file would be in the way once there is room.
    if (!isTaken) rmSync(file, { force: true });
    const problem = isTaken
      ? 'is already there'
      : `can't be written: ${troubleAt(resolve(file), cause).problem}`;
    throw new QpsmtpdError('Q_USAGE', `${resolve(file)} ${problem}`, { cause });
  }
}

const nextSteps = (name: string, plugin: string, itsTest: string): readonly string[] => [
  '',
  'once, for its test and for the types (the server itself needs no link):',
  '  npm install --save-dev qpsmtpd',
  'to test it:',
  `  node --test ${itsTest}`,
  `  qpsmtpd plugin test ${plugin}`,
  'to use it:',
  `  add ${resolve('.')} to config/plugin_dirs and "${name}" to config/plugins`,
];
