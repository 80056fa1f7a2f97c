/** One line of `config/plugins`: a name, perhaps an instance number, and arguments split at blanks without quoting. */

import { ConfigError, type Place, printPlace } from '../errors/error-classes.ts';
import { packageNamed } from './npm-package.ts';
import type { PluginDefinition } from '../../bindings/plugin/index.ts';
import type { LoadedPlugin } from './loaded-plugin.ts';

type Ordered = Pick<LoadedPlugin, 'name' | 'line' | 'hooks'> & {
  readonly definition: Pick<PluginDefinition, 'before' | 'after'>;
};

/**
 * One sentence for each pair: the right order, the places of both, and which line to move. Only pairs that are asked in
 * the same hook: elsewhere their order makes no difference. Such a configuration works, as it does in the Perl daemon;
 * it does not do what it looks like.
 */
export function orderFaults(plugins: readonly Ordered[]): string[] {
  return plugins.flatMap((later, index) =>
    plugins.slice(0, index).flatMap((earlier) => {
      const hooks = sharedHooks(earlier, later);
      if (hooks.length === 0) return [];
      const at = hooks.join(', ');
      if (later.definition.before?.includes(earlier.line.file) === true)
        return [`${sentence(later, 'before', earlier, at)} (${move(later, 'above', earlier)})`];
      if (earlier.definition.after?.includes(later.line.file) === true)
        return [`${sentence(earlier, 'after', later, at)} (${move(earlier, 'below', later)})`];
      return [];
    }),
  );
}

const sentence = (one: Ordered, where: 'before' | 'after', other: Ordered, hooks: string): string =>
  `${printPlace(one.line.place)}: ${one.name} has to be asked ${where} ${other.name} of ${printPlace(other.line.place)} at ${hooks}`;

function move(one: Ordered, where: 'above' | 'below', other: Ordered): string {
  const isOneFile = one.line.place.file === other.line.place.file;
  const [from, to] = [one, other].map(({ name, line: { place } }) => {
    if (place.line === undefined) return name;
    return isOneFile ? `line ${place.line}` : printPlace(place);
  });
  return `move ${from} ${where} ${to}`;
}

/** Not `post-fork`: there every plugin makes itself ready. */
const sharedHooks = (one: Ordered, other: Ordered): string[] =>
  Object.entries(one.hooks).flatMap(([hook, call]) => {
    const isShared = call !== undefined && (other.hooks as Record<string, unknown>)[hook] !== undefined;
    return isShared && hook !== 'post-fork' ? [hook] : [];
  });

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
