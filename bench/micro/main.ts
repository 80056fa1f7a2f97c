/** `npm run bench`: the byte-level paths, way against way. */

import { describeRun } from '../machine.ts';
import { resultsFile, writeResults, type MicroRow } from '../results.ts';
import { printTable } from '../text-table.ts';
import { showNumber } from '../statistics.ts';
import { MICRO_USAGE, parseMicroOptions, type MicroOptions } from './options.ts';
import { Field, MEMCPY, type Contest } from './paths.ts';
import { timeCalls, workDone } from './timing.ts';

const print = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(args: readonly string[]): Promise<void> {
  const options = parseMicroOptions(args);
  if (options.help) return print(MICRO_USAGE);
  const run = describeRun(['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' '));
  const field = new Field();
  await field.check();
  print('all contestants give the same answers');
  const rows: MicroRow[] = [];
  for (const contest of field.contests()) {
    if (options.only.length > 0 && !options.only.includes(contest.path)) continue;
    const timed = time(contest, options);
    rows.push(...timed);
    print(
      `\n${contest.path}, ${contest.octets} octets${contest.items > 1 ? `, ${contest.items} items` : ''}\n`,
    );
    print(showRows(timed));
  }
  const file = options.json ?? resultsFile('micro', options.isQuick);
  writeResults(file, { kind: 'micro', run, contestants: field.describe(), rows });
  print(`\nwritten to ${file} (checksum of the work ${workDone()})`);
}

function time({ path, octets, items, calls }: Contest, options: MicroOptions): MicroRow[] {
  const spreads = timeCalls(calls, options);
  return calls.map(({ name }) => ({
    path,
    octets,
    items,
    contestant: name,
    nanoseconds: spreads.get(name)!,
  }));
}

function showRows(rows: readonly MicroRow[]): string {
  const wasm = rows.find(({ contestant }) => contestant === 'wasm')!.nanoseconds;
  const copy = rows.find(({ contestant }) => contestant === MEMCPY)!.nanoseconds;
  return printTable(
    ['', 'ns a call', 'min', 'max', 'ns an item', 'MB/s', 'x memcpy', 'x wasm'],
    rows.map(({ contestant, nanoseconds: { min, median, max }, octets, items }) => [
      contestant,
      showNumber(median),
      showNumber(min),
      showNumber(max),
      showNumber(median / items),
      showNumber((octets / median) * 1_000),
      showNumber(median / copy.median),
      showNumber(median / wasm.median),
    ]),
  );
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
