/** Lines of `config/plugins` that are in the wrong order for their plugins. */

import type { PluginDefinition } from '../../bindings/plugin/index.ts';
import { printPlace } from '../errors/error-classes.ts';
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

const sharedHooks = (one: Ordered, other: Ordered): string[] =>
  Object.entries(one.hooks).flatMap(([hook, call]) =>
    call !== undefined && (other.hooks as Record<string, unknown>)[hook] !== undefined ? [hook] : [],
  );
