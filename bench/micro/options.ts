import { parseArgs } from 'node:util';

/** What `npm run bench` was asked to do. */
export interface MicroOptions {
  readonly only: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly isQuick: boolean;
  readonly json: string | undefined;
  readonly help: boolean;
}

export const MICRO_PATHS = ['command', 'batch', 'data', 'stuffed data', 'headers', 'host names'] as const;

export const MICRO_USAGE = `usage: npm run bench -- [options]

Times the byte-level paths (one command, a pipelined batch, mail data, headers, host names in text) in WebAssembly, in
the reference, in the best JavaScript we know, and in the way of other servers, at 64 octets, 1 KiB and 64 KiB. All contestants must
give the same answers first.

  --only PATH     only this path (${MICRO_PATHS.join(', ')}); may be given several times
  --rounds N      rounds, each begun by another contestant (5)
  --seconds N     longest time for one contestant in one round (0.5)
  --quick         two rounds of 0.06 seconds: shows that it works
  --json FILE     write the results there instead of bench/results
  --help          this text
`;

/** Reads the command line; throws with what is wrong about it. */
export function parseMicroOptions(args: readonly string[]): MicroOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const paths: readonly string[] = MICRO_PATHS;
  const unknown = values.only.find((path) => !paths.includes(path));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there is ${paths.join(', ')}`);
  return {
    only: values.only,
    rounds: readAmount('--rounds', values.rounds, values.quick ? 2 : 5),
    seconds: readAmount('--seconds', values.seconds, values.quick ? 0.06 : 0.5),
    isQuick: values.quick,
    json: values.json,
    help: values.help,
  };
}

/** A positive number, or `otherwise` if none was given. */
export function readAmount(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const amount = Number(text);
  if (Number.isFinite(amount) && amount > 0) return amount;
  throw new Error(`${name} ${text}: a number above 0 is expected`);
}
