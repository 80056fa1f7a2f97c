import { readFileSync } from 'node:fs';
import { CASES, type ParityCase } from './cases.ts';
import { killRunning } from './daemon.ts';
import { DifferenceLedger, parseDifferences } from './differences.ts';
import { parseOptions, USAGE, type Options } from './options.ts';
import { findDebianOracle, findTreeOracle, ORACLE_REMEDY, type Oracle } from './oracle.ts';
import { DAEMON, DIFFERENCES } from './places.ts';
import { Report } from './report.ts';
import { runCases } from './run-cases.ts';
import { runMatrix } from './run-matrix.ts';
import { makeScratchRoot } from './scratch.ts';
import { isBuilt, pluginsOf } from './subject.ts';

/** 0: equal or known; 1: an unlisted or a stale difference; 2: it could not be run as asked. */
async function main(words: readonly string[]): Promise<number> {
  const options = parseOptions(words);
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const cases = selectCases(options.only);
  if (options.list) {
    for (const parityCase of cases) process.stdout.write(`${describe(parityCase)}\n`);
    return 0;
  }
  if (options.withDaemon && !isBuilt()) throw new Error(`${DAEMON} is missing: run "npm run build" first`);
  const report = new Report(options.verbose);
  const ledger = new DifferenceLedger(parseDifferences(readFileSync(DIFFERENCES, 'utf8')));
  checkPlaces(ledger, report);
  const scratch = makeScratchRoot();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      killRunning();
      scratch.remove();
      process.exit(2);
    });
  }
  try {
    const bench = { options, oracle: findOracle(options, report), ledger, report, root: scratch.path };
    if (options.matrix) await runMatrix(bench);
    else await runCases(cases, bench);
  } finally {
    scratch.remove();
  }
  for (const { id, place, line } of ledger.stale()) {
    report.failed(place, `docs/differences.md:${line}: ${id} no longer shows; take the row out`);
  }
  return report.conclude() ? 0 : 1;
}

function selectCases(only: readonly string[]): readonly ParityCase[] {
  const unknown = only.find((name) => !CASES.some((parityCase) => parityCase.script === name));
  if (unknown !== undefined) throw new Error(`no script is called ${unknown}: see --list`);
  return only.length === 0 ? CASES : CASES.filter((parityCase) => only.includes(parityCase.script));
}

function describe({ script, conf, client, zones }: ParityCase): string {
  const plugins = pluginsOf(conf).join(' ') || 'none';
  const wants = [
    ...(client === undefined ? [] : [`; client at ${client.address}`]),
    ...(zones === true ? ['; needs dnsmasq'] : []),
  ].join('');
  return `${script}  conf ${conf.join('+')}; plugins: ${plugins}${wants}`;
}

function checkPlaces(ledger: DifferenceLedger, report: Report): void {
  const scripts = CASES.map((parityCase) => parityCase.script);
  const places = new Set(['matrix', ...scripts, ...scripts.map((script) => `mail ${script}`)]);
  for (const { id, place, line } of ledger.misplaced(places)) {
    report.failed(place, `docs/differences.md:${line}: ${id} names a place that does not exist`);
  }
}

/** Without the Perl daemon the recorded transcripts are all there is, which is enough except in CI. */
function findOracle({ tree, withOracle }: Options, report: Report): Oracle | undefined {
  if (!withOracle) return undefined;
  const oracle = tree === undefined ? findDebianOracle() : findTreeOracle(tree);
  if (oracle !== undefined) return oracle;
  const missing = `qpsmtpd (Perl) is not installed; ${ORACLE_REMEDY}`;
  if (process.env['CI'] === 'true') report.failed('oracle', missing);
  else report.say(`${missing}\nonly the recorded transcripts are compared`);
  return undefined;
}

// The reader of a long list may have seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`parity: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
