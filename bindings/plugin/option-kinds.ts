/** Schemas for common values of a plugin's line. */

import { z } from 'zod';
import { parseLogLevel, type LogLevel } from './log-level.ts';

/** A whole number between `min` and `max`, written in digits. */
export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number from ${min} to ${max}`);

const OCTAL_MODE = 'must be three octal digits that leave the owner all rights, such as 700';
const modes = new WeakSet<object>();

/** The mode of a directory: three octal digits, or four with a leading zero. Its owner has to be able to write into it. */
export const directoryMode = () => {
  const kind = z
    .string()
    .regex(/^0?[0-7]{3}$/, OCTAL_MODE)
    .transform((digits) => Number.parseInt(digits, 8))
    .refine((mode) => (mode & 0o700) === 0o700, OCTAL_MODE);
  modes.add(kind);
  return kind;
};

/** True for a `directoryMode`, also for one with a default or that may be left out: its values are shown in octal. */
export function isMode(kind: unknown): boolean {
  if (typeof kind !== 'object' || kind === null) return false;
  return (
    modes.has(kind) || isMode((kind as { readonly def?: { readonly innerType?: unknown } }).def?.innerType)
  );
}

/** A log level by number or by name: `4`, `LOGWARN`, `warn`. */
export const logLevel = () =>
  z.string().transform((value, context): LogLevel => {
    const level = parseLogLevel(value);
    if (level !== undefined) return level;
    context.addIssue({ code: 'custom', message: 'must be 0 to 7 or a name such as LOGWARN' });
    return z.NEVER;
  });

/** Whether lines for the standard error stream have the time in front; `auto`: unless its reader knows the time. */
export const timestamp = () =>
  z.enum(['auto', 'yes', 'no'], { message: 'must be auto, yes or no' }).default('auto');

/** A number with or without a fraction, between `min` and `max`. */
export const decimal = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d{1,15}(?:\.\d{1,9})?$/, `must be a number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a number from ${min} to ${max}`);

/** A switch: `1`, `yes`, `on`, `true` or `0`, `no`, `off`, `false`. */
export const flag = () =>
  z.string().transform((value, context): boolean => {
    if (/^(?:1|yes|on|true)$/i.test(value)) return true;
    if (/^(?:0|no|off|false)$/i.test(value)) return false;
    context.addIssue({ code: 'custom', message: 'must be 1 or 0, or yes or no' });
    return z.NEVER;
  });

/** One of `values`, in whatever case it is written. */
export const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.string().toLowerCase().pipe(z.enum(values));
