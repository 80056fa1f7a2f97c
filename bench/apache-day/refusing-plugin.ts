/**
 * Stands in for what asks somebody else: block lists at connect, a check of the HELO name, a scanner after DATA. It
 * answers at once, so that the day measures this server and not the resolver behind it.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LISTED_ADDRESS, LISTED_FIELD, LISTED_HELLO } from './mix.ts';

/** Writes the plugin and returns its folder; `program` is the compiled program it is made for. */
export function writeRefusingPlugin(folder: string, program: string): string {
  const plugins = join(folder, 'plugins');
  mkdirSync(plugins, { recursive: true });
  const api = pathToFileURL(join(program, 'bindings', 'plugin', 'index.js')).href;
  const [field, value] = LISTED_FIELD.split(': ');
  const hello = `(_context, host) { return host === '${LISTED_HELLO}' ? deny('a name of a dial-up pool') : undefined; }`;
  const text = [
    `import { definePlugin, deny, denyDisconnect } from ${JSON.stringify(api)};`,
    `export default definePlugin({ name: 'day_refusals', about: 'Refuses what the day holds to be refused.', hooks: {`,
    `  connect({ connection }) {`,
    `    return connection.remoteIp === '${LISTED_ADDRESS}' ? denyDisconnect('listed') : undefined;`,
    `  },`,
    `  helo${hello},`,
    `  ehlo${hello},`,
    `  data_post({ transaction }) {`,
    `    return transaction.message.header.get('${field}')?.trim() === '${value}' ? deny('spam') : undefined;`,
    `  },`,
    `} });`,
    '',
  ].join('\n');
  writeFileSync(join(plugins, 'day_refusals.mjs'), text);
  return plugins;
}
