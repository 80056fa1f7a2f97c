/** One line of `config/plugins`: a name, perhaps an instance number, and arguments split at blanks without quoting. */

import { ConfigError, type Place } from '../errors/error-classes.ts';
import { packageNamed } from './npm-package.ts';

/** A line of a configuration file, and where it stands. */
export interface ConfigLine {
  readonly text: string;
  readonly place: Place;
}

export interface PluginLine {
  /** As written, instance number included: the name in the log. */
  readonly name: string;
  /** Without the instance number: the name of the file. */
  readonly file: string;
  readonly args: readonly string[];
  readonly place: Place;
}

export function parsePluginLine({ text, place }: ConfigLine): PluginLine {
  if (!/^[ -~\t]*$/.test(text)) {
    const shown = JSON.stringify(text.slice(0, 200));
    throw new ConfigError(place, `unsafe characters in config line: ${shown}`, 'use printable ASCII only');
  }
  const [name = '', ...args] = text.trim().split(/[ \t]+/);
  const [, file = '', instance] = /^((?:npm:)?[^:]*)(:\d+)?$/.exec(name) ?? [];
  if (name.includes('::')) {
    throw new ConfigError(place, `\`${name}\` is a Perl module`, 'name a plugin of this server instead');
  }
  // The name becomes a path: one that leaves the plugin directories would run any file of the machine.
  if (packageNamed(file) === undefined && !/^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/.test(file)) {
    throw new ConfigError(
      place,
      `\`${name}\` is no plugin name`,
      'letters, digits, `_`, `-` and `/` inside, or `npm:PACKAGE`; then `:2` for a second instance',
    );
  }
  return { name: instance === undefined ? file : name, file, args, place };
}
