/** `qpsmtpd check`: says whether the daemon would start with a configuration. */

import type { CheckNotice } from '../hooks/plugin-checks.ts';
import { maskControls } from '../message/field-text.ts';
import type { DaemonLoader, ServiceDescription } from '../process/daemon.ts';
import { checkUser, dropPrivileges } from '../process/privileges.ts';
import type { Terminal } from '../process/serve-options.ts';
import { Rehearsal } from '../errors/rehearsal.ts';
import { HELP_OPTION, printHelp, readArguments, refusePositionals, type OptionSpec } from './arguments.ts';
import { readConfigDir } from '../config/search-path.ts';
import { CONFIG_OPTION, defaultWorkers, NO_DEFAULTS, readServeDefaults } from './serve-command.ts';
import { readServices, SERVICE_OPTION } from './service-option.ts';

export const CHECK_OPTIONS: readonly OptionSpec[] = [
  CONFIG_OPTION,
  {
    ...SERVICE_OPTION,
    isRepeatable: true,
    help: 'a service to be checked though the file listeners does not name it',
  },
  {
    name: 'user',
    short: 'u',
    value: 'NAME',
    help: 'look with the rights of this user, as whom the daemon is to run (default: the user that asks)',
  },
  HELP_OPTION,
];

const CHECK_HELP = printHelp(
  'qpsmtpd check [--config DIR] [--user NAME] [--service NAME]',
  'Reads the configuration, loads the plugins, makes nothing, and says whether the daemon would start.',
  CHECK_OPTIONS,
);

/** Prints the summary; an invalid configuration is thrown, with everything that is wrong in it. */
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
  const services = readServices(given);
  const configDir = readConfigDir(given.text('config'));
  const user = given.text('user');
  if (user !== undefined) checkUser(user);
  else if (process.getuid?.() === 0)
    terminal.err('checked as root: name the user as whom the daemon is to run with --user');
  // As in `serve`: no code of a plugin runs as root.
  dropPrivileges(user);
  const rehearsal = new Rehearsal();
  const { listen, maxConnections } = await rehearsal.attempt(NO_DEFAULTS, () => readServeDefaults(configDir));
  const workers = defaultWorkers();
  const daemon = await loader.load({
    configDir,
    listen,
    services,
    rehearsal,
    workers,
    // As `serve` without options: each process has its share.
    maxConnections: maxConnections === undefined ? undefined : Math.ceil(maxConnections / workers),
  });
  const description = daemon.describe();
  const found: string[] = [];
  for (const service of description.services)
    found.push(...(await rehearsal.attempt([], () => service.lookAround())).map(printNotice));
  const { failure, made } = rehearsal;
  // What services have in common is told once.
  const faults = new Set(description.services.flatMap(({ orderFaults }) => orderFaults));
  const notices = [
    ...listed('plugins that are asked in the wrong order:', [...faults]),
    ...listed('files that have no effect:', description.unreadFiles()),
    ...listed('limits of the system that are too small here:', description.limits ?? []),
  ];
  const lines =
    failure === undefined
      ? [
          ...summarise(description.services, made),
          ...[...new Set(found)].flatMap((text) => text.split('\n')),
          ...notices,
        ]
      : notices.slice(1);
  for (const line of lines) terminal.out(line);
  // The plugins close what they have opened.
  await daemon.drain(0);
  if (failure !== undefined) throw failure;
  return 0;
}

const summarise = (services: readonly ServiceDescription[], made: readonly string[]): readonly string[] => [
  'the configuration is valid',
  ...services.flatMap(summariseService),
  ...listed('the daemon would make:', made.map(maskControls)),
];

function summariseService({ service, plugins, settings }: ServiceDescription): readonly string[] {
  const of = service === undefined ? '' : ` of the service ${service}`;
  return [
    '',
    plugins.length === 0 ? `plugins${of}: none` : `plugins${of}, in the order in which they are asked:`,
    ...plugins.map(({ name }, index) => `${String(index + 1).padStart(4)}  ${name}`),
    '',
    settings.length === 0
      ? `settings${of}: all at their defaults`
      : `settings${of} that differ from the defaults:`,
    ...settings.map(({ name, value }) => `      ${name} ${value}`),
  ];
}

/** A headline and what stands below it; nothing without that. */
const listed = (headline: string, items: readonly string[]): readonly string[] =>
  items.length === 0 ? [] : ['', headline, ...items.map((item) => `      ${item}`)];

/** What plugins have found, with what can be done about it. */
const printNotice = ({ headline, items, remedy }: CheckNotice): string =>
  [...listed(headline, items), ...(remedy === undefined ? [] : [remedy])].join('\n');
