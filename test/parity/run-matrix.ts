import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningDaemon } from './daemon.ts';
import { listProbes, observe, parseMatrix, withoutAuthLine } from './matrix.ts';
import { startOracle } from './oracle.ts';
import { MATRICES } from './places.ts';
import type { Bench } from './run-cases.ts';
import { makeScratch, type Scratch } from './scratch.ts';
import { addProbePlugins, findMissingPlugin, startSubject } from './subject.ts';

const CONF = ['probe'];
/** The plugin that orders the answers; it is built with this folder, not with the daemon. */
const PROBE = 'probe';
/** The plugin that lets the hooks of AUTH be reached. */
const AUTH = 'auth/auth_flat_file';
/** How long a silent daemon is waited for before the cell reads `(nothing)`. */
const QUIET_MS = 400;

/**
 * Plays every hook with every return code to this daemon, or to the Perl daemon when this one is left out, and
 * compares each cell with what 1.00 answered, or the Perl daemon's own version. A daemon without the AUTH plugin is asked all but the hooks of AUTH.
 */
export async function runMatrix(bench: Bench): Promise<void> {
  const { options, oracle, root, report } = bench;
  const missing = options.withDaemon ? findMissingPlugin(CONF, undefined, [PROBE, AUTH]) : undefined;
  if (missing !== undefined) {
    report.skipped('matrix', `needs plugin ${missing}`);
    return;
  }
  if (!options.withDaemon && oracle === undefined) {
    report.skipped('matrix', 'neither daemon is asked');
    return;
  }
  const hasAuth = !options.withDaemon || findMissingPlugin(CONF, undefined, [PROBE]) === undefined;
  const scratch = makeScratch(join(root, 'matrix'), CONF, options.withDaemon ? undefined : oracle?.owner);
  if (!hasAuth) {
    report.skipped('matrix auth-plain, matrix auth', `need plugin ${AUTH}`);
    dropPlugin(scratch, AUTH);
  }
  if (options.withDaemon) addProbePlugins(scratch);
  const daemon = options.withDaemon ? await startSubject(scratch) : await startOracle(oracle!, scratch);
  try {
    await compareCells(daemon, join(scratch.config, 'probe'), hasAuth, bench);
  } finally {
    await daemon.stop();
  }
}

function dropPlugin({ config }: Scratch, name: string): void {
  const file = join(config, 'plugins');
  const lines = readFileSync(file, 'latin1').split('\n');
  writeFileSync(file, lines.filter((line) => line !== name).join('\n'));
}

async function compareCells(
  daemon: RunningDaemon,
  orders: string,
  hasAuth: boolean,
  { options, oracle, ledger, report }: Bench,
): Promise<void> {
  const edition = options.withDaemon ? '1.00' : oracle!.edition;
  const recorded = parseMatrix(readFileSync(MATRICES[edition], 'latin1'));
  const probes = listProbes().filter(({ hook }) => hasAuth || !hook.startsWith('auth'));
  const [known, unlisted] = [new Set<string>(), new Set<string>()];
  // Only with all hooks asked can a listed difference be said to be gone.
  if (hasAuth && options.withDaemon) ledger.visit('matrix');
  for (const probe of probes) {
    const cell = `${probe.hook} ${probe.name}`;
    const reply = recorded.get(cell);
    if (reply === undefined) throw new Error(`the matrix of ${edition} has no cell "${cell}"`);
    const expected = hasAuth ? reply : withoutAuthLine(reply);
    writeFileSync(orders, `${probe.order}\n`);
    const actual = await observe(daemon.port, probe, QUIET_MS);
    if (actual === expected) continue;
    const hunk = { about: cell, removed: [`${cell}: ${expected}`], added: [`${cell}: ${actual}`] };
    const rows = options.withDaemon ? ledger.explain('matrix', hunk) : undefined;
    if (rows === undefined) {
      unlisted.add(cell);
      report.hunk(hunk, edition, options.withDaemon ? 'here' : 'Perl');
    } else {
      for (const row of rows) known.add(row.id);
      report.known(hunk, rows);
    }
  }
  const ids = known.size === 0 ? '' : `, known differences: ${[...known].sort().join(' ')}`;
  if (unlisted.size > 0)
    report.failed('matrix', `${unlisted.size} of ${probes.length} cells differ and are not listed`);
  else report.passed('matrix', `${probes.length} cells${ids}`);
}
