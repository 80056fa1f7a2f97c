import type { ParityCase } from './cases.ts';
import { compareDaemon, compareOracle } from './compare.ts';
import { StartError } from './daemon.ts';
import type { DifferenceLedger } from './differences.ts';
import type { Options } from './options.ts';
import type { Oracle } from './oracle.ts';
import { playToDaemon, playToOracle, type Stage } from './play-case.ts';
import { readReference, writeReference, type Reference } from './references.ts';
import { hasNameServer, NAME_SERVER_REMEDY, startNameServer } from './name-server.ts';
import type { Report } from './report.ts';
import { findMissingPlugin } from './subject.ts';

/** Everything a case is played with. */
export interface Bench {
  readonly options: Options;
  readonly oracle: Oracle | undefined;
  readonly ledger: DifferenceLedger;
  readonly report: Report;
  /** The folder under which scratch folders are made. */
  readonly root: string;
}

/** Plays the cases one after the other and reports each. */
export async function runCases(cases: readonly ParityCase[], bench: Bench): Promise<void> {
  const asksDns = cases.some(({ zones }) => zones === true);
  const nameServer = asksDns && hasNameServer() ? await startNameServer(bench.root) : undefined;
  try {
    await runEach(cases, bench, nameServer?.port);
  } finally {
    await nameServer?.stop();
  }
}

async function runEach(
  cases: readonly ParityCase[],
  bench: Bench,
  dnsPort: number | undefined,
): Promise<void> {
  const unusable = new Set<string>();
  for (const parityCase of cases) {
    const { script } = parityCase;
    if (parityCase.zones === true && dnsPort === undefined) {
      const missing = `dnsmasq is not installed; ${NAME_SERVER_REMEDY}`;
      if (process.env['CI'] === 'true') bench.report.failed(script, missing);
      else bench.report.skipped(script, missing);
      continue;
    }
    const configuration = parityCase.conf.join('+');
    if (unusable.has(configuration)) {
      bench.report.failed(script, `no daemon starts with conf ${configuration}, see above`);
      continue;
    }
    try {
      await runCase(parityCase, bench, dnsPort);
    } catch (error) {
      if (error instanceof StartError) unusable.add(configuration);
      bench.report.failed(script, error instanceof Error ? error.message : String(error));
    }
  }
}

async function runCase(parityCase: ParityCase, bench: Bench, dnsPort: number | undefined): Promise<void> {
  const { script } = parityCase;
  const stage: Stage = { root: bench.root, dnsPort };
  if (bench.options.record) return record(parityCase, bench, stage);
  const reference = readReference(script);
  if (reference === undefined) {
    bench.report.failed(script, 'nothing was recorded for it: see --record');
    return;
  }
  const sides: string[] = [];
  const { oracle } = bench;
  if (oracle?.edition === '0.94' && parityCase.not094 !== undefined) {
    sides.push(`without Perl 0.94: ${parityCase.not094}`);
  } else if (oracle !== undefined) {
    const played = await playToOracle(oracle, parityCase, stage);
    if (!compareOracle(parityCase, played, reference, bench.report)) {
      bench.report.log(played.log);
      return;
    }
    sides.push(`Perl ${oracle.edition}`);
  }
  if (bench.options.withDaemon) {
    const missing = findMissingPlugin(parityCase.conf);
    if (missing !== undefined) {
      bench.report.skipped(script, `needs plugin ${missing}`);
      return;
    }
    const side = await runDaemon(parityCase, reference, bench, stage);
    if (side === undefined) return;
    sides.push(side);
  }
  bench.report.passed(script, sides.join('; '));
}

async function runDaemon(
  parityCase: ParityCase,
  reference: Reference,
  { ledger, report }: Bench,
  stage: Stage,
): Promise<string | undefined> {
  const played = await playToDaemon(parityCase, stage);
  const known = compareDaemon(parityCase, played, reference, ledger, report);
  if (known === undefined) {
    report.log(played.log);
    return undefined;
  }
  return known.length === 0 ? 'daemon' : `daemon, known differences: ${known.join(' ')}`;
}

async function record(parityCase: ParityCase, { oracle, report }: Bench, stage: Stage): Promise<void> {
  if (oracle === undefined || oracle.edition !== '1.00') throw new Error('only version 1.00 can be recorded');
  const played = await playToOracle(oracle, parityCase, stage);
  const keepDialogue = !parityCase.recordedHere;
  writeReference(parityCase.script, played, keepDialogue);
  report.passed(parityCase.script, keepDialogue ? 'messages recorded' : 'dialogue and messages recorded');
}
