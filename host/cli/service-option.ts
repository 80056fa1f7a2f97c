/** The option `--service` of commands that read the configuration, and the configuration that it asks for. */

import { ConfigDirectory } from '../config/config-directory.ts';
import { openSearchPath } from '../config/search-path.ts';
import { requireServiceFiles, SERVICE_NAME } from '../config/service-files.ts';
import { silence } from '../observe/logger.ts';
import { namedService } from '../settings/settings-table.ts';
import { UsageError, type Arguments, type OptionSpec } from './arguments.ts';

export const SERVICE_OPTION: OptionSpec = {
  name: 'service',
  value: 'NAME',
  help: 'the service whose configuration is read: X.NAME in place of X',
};

/** All values of a `--service` that is repeatable. Throws a `UsageError` for what can be no service. */
export function readServices(given: Arguments): readonly string[] {
  const services = given.texts('service');
  const wrong = services.find((service) => !SERVICE_NAME.test(service));
  if (wrong === undefined) return services;
  throw new UsageError(`--service: "${wrong}" can be no service (small letters, digits and -, up to 32)`);
}

/** The service of a command that takes one; undefined: the plain configuration. */
export const readService = (given: Arguments): string | undefined => readServices(given).at(-1);

/** The files as they are now. Throws a `ConfigError` for a service that no file belongs to. To be closed. */
export function openCommandConfig(configDir: string | undefined, service?: string): ConfigDirectory {
  const directories = openSearchPath(configDir);
  if (service !== undefined) requireServiceFiles(service, { file: '--service' }, directories);
  return new ConfigDirectory({ directories, log: silence, watch: false, service: namedService(service) });
}
