/** The option `logger`: nothing, the console, or an object with methods as bunyan and pino have them. */

import { format } from 'node:util';
import { neverThrowing } from '../observe/program-log.ts';
import type { SMTPServerLogger } from './types.ts';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
type Level = (typeof LEVELS)[number];

/** The fields of a line, then its text with `%s` and what stands for it. */
type Write = (entry: Record<string, unknown>, message: string, ...args: unknown[]) => void;

export type Logger = Readonly<Record<Level, Write>>;

/** Asked in this order for a level that the logger does not have. */
const STAND_INS = ['info', 'debug', 'trace', 'warn', 'error'] as const;

const nothing: Write = () => undefined;

/** `component` stands in the fields of every line. */
export function openLogger(option: SMTPServerLogger | boolean | undefined, component: string): Logger {
  const writeBy = (level: Level): Write => {
    if (option === undefined || option === false) return nothing;
    if (option === true) return (entry, message, ...args) => print(level, entry, message, args);
    const stand = [level, ...STAND_INS].find((name) => typeof option[name] === 'function');
    if (stand === undefined) return nothing;
    return neverThrowing((entry: Record<string, unknown>, message: string, ...args: unknown[]) =>
      option[stand]!({ component, ...entry }, message, ...args),
    );
  };
  return Object.fromEntries(LEVELS.map((level) => [level, writeBy(level)])) as Record<Level, Write>;
}

/** `[2026-01-31 12:00:00] DEBUG [#id] text`, one line for each of the text's. */
function print(level: Level, { cid }: Record<string, unknown>, message: string, args: unknown[]): void {
  const time = new Date().toISOString().slice(0, 19).replace('T', ' ');
  const connection = typeof cid === 'string' ? `[#${cid}] ` : '';
  const lines = `${connection}${format(message, ...args)}`.split(/\r?\n/);
  // The program has asked for it.
  for (const line of lines) process.stdout.write(`[${time}] ${level.toUpperCase().padEnd(5)} ${line}\n`);
}
