/** Kinds of settings: each says how a text is read, which texts it refuses, and how it is documented. */

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { AddressRanges, NO_RANGES } from '../config/address-ranges.ts';
import type { PlacedLine } from '../../bindings/lists/placed-line.ts';

/** The source of defaults that depend on the machine. */
export interface Surroundings {
  readonly hostName: string;
  readonly me: string;
}

/** One setting of the core: its file and everything to be known about its value. */
export interface Setting<T> {
  /** The configuration files it stands in; the first that has a line counts. */
  readonly files: readonly string[];
  readonly about: string;
  readonly takesEffect: string;
  /** Unit and range, for the documentation. */
  readonly form: string;
  /** The default, for the documentation. */
  readonly otherwise: string;
  /** Reads the lines, of which there is at least one. Throws an Error that says what a value has to be. */
  readonly parse: (lines: readonly [PlacedLine, ...PlacedLine[]]) => T;
  readonly fallback: (surroundings: Surroundings) => T;
  /** What stands in its files is shown to nobody. */
  readonly isSecret?: boolean;
  /** It is about the whole process, or decides before a service is known: no service has one of its own. */
  readonly isOfProcess?: boolean | undefined;
  /** Of a limit: the reply, by its name in `replies.ts`, to a client that exceeds it. */
  readonly exceeded?: string | undefined;
}

/** What every kind is told. */
export interface Description {
  readonly file: string | readonly string[];
  readonly about: string;
  readonly takesEffect: string;
  readonly isOfProcess?: boolean;
}

interface NumberDescription extends Description {
  readonly otherwise: number;
  readonly min: number;
  readonly max: number;
  readonly exceeded?: string;
}

function setting<T>(
  { file, about, takesEffect, isOfProcess }: Description,
  form: string,
  otherwise: string,
  parse: (text: string) => T,
  fallback: (surroundings: Surroundings) => T,
): Setting<T> {
  const files = typeof file === 'string' ? [file] : file;
  const parseFirst: Setting<T>['parse'] = ([line]) => parse(line.text);
  return { files, about, takesEffect, form, otherwise, isOfProcess, parse: parseFirst, fallback };
}

/** A whole number; `unit` is for the documentation, `factor` turns it into the unit of the value. */
export function count(description: NumberDescription, unit = 'number', factor = 1): Setting<number> {
  const { min, max, otherwise } = description;
  const parse = (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
      throw new Error(
        `'${text}' is not a whole number of ${unit === 'number' ? '' : `${unit} `}from ${min} to ${max}`,
      );
    }
    return value * factor;
  };
  const form = `${unit}, ${min} to ${max}`;
  const base = setting(description, form, String(otherwise), parse, () => otherwise * factor);
  return { ...base, exceeded: description.exceeded };
}

export const octets = (description: NumberDescription): Setting<number> => count(description, 'octets');

/**
 * A whole number, or 0 for no limit. The default depends on the machine: it is undefined, and `otherwise` says what becomes
 * of that.
 */
export function derivedLimit(
  { otherwise, min, ...rest }: Omit<NumberDescription, 'otherwise'> & { readonly otherwise: string },
  unit = 'number',
): Setting<number | undefined> {
  const base = count({ ...rest, min: 0, otherwise: 0 }, unit);
  const parse: typeof base.parse = (lines) => {
    const value = base.parse(lines);
    if (value === 0 || value >= min) return value;
    throw new Error(`${value} is too little: the least is ${min}, and 0 is no limit`);
  };
  const form = min === 1 ? base.form : `${unit}, 0 or ${min} to ${rest.max}`;
  return { ...base, form, otherwise, parse, fallback: () => undefined };
}

/** Seconds in the file, milliseconds in the value. */
export const seconds = (description: NumberDescription): Setting<number> =>
  count(description, 'seconds', 1_000);

/** Anything is true but `0`, `no`, `off` and `false`, as in `Config.flag`. */
export function flag(description: Description, isTrue: (text: string) => boolean): Setting<boolean> {
  return setting(description, '`1` or `0`', '`0`', isTrue, () => false);
}

/** One of a few values. */
export function oneOf<const W extends string>(
  description: Description & { readonly values: readonly [W, ...W[]] },
): Setting<W> {
  const { values } = description;
  const list = values.map((value) => `\`${value}\``).join(' or ');
  const parse = (text: string): W => {
    const value = values.find((candidate) => candidate === text);
    if (value === undefined) throw new Error(`'${text}' is none of ${values.join(', ')}`);
    return value;
  };
  return setting(description, list, `\`${values[0]}\``, parse, () => values[0]);
}

/** Text in a form of its own. */
export function text<T>(
  description: Description & { readonly form: string; readonly otherwise: string },
  parse: (text: string) => T,
  fallback: (surroundings: Surroundings) => T,
): Setting<T> {
  return setting(description, description.form, description.otherwise, parse, fallback);
}

/** The mode of a directory. Its owner has to keep all rights, or the daemon could not write into it. */
export function directoryMode(description: Description & { readonly otherwise: number }): Setting<number> {
  const print = (mode: number): string => `0${mode.toString(8)}`;
  const parse = (digits: string): number => {
    const mode = /^[0-7]{3,4}$/.test(digits) ? Number.parseInt(digits, 8) : 0;
    if ((mode & 0o700) !== 0o700)
      throw new Error(`'${digits}' is not an octal mode from 0700 to 7777 with rwx for the owner`);
    return mode;
  };
  return setting(
    description,
    'octal mode',
    `\`${print(description.otherwise)}\``,
    parse,
    () => description.otherwise,
  );
}

/** All lines of a file. */
export function allLines(
  description: Description & { readonly form: string },
): Setting<readonly PlacedLine[]> {
  const nothing = (): readonly PlacedLine[] => [];
  const base = setting(description, description.form, 'none', nothing, nothing);
  return { ...base, parse: (lines) => lines };
}

/** A set of names in upper case, one a line. */
export function names(description: Description & { readonly form: string }): Setting<ReadonlySet<string>> {
  const nothing = (): ReadonlySet<string> => new Set();
  const base = setting(description, description.form, 'none', nothing, nothing);
  return { ...base, parse: (lines) => new Set(lines.map((line) => line.text.toUpperCase())) };
}

/** Addresses and address ranges, one a line. */
export function addressRanges(description: Description): Setting<AddressRanges> {
  const nothing = (): AddressRanges => NO_RANGES;
  const form = '`ADDRESS`, `ADDRESS/BITS` or `unix`, one a line';
  const base = setting(description, form, 'none', nothing, nothing);
  return { ...base, parse: (lines) => AddressRanges.compile(lines.map((line) => line.text)) };
}

/** A path as qpsmtpd takes it: `~/` is the home directory, a relative one starts at the working directory. */
export function directoryPath(path: string): string {
  if (/[\u0000-\u001f\u007f]/.test(path)) throw new Error('the path contains control characters');
  if (/^~[^/]/.test(path))
    throw new Error(`'${path}': home directories of others are not looked up; write the path out`);
  return path.startsWith('~') ? join(homedir(), path.slice(1)) : resolve(path);
}
