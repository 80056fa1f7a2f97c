/** Turns the arguments of a plugin's line into its options: `KEY VALUE` pairs, and values given by place alone. */

import type { OptionShape, z } from '../../bindings/plugin/index.ts';
import { ConfigError } from '../errors/error-classes.ts';
import { nearest } from '../../bindings/lists/nearest.ts';
import type { PluginLine } from './plugin-line.ts';

/** The arguments by key: a list for options that may be repeated. */
export type RawOptions = Record<string, string | string[]>;

/** The options a line may have. Shapes later in `shapes` yield to earlier ones that have the same key. */
export interface OptionGrammar {
  readonly shapes: readonly OptionShape[];
  readonly positional: readonly string[];
  readonly switches?: readonly string[] | undefined;
  readonly rest?: string | undefined;
}

/** Sorts the arguments into options; throws a `ConfigError` at the first that fits nowhere. */
export function sortArguments({ name, args, place }: PluginLine, grammar: OptionGrammar): RawOptions {
  const refuse = (problem: string, remedy?: string): never => {
    throw new ConfigError(place, `${name}: ${problem}`, remedy, 'Q_PLUGIN_OPTION');
  };
  const kinds = kindsOf(grammar);
  const raw = Object.create(null) as RawOptions;
  const isOpen = (key: string): boolean => !Object.hasOwn(raw, key) || kinds.get(key) === 'list';
  const take = (key: string, value: string): void => {
    if (kinds.get(key) === 'list') raw[key] = [...((raw[key] as string[] | undefined) ?? []), value];
    else raw[key] = value;
  };
  const placed: string[] = [];
  const { switches = [], rest } = grammar;
  const slots = rest === undefined ? grammar.positional : [...grammar.positional, rest];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (rest !== undefined && Object.hasOwn(raw, rest)) {
      take(rest, arg);
      continue;
    }
    if (switches.includes(arg)) {
      if (!isOpen(arg)) return refuse(`option \`${arg}\` is given twice`);
      take(arg, '1');
      continue;
    }
    if (kinds.has(arg)) {
      const value = args[++index];
      if (value === undefined) return refuse(`option \`${arg}\` has no value`);
      if (!isOpen(arg)) return refuse(`option \`${arg}\` is given twice`);
      take(arg, value);
      continue;
    }
    const slot = slots.find(isOpen);
    if (slot === undefined) return refuse(...unknownOption([...placed, arg], [...kinds.keys()]));
    placed.push(arg);
    take(slot, arg);
  }
  return raw;
}

/** Parses the arguments that belong to `schema`; every issue becomes a `ConfigError`. */
export function parseOptions<S extends OptionShape>(
  { name, place }: PluginLine,
  schema: S,
  raw: RawOptions,
): { options: z.output<S>; problems: ConfigError[] } {
  const own = Object.fromEntries(
    Object.keys(schema.shape).flatMap((key) => (key in raw ? [[key, raw[key]]] : [])),
  );
  const result = schema.safeParse(own);
  if (result.success) return { options: result.data, problems: [] };
  const problems = result.error.issues.map(({ path, message }) => {
    const key = path.length === 0 ? undefined : String(path[0]);
    const problem = key !== undefined && !(key in own) ? 'is missing' : message;
    const subject = key === undefined ? '' : `${key}: `;
    const given =
      key !== undefined && key in own ? `here it is \`${[own[key]].flat().join(' ')}\`` : undefined;
    return new ConfigError(place, `${name}: ${subject}${problem}`, given, 'Q_PLUGIN_OPTION');
  });
  return { options: {} as z.output<S>, problems };
}

function kindsOf({ shapes }: OptionGrammar): Map<string, 'single' | 'list'> {
  const kinds = new Map<string, 'single' | 'list'>();
  for (const { shape } of shapes) {
    for (const [key, schema] of Object.entries(shape)) {
      if (!kinds.has(key)) kinds.set(key, isList(schema) ? 'list' : 'single');
    }
  }
  return kinds;
}

/** The schema of the input, inside defaults, optionals and transformations. */
function isList(schema: unknown): boolean {
  const def = (schema as { def?: SchemaKind } | undefined)?.def;
  return def !== undefined && (def.type === 'array' || isList(def.innerType) || isList(def.in));
}

interface SchemaKind {
  readonly type: string;
  readonly innerType?: unknown;
  readonly in?: unknown;
}

/**
 * The last of `args` has no place. A misspelt key before it may have been taken for a value; then that one is what
 * the operator has to look at.
 */
function unknownOption(args: readonly string[], keys: readonly string[]): [problem: string, remedy?: string] {
  for (const arg of args) {
    const meant = nearest(arg, keys);
    if (meant !== undefined) return [`unknown option \`${arg}\`, did you mean \`${meant}\`?`];
  }
  return [`unknown option \`${args.at(-1)}\``, `it takes ${keys.join(', ')}`];
}
