/** A loaded plugin as people read it: its options after parsing, and its hooks. */

import { isMode } from '../../bindings/plugin/option-kinds.ts';
import { masked } from '../observe/log-text.ts';
import type { LoadedPlugin } from './loaded-plugin.ts';

export interface PluginDescription {
  readonly name: string;
  readonly about: string;
  readonly hooks: readonly string[];
  /** Undefined for a plugin that comes with the server, or was given as an object. */
  readonly file: string | undefined;
  /** Those that have a value, settings such as `reject` included; secrets are hidden. */
  readonly options: Readonly<Record<string, string>>;
  /** Plugins that have to stand further down, and those further up, if they are there. */
  readonly before: readonly string[];
  readonly after: readonly string[];
}

const SECRET = /pass|secret|token|key/i;
/** What stands for a value that is no text, such as a compiled pattern. */
const OPAQUE = '…';

export function describePlugin(plugin: LoadedPlugin): PluginDescription {
  const { name, definition, hooks, file, isBuiltIn, options, settings } = plugin;
  const { timeoutMs, ...others } = settings;
  const timeout = timeoutMs === undefined ? undefined : timeoutMs / 1_000;
  const kinds = definition.options?.shape ?? {};
  const values = Object.entries({ ...(options as object), ...others, timeout }).map(
    ([key, value]: [string, unknown]) => [key, isMode(kinds[key]) ? octal(value) : value] as const,
  );
  return {
    name,
    about: definition.about,
    hooks: Object.entries(hooks).flatMap(([hook, call]) => (call === undefined ? [] : [hook])),
    file: isBuiltIn ? undefined : file,
    before: definition.before ?? [],
    after: definition.after ?? [],
    options: Object.fromEntries(
      values.filter(([, value]) => value !== undefined).map(([key, value]) => [key, show(key, value)]),
    ),
  };
}

/** As it is written in a line. */
const octal = (mode: unknown): string => Number(mode).toString(8).padStart(3, '0');

function show(key: string, value: unknown): string {
  if (SECRET.test(key)) return '[hidden]';
  if (Array.isArray(value)) return value.map((each: unknown) => show('', each)).join(' ');
  return typeof value === 'object' || typeof value === 'function' ? OPAQUE : masked(String(value));
}
