/** `qpsmtpd store import`: takes over the databases of the Perl daemon. */

import type { DaemonLoader } from '../process/daemon.ts';
import type { Terminal } from '../process/serve-options.ts';
import { readDbmFile, databaseOf, importEntries, OWNERS, type DatabaseName } from '../store/dbm-file.ts';
import { HELP_OPTION, printHelp, readArguments, UsageError, type OptionSpec } from './arguments.ts';
import { readConfigDir } from '../config/search-path.ts';
import { openConfiguredStore } from './configured-store.ts';
import { CONFIG_OPTION } from './serve-command.ts';
import { readService, SERVICE_OPTION } from './service-option.ts';

export const STORE_OPTIONS: readonly OptionSpec[] = [CONFIG_OPTION, SERVICE_OPTION, HELP_OPTION];

const STORE_HELP = printHelp(
  'qpsmtpd store import FILE... [--config DIR] [--service NAME]',
  `Reads greylist.dbm and karma.dbm of the Perl daemon, with the help of perl, into the store of the configuration. Entries the
store has already stay as they are. Run it as the daemon's user; root becomes the owner of the store. The Perl daemon must not be writing meanwhile.`,
  STORE_OPTIONS,
);

export async function runStore(
  args: readonly string[],
  _loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const given = readArguments(args, STORE_OPTIONS);
  if (given.has('help')) {
    terminal.out(STORE_HELP);
    return 0;
  }
  const [action, ...files] = given.positionals;
  if (action !== 'import') throw new UsageError('store takes one action: store import FILE...');
  if (files.length === 0) throw new UsageError('store import: no file is named');
  const named = files.map((file) => ({ file, name: nameOf(file) }));
  const configDir = readConfigDir(given.text('config'));
  const service = readService(given);
  // All of them first: root may read what the owner of the store, whom it becomes then, may not.
  const databases = await Promise.all(
    named.map(async ({ file, name }) => ({ file, name, entries: await readDbmFile(file) })),
  );
  for (const database of databases) await importDatabase(database, { configDir, service }, terminal);
  return 0;
}

function nameOf(file: string): DatabaseName {
  const name = databaseOf(file);
  if (name === undefined)
    throw new UsageError(`store import: ${file} is neither called greylist.dbm nor karma.dbm`);
  return name;
}

interface ReadDatabase {
  readonly file: string;
  readonly name: DatabaseName;
  readonly entries: Awaited<ReturnType<typeof readDbmFile>>;
}

async function importDatabase(
  { file, name, entries }: ReadDatabase,
  { configDir, service }: { readonly configDir: string | undefined; readonly service: string | undefined },
  terminal: Terminal,
): Promise<void> {
  const plugin = OWNERS[name];
  const { loadDefinition } = await import('../hooks/plugin-loader.ts');
  const { importEntry } = await loadDefinition(plugin, [], { file });
  const { store, place, close } = openConfiguredStore(name, plugin, configDir, { isMade: true, service });
  try {
    const { imported, kept, expired, odd } = await importEntries(store, importEntry!, entries, Date.now());
    const rest = `${kept} known already, ${expired} expired, ${odd} not understood`;
    terminal.out(`${file}: ${imported} of ${entries.length} entries imported into ${place} (${rest})`);
  } finally {
    await close();
  }
}
