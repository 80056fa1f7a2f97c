/**
 * The command line: what its options look like, how it is read, and the help texts. What is not understood is an error, never
 * ignored.
 */

import { parseArgs } from 'node:util';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { suggest } from '../../bindings/lists/nearest.ts';

/** What an option of a command line looks like; parsing, help and documentation all read this. */
export interface OptionSpec {
  readonly name: string;
  readonly short?: string;
  /** Placeholder of the value; without it the option is a switch. */
  readonly value?: string;
  /** May be given several times. Of any other option the last one counts. */
  readonly isRepeatable?: boolean;
  readonly help: string;
}

/** An option of the Perl program that is understood and refused, with what to do instead. */
export interface RefusedOption {
  readonly name: string;
  readonly short?: string;
  readonly value?: string;
  readonly instead: string;
}

export const HELP_OPTION: OptionSpec = { name: 'help', short: 'h', help: 'print this text' };

/** An error in the command line. */
export class UsageError extends QpsmtpdError {
  constructor(message: string) {
    super('Q_USAGE', message);
    this.name = 'UsageError';
  }
}

/** The command line as read. Options are asked for by their long names. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>, positionals: readonly string[]) {
    this.#values = values;
    this.positionals = positionals;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** All values of a repeatable option. */
  texts(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  /** The value as a whole number between `min` and `max`. */
  count(name: string, min: number, max: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    return readCount(name, text, min, max);
  }
}

export function readCount(name: string, text: string, min: number, max: number): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (count >= min && count <= max) return count;
  throw new UsageError(`--${name}: "${text}" is no whole number from ${min} to ${max}`);
}

/** Throws a `UsageError` for unknown, refused and incomplete options. */
export function readArguments(
  args: readonly string[],
  specs: readonly OptionSpec[],
  refused: readonly RefusedOption[] = [],
): Arguments {
  const known = new Map([...refused, ...specs].map((spec) => [spec.name, spec]));
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries([...known.values()].map((spec) => [spec.name, parserOptionOf(spec)])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, readonly string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const spec = known.get(token.name);
    if (spec === undefined) throw unknownOption(token.rawName, specs);
    if ('instead' in spec) throw new UsageError(`${token.rawName} is not supported: ${spec.instead}`);
    const value = checkValue(token.rawName, spec, token.value, token.inlineValue);
    values.set(spec.name, [...(values.get(spec.name) ?? []), value]);
  }
  return new Arguments(values, positionals);
}

/** For programs that take options only. */
export function refusePositionals(args: Arguments): void {
  const [first] = args.positionals;
  if (first !== undefined) throw new UsageError(`"${first}" is not understood: only options are expected`);
}

function parserOptionOf({ short, value }: OptionSpec | RefusedOption) {
  const type = value === undefined ? ('boolean' as const) : ('string' as const);
  return short === undefined ? { type } : { type, short };
}

function unknownOption(rawName: string, specs: readonly OptionSpec[]): UsageError {
  const hint = rawName.startsWith('--')
    ? suggest(
        rawName,
        specs.map((spec) => `--${spec.name}`),
      )
    : '';
  return new UsageError(`unknown option ${rawName}${hint}`);
}

function checkValue(
  rawName: string,
  spec: OptionSpec,
  value: string | undefined,
  isInline: boolean | undefined,
): string {
  if (spec.value === undefined) {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
    return '';
  }
  // `--listen --grace 3`: the next option is no value, unless it is tied to the name by "=".
  if (value === undefined || value === '' || (isInline !== true && value.startsWith('-'))) {
    throw new UsageError(`${rawName} needs a value: ${rawName} ${spec.value}`);
  }
  return value;
}

/** Usage line, a paragraph, and the options in two columns. */
export function printHelp(usage: string, about: string, specs: readonly OptionSpec[]): string {
  const names = specs.map(nameOf);
  const width = Math.max(...names.map((name) => name.length)) + 2;
  const rows = specs.map((spec, index) => `  ${(names[index] ?? '').padEnd(width)}${spec.help}`);
  return [`usage: ${usage}`, '', about, '', 'options:', ...rows].join('\n');
}

function nameOf({ name, short, value, isRepeatable }: OptionSpec): string {
  const letter = short === undefined ? '    ' : `-${short}, `;
  const placeholder = value === undefined ? '' : ` ${value}`;
  return `${letter}--${name}${placeholder}${isRepeatable === true ? ' ...' : ''}`;
}
