/** `qpsmtpd sample`, also `npm start`: a daemon to try out, which needs no configuration and touches nothing outside one folder. */

import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigError, QpsmtpdError } from '../errors/error-classes.ts';
import { parseListen, type ListenSpec } from '../intake/listen-spec.ts';
import type { DaemonLoader } from '../process/daemon.ts';
import { codeOf } from '../process/exit-code.ts';
import { serve } from '../process/serve.ts';
import type { Terminal } from '../process/serve-options.ts';
import {
  HELP_OPTION,
  printHelp,
  readArguments,
  refusePositionals,
  UsageError,
  type OptionSpec,
} from './arguments.ts';
import { findPackageRoot } from '../package/package-root.ts';

const DEFAULT_LISTEN = 'tcp://127.0.0.1:2525';
const FOLDER = '.qpsmtpd-sample';
const GRACE_MS = 5_000;
const DOMAINS = ['example.com', 'localhost'];

export const SAMPLE_OPTIONS: readonly OptionSpec[] = [
  { name: 'listen', value: 'SPEC', help: `where to listen (default: ${DEFAULT_LISTEN})` },
  HELP_OPTION,
];

const SAMPLE_HELP = printHelp(
  'qpsmtpd sample [--listen SPEC]',
  `Runs the daemon with the sample configuration. It takes mail for ${DOMAINS.join(' and ')} into ${FOLDER}/Maildir.`,
  SAMPLE_OPTIONS,
);

export async function runSample(
  args: readonly string[],
  loader: DaemonLoader,
  terminal: Terminal,
): Promise<number> {
  const given = readArguments(args, SAMPLE_OPTIONS);
  if (given.has('help')) {
    terminal.out(SAMPLE_HELP);
    return 0;
  }
  refusePositionals(given);
  const listen = given.text('listen') ?? DEFAULT_LISTEN;
  const spec = parseListen(listen);
  const folder = sampleFolder(process.cwd());
  const configDir = join(findPackageRoot(), 'config.sample');
  const settings = sampleSettings(readPluginLines(join(configDir, 'plugins')), folder);
  mkdirSync(join(folder, 'spool'), { recursive: true, mode: 0o700 });
  const introduced: Terminal = {
    // The ready line brings the address as bound, which the introduction is about.
    out: (line) => [line, ...introduce(line, folder)].forEach((each) => terminal.out(each)),
    err: (line) => terminal.err(line),
  };
  const isRoot = process.geteuid?.() === 0;
  if (isRoot)
    terminal.err('the sample runs as root: good enough to try it out on this host, but not to serve mail');
  try {
    return await serve(
      {
        configDir,
        listen: [listen],
        workers: 1,
        graceMs: GRACE_MS,
        settings,
        user: isRoot ? 'root' : undefined,
      },
      loader,
      introduced,
    );
  } catch (error) {
    throw withWayOut(error, spec);
  }
}

/** Arguments in `plugins` are not quoted, so the path of the maildir must have no blanks in it. */
export function sampleFolder(workingDir: string): string {
  const folder = resolve(workingDir, FOLDER);
  if (/^[\w/.+-]+$/.test(folder)) return folder;
  throw new UsageError(
    `${folder} cannot stand in the file "plugins" (start it in a folder whose path has letters, digits and /._+- only)`,
  );
}

/** What the sample changes in `config.sample`: where mail is accepted for, and where it goes. */
export function sampleSettings(
  plugins: readonly string[],
  folder: string,
): ReadonlyMap<string, readonly string[]> {
  const kept = plugins.filter((line) => !line.startsWith('queue/'));
  return new Map([
    ['plugins', [...kept, `queue/maildir ${join(folder, 'Maildir')}`]],
    ['rcpthosts', DOMAINS],
    ['spool_dir', [join(folder, 'spool')]],
  ]);
}

function readPluginLines(file: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(
      { file },
      `cannot be read: ${codeOf(error) ?? 'unknown error'}`,
      'install the package again',
    );
  }
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

/** How to try it out, for the address in the ready line. */
export function introduce(readyLine: string, folder: string): readonly string[] {
  const bound = /tcp:\/\/(\S+):(\d+)/.exec(readyLine);
  const [server, port] = bound === null ? [undefined, undefined] : [bound[1], bound[2]];
  const sending =
    server === undefined
      ? []
      : [
          'send it a message, with either of these:',
          `  swaks --server ${server} --port ${port} --from me@example.com --to you@example.com`,
          `  printf 'Subject: test\\r\\n\\r\\nhello\\r\\n' | curl -sS smtp://${server}:${port} --mail-from me@example.com --mail-rcpt you@example.com -T -`,
        ];
  return ['', ...sending, `it lands in ${join(folder, 'Maildir')}/new`, 'stop it with Ctrl-C'];
}

/** Names another port where the one asked for is taken. */
function withWayOut(error: unknown, spec: ListenSpec): unknown {
  if (!(error instanceof QpsmtpdError) || error.code !== 'Q_LISTEN') return error;
  if (spec.kind !== 'tcp' || codeOf(error.cause) !== 'EADDRINUSE') return error;
  const address = spec.address.includes(':') ? `[${spec.address}]` : spec.address;
  const other = `tcp://${address}:${spec.port < 65_535 ? spec.port + 1 : spec.port - 1}`;
  const message = `port ${spec.port} is taken; try another: npm start -- --listen ${other}`;
  return new QpsmtpdError('Q_LISTEN', message, { cause: error.cause });
}
