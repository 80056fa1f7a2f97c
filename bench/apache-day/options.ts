import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readAmount } from '../micro/options.ts';
import { DEFAULT_SCRATCH, ROOT } from '../places.ts';
import { checkMix, DEFAULT_MIX, type Mix } from './mix.ts';

/** What `npm run bench:apache-day` was asked to do. */
export interface DayOptions {
  readonly mix: Mix;
  readonly dayMessages: number;
  readonly attempts: number;
  readonly sessions: number;
  readonly workers: number;
  readonly isQuick: boolean;
  readonly json: string | undefined;
  readonly program: string;
  readonly node: string;
  readonly scratch: string;
  readonly help: boolean;
}

/** The figure qpsmtpd's users named for apache.org. */
const DAY_MESSAGES = 2_000_000;
const ATTEMPTS = 40_000;
const QUICK_ATTEMPTS = 2_000;

/** `refusedAtConnect` becomes `--refused-at-connect`. */
const optionName = (parameter: string): string =>
  parameter.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const PARAMETERS = Object.keys(DEFAULT_MIX) as (keyof Mix)[];

export const DAY_USAGE = `usage: npm run bench:apache-day -- [options]

Plays a sample of a day at a busy mail exchanger, two million attempts most of which are refused, to this server with
its sample plugins, and says how long this machine would need for the whole day. The shares are explained in
bench/apache-day/README.md.

  --messages N    attempts in the day (${DAY_MESSAGES})
  --attempts N    attempts in the sample (${ATTEMPTS})
  --sessions N    clients at a time (50)
  --workers N     workers of the server (one per core)
  --quick         a sample of ${QUICK_ATTEMPTS}: shows that it works
  --json FILE     write the results there instead of bench/results
  --program DIR   compiled program of this project to measure (dist)
  --node FILE     Node that runs it
  --scratch DIR   where it runs (${DEFAULT_SCRATCH})
  --help          this text

${PARAMETERS.map((name) => `  --${optionName(name)} N  (${DEFAULT_MIX[name]})`).join('\n')}
`;

/** Reads the command line; throws with what is wrong about it. */
export function parseDayOptions(args: readonly string[]): DayOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(PARAMETERS.map((name) => [optionName(name), text])),
      messages: text,
      attempts: text,
      sessions: text,
      workers: text,
      quick: { type: 'boolean', default: false },
      json: text,
      program: { ...text, default: join(ROOT, 'dist') },
      node: { ...text, default: process.execPath },
      scratch: { ...text, default: DEFAULT_SCRATCH },
      help: { type: 'boolean', default: false },
    },
  });
  const given = values as unknown as Readonly<Record<string, string | undefined>>;
  const mix = Object.fromEntries(
    PARAMETERS.map((name) => [name, readShare(optionName(name), given[optionName(name)], DEFAULT_MIX[name])]),
  ) as unknown as Mix;
  checkMix(mix);
  return {
    mix,
    dayMessages: readAmount('--messages', values.messages, DAY_MESSAGES),
    attempts: readAmount('--attempts', values.attempts, values.quick ? QUICK_ATTEMPTS : ATTEMPTS),
    sessions: readAmount('--sessions', values.sessions, 50),
    workers: readAmount('--workers', values.workers, availableParallelism()),
    isQuick: values.quick,
    json: values.json,
    program: values.program,
    node: values.node,
    scratch: values.scratch,
    help: values.help,
  };
}

/** As `readAmount`, and 0 is a share too. */
function readShare(name: string, text: string | undefined, otherwise: number): number {
  return text === '0' ? 0 : readAmount(`--${name}`, text, otherwise);
}
