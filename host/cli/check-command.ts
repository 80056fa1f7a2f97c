/** `qpsmtpd check`: says whether the daemon would start with a configuration. */

import { OWNER_FILE } from '../delivery/maildir/folder-choice.ts';
import { maskControls } from '../message/field-text.ts';
import type { DaemonDescription, DaemonLoader } from '../process/daemon.ts';
import type { Terminal } from '../process/serve-options.ts';
import { readArguments, refusePositionals } from './arguments.ts';
import { readConfigDir } from './config-dir.ts';
import { printHelp } from './help-text.ts';
import { HELP_OPTION, type OptionSpec } from './option-spec.ts';
import { CONFIG_OPTION } from './serve-command.ts';

export const CHECK_OPTIONS: readonly OptionSpec[] = [CONFIG_OPTION, HELP_OPTION];

export const CHECK_HELP = printHelp(
  'qpsmtpd check [--config DIR]',
  'Reads the configuration and loads the plugins, opens no socket, and says whether the daemon would start.',
  CHECK_OPTIONS,
);

/** Prints the summary; an invalid configuration is thrown, with every error in it. */
export async function runCheck(
  args: readonly string[],
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const given = readArguments(args, CHECK_OPTIONS);
  if (given.has('help')) {
    terminal.out(CHECK_HELP);
    return 0;
  }
  refusePositionals(given);
  const configDir = readConfigDir(given.text('config'));
  const daemon = await loader.load({ configDir, listen: [] });
  for (const line of summarise(daemon.describe())) terminal.out(line);
  // The plugins close what they have opened.
  await daemon.drain(0);
  return 0;
}

/** Names of folders in the summary. */
const MAX_FOLDERS = 100;

function summarise({
  plugins,
  settings,
  unclaimedFolders,
  unreadFiles,
}: DaemonDescription): readonly string[] {
  return [
    'the configuration is valid',
    '',
    plugins.length === 0 ? 'plugins: none' : 'plugins, in the order in which they are asked:',
    ...plugins.map((plugin, index) => `${String(index + 1).padStart(4)}  ${plugin}`),
    '',
    settings.length === 0 ? 'settings: all at their defaults' : 'settings that differ from the defaults:',
    ...settings.map(({ name, value }) => `      ${name} ${value}`),
    ...nameUnclaimed(unclaimedFolders?.() ?? []),
    ...listed('files that have no effect:', unreadFiles?.() ?? []),
  ];
}

/** A headline and what stands below it; nothing without that. */
const listed = (headline: string, items: readonly string[]): readonly string[] =>
  items.length === 0 ? [] : ['', headline, ...items.map((item) => `      ${item}`)];

function nameUnclaimed(folders: Iterable<string>): readonly string[] {
  const named: string[] = [];
  for (const folder of folders) {
    if (named.push(`      ${maskControls(folder)}`) <= MAX_FOLDERS) continue;
    named[MAX_FOLDERS] = '      and more';
    break;
  }
  if (named.length === 0) return [];
  return [
    '',
    'Maildirs that two addresses could mean, because `_` stands for many characters:',
    ...named,
    `the first address that gets mail there keeps the folder, unless the file ${OWNER_FILE} in it names another`,
  ];
}
