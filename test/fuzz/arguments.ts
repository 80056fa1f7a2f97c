import { parseArgs } from 'node:util';

export const USAGE = `usage: npm run fuzz -- <target> <seconds> [--seed N]
       npm run fuzz -- <target> --input FILE --seed N

Throws changed inputs of test/fuzz/corpus/<target>/ at a target until the time is over or a fault shows. An input
that shows one is kept in test/fuzz/crashes/ and the exit status is 1.

  --seed N      repeat the run with this seed (each run prints its own)
  --input FILE  run this input alone; the seed that goes with it is in its name
  --help        this text`;

export interface FuzzArguments {
  readonly target: string;
  readonly seconds: number;
  readonly seed: number | undefined;
  readonly input: string | undefined;
}

/** What the command line asks for, or undefined if it asks for the usage. Throws `Error` if it cannot be read. */
export function readArguments(words: readonly string[]): FuzzArguments | undefined {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { seed: { type: 'string' }, input: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  if (values.help === true) return undefined;
  const [target, seconds = ''] = positionals;
  if (target === undefined) throw new Error('no target given');
  if (values.input === undefined && !(Number(seconds) > 0))
    throw new Error(`not a number of seconds: '${seconds}'`);
  const seed = values.seed === undefined ? undefined : Number(values.seed);
  if (seed !== undefined && !Number.isInteger(seed)) throw new Error(`not a seed: '${values.seed}'`);
  return { target, seconds: Number(seconds), seed, input: values.input };
}
