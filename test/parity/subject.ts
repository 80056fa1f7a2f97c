import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { findFreePort, startDaemon, type RunningDaemon } from './daemon.ts';
import { BUILT_PLUGINS, CONFIGURATIONS, DAEMON, PROBE_PLUGINS } from './places.ts';
import type { Scratch } from './scratch.ts';
import type { World } from './world.ts';

/** True once the daemon has been built. */
export const isBuilt = (): boolean => existsSync(DAEMON);

/**
 * What the Perl daemon does not have is switched off, or every EHLO and every parameter would differ: D40 and D41 of
 * docs/differences.md.
 */
const SWITCHED_OFF: Readonly<Record<string, readonly string[]>> = {
  extensions_off: ['SMTPUTF8', 'CHUNKING', 'BINARYMIME', 'DSN', 'LIMITS'],
  esmtp_parameters: ['lenient'],
};

/** Makes a configuration of `makeScratch` one under which this project's daemon stands beside the Perl daemon. */
export function switchOff({ config }: Scratch): void {
  for (const [file, lines] of Object.entries(SWITCHED_OFF)) {
    writeFileSync(join(config, file), `${lines.join('\n')}\n`);
  }
}

/** Starts this project's daemon with a configuration made by `makeScratch`. */
export async function startSubject(
  scratch: Scratch,
  { client, dnsPort }: World = {},
): Promise<RunningDaemon> {
  const { folder, config, log } = scratch;
  switchOff(scratch);
  if (dnsPort !== undefined) writeFileSync(join(config, 'dns_servers'), `127.0.0.1:${dnsPort}\n`);
  const port = await findFreePort();
  const proxied = client === undefined ? '' : ' proxy=required proxy-from=127.0.0.1';
  const listener = `tcp://127.0.0.1:${port}${proxied}`;
  return startDaemon({
    name: 'qpsmtpd for Node',
    program: process.execPath,
    words: [
      DAEMON,
      'serve',
      '--config',
      config,
      '--listen',
      listener,
      '--workers',
      '1',
      '--user',
      userInfo().username,
    ],
    environment: { PATH: '/usr/bin:/bin', HOME: folder, TZ: 'UTC', QPSMTPD_CONFIG: config },
    directory: folder,
    port,
    log,
  });
}

/** Makes the plugins of this folder known to the daemon, besides its own. */
export function addProbePlugins({ config }: Scratch): void {
  writeFileSync(join(config, 'plugin_dirs'), `${BUILT_PLUGINS}\n${PROBE_PLUGINS}\n`);
}

/** The first plugin of a configuration, other than those of `besides`, that this build does not have; or undefined. */
export function findMissingPlugin(
  layers: readonly string[],
  folder = BUILT_PLUGINS,
  besides: readonly string[] = [],
): string | undefined {
  return pluginsOf(layers).find((name) => !besides.includes(name) && !isPluginBuilt(name, folder));
}

const isPluginBuilt = (name: string, folder: string): boolean =>
  [`${name}.js`, join(name, 'index.js')].some((file) => existsSync(join(folder, file)));

/** The names in `plugins` and `logging` of the layers, without instance numbers. */
export function pluginsOf(layers: readonly string[]): string[] {
  return ['logging', 'plugins'].flatMap((file) => {
    // The last layer that has the file is the one that counts.
    const path = layers
      .map((layer) => join(CONFIGURATIONS, layer, file))
      .findLast((candidate) => existsSync(candidate));
    if (path === undefined) return [];
    return readFileSync(path, 'latin1')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(/\s+/)[0]!.replace(/:\d+$/, ''));
  });
}
