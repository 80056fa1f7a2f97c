// `npm run check`: what can be said about a change in half a minute. See USAGE.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { relatedTests } from './related-tests.mjs';
import { runStep } from './step.mjs';

const USAGE = `usage: npm run check -- [--all | --list] [--base REF | --staged]

Types of everything, lint and formatting of the files that changed, and the unit tests that are nearest to them.
A file has changed if it is not as it was where the branch left main, or is new and not ignored.

  --all       every unit test that the change concerns, however long that takes, and lint of all files
  --base REF  what changed since the branch left REF (main, else origin/main)
  --staged    what 'git commit' would commit, as it is staged: looked at in build/staged, the work tree is left alone
  --list      say what would be looked at and run, and stop
  --help      this text
`;
const CACHE = 'node_modules/.cache';
const STAGED = 'build/staged';
/** Of the half minute, for tests on each processor: as long again take types, and the start of Vitest. */
const TESTS_MS = 10_000;
/** Whatever these change concerns every file. */
const CONCERNS_ALL =
  /^(package(-lock)?\.json|tsconfig\.json|eslint\.config\.js|vitest\.config\.ts|test\/reporting\/.*|\.prettier.*)$/;
const TYPED = /\.[cm]?ts$/;
const LINTED = /\.([cm]?js|ts)$/;

const say = (line) => process.stdout.write(`${line}\n`);
const git = (args, options = {}) =>
  execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
/** Names may hold anything but NUL. */
const names = (args, options) =>
  git([...args, '-z'], options)
    .split('\0')
    .filter(Boolean);

/** A hook's variables point at the repository of the commit: nothing that is started from here may write to that one. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')),
);

function commitOf(ref) {
  try {
    return git(['rev-parse', '--verify', '--quiet', `${ref}^{commit}`]).trim();
  } catch {
    return undefined;
  }
}

/** Where the branch left `base`. */
function branchPoint(base) {
  const found = base === undefined ? ['main', 'origin/main'].find(commitOf) : base;
  if (found === undefined) return 'HEAD';
  if (commitOf(found) === undefined) throw new Error(`--base ${found}: there is no such commit`);
  try {
    return git(['merge-base', found, 'HEAD']).trim();
  } catch {
    throw new Error(`--base ${found}: HEAD has no commit in common with it (is the clone shallow?)`);
  }
}

/** Files of the work tree that differ from the branch point, deleted ones too. */
function changedFiles(base) {
  const tracked = names(['diff', '--name-only', '--no-renames', branchPoint(base)]);
  return [...new Set([...tracked, ...names(['ls-files', '--others', '--exclude-standard'])])].sort();
}

/**
 * Writes what is staged to a folder of its own, as a repository of its own: tests ask git which files there are. Modules are
 * found further up. The work tree is not touched, so that a commit of a part needs no stash.
 */
function exportStaged(root) {
  const changed = names(['diff', '--cached', '--name-only', '--no-renames']);
  const folder = join(root, STAGED);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  git(['checkout-index', '--all', '--force', `--prefix=${STAGED}/`], { cwd: root });
  const own = { cwd: folder, env: environment };
  git(['init', '--quiet'], own);
  git(['add', '--all', '--force', '.'], own);
  const core = 'core-wasm/core.wasm';
  if (existsSync(join(root, core))) copyFileSync(join(root, core), join(folder, core));
  if (existsSync(join(root, 'dist'))) symlinkSync(join(root, 'dist'), join(folder, 'dist'));
  return { folder, changed };
}

/** A page of the guide has no types. */
const checkTypes = ({ root, folder, isStaged }, changed, isAll) =>
  !(isAll || changed.some((file) => TYPED.test(file) || CONCERNS_ALL.test(file))) ||
  runStep(
    'types',
    [
      [
        join(root, 'node_modules/typescript/bin/tsc'),
        ...['-p', 'tsconfig.json', '--noEmit', '--incremental', '--tsBuildInfoFile'],
        join(root, CACHE, isStaged ? 'staged.tsbuildinfo' : 'check.tsbuildinfo'),
      ],
    ],
    { cwd: folder, env: environment },
  );

/** By content: a checkout and the export of what is staged change times and nothing else. */
function checkForm({ root, folder, isStaged }, linted, formatted) {
  const cache = ['--cache', '--cache-strategy', 'content', '--cache-location'];
  const place = (name) => join(root, CACHE, `${isStaged ? 'staged' : 'check'}-${name}`);
  const eslint = [join(root, 'node_modules/eslint/bin/eslint.js'), ...cache, place('eslint.json')];
  const prettier = [join(root, 'node_modules/prettier/bin/prettier.cjs'), '--check', '--ignore-unknown'];
  const commands = [];
  if (linted.length > 0) commands.push([...eslint, '--no-warn-ignored', '--', ...linted]);
  if (formatted.length > 0)
    commands.push([...prettier, ...cache, place('prettier.json'), '--', ...formatted]);
  return commands.length === 0 || runStep('lint and formatting', commands, { cwd: folder, env: environment });
}

/** The module that tests load, when its sources changed. dist/ stays as it was built. */
function buildCore({ root, folder }, changed) {
  if (!changed.some((file) => /^core-wasm\/.*\.ts$/.test(file) || file === 'asconfig.json')) return true;
  const asc = join(root, 'node_modules/assemblyscript/bin/asc.js');
  return runStep('core', [[asc, 'core-wasm/index.ts', '--target', 'release']], {
    cwd: folder,
    env: environment,
  });
}

function runTests({ root, folder }, tests) {
  if (tests.length === 0) return true;
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const { status } = spawnSync(process.execPath, [vitest, 'run', ...tests], {
    cwd: folder,
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return status === 0;
}

/** What to look at: the files as they lie in `folder`, which of them changed, and which tests that concerns. */
function choose({ root, folder, changed, isAll }) {
  const present = changed.filter((file) => existsSync(join(folder, file)));
  const listed = names(['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], {
    cwd: folder,
    env: environment,
  });
  const sources = listed.filter((file) => existsSync(join(folder, file)));
  const limitMs = isAll ? Infinity : TESTS_MS * availableParallelism();
  const concernsAll = changed.filter((file) => CONCERNS_ALL.test(file));
  const seeds = isAll && concernsAll.length > 0 ? [...new Set([...changed, ...sources])] : changed;
  const tests = relatedTests({ root: folder, timesFrom: root, sources, changed: seeds, limitMs });
  const linted = isAll ? ['.'] : present.filter((file) => LINTED.test(file));
  return { ...tests, concernsAll, linted, formatted: isAll ? ['.'] : present };
}

function list({ changed, chosen, leftOut, concernsAll }) {
  for (const file of changed) say(`changed ${file}`);
  for (const file of chosen) say(`test ${file}`);
  for (const file of leftOut) say(`left out ${file}`);
  for (const file of concernsAll) say(`concerns everything ${file}`);
}

function tellWhatIsMissing({ leftOut, concernsAll }, isAll) {
  if (isAll) return;
  if (leftOut.length > 0)
    say(
      `tests: ${leftOut.length} more reach what changed and would take too long: --all runs them, --list names them`,
    );
  if (concernsAll.length > 0) say(`${concernsAll.join(', ')}: concerns every file, run with --all`);
}

async function check(values) {
  const root = resolve(git(['rev-parse', '--show-toplevel']).trim());
  process.chdir(root);
  const isStaged = values.staged === true;
  const isAll = values.all === true;
  const { folder, changed } = isStaged
    ? exportStaged(root)
    : { folder: root, changed: changedFiles(values.base) };
  const place = { root, folder, isStaged };
  const choice = { changed, ...choose({ ...place, changed, isAll }) };
  if (values.list === true) {
    list(choice);
    return true;
  }
  if (changed.length === 0) say('nothing changed');
  mkdirSync(join(root, CACHE), { recursive: true });
  const sound = await Promise.all([
    checkTypes(place, changed, isAll),
    (async () =>
      (await buildCore(place, changed)) && (await checkForm(place, choice.linted, choice.formatted)))(),
  ]);
  const isSound = sound.every(Boolean) && runTests(place, choice.chosen);
  tellWhatIsMissing(choice, isAll);
  return isSound;
}

function readOptions() {
  const flag = { type: 'boolean' };
  const { values } = parseArgs({
    options: { all: flag, list: flag, staged: flag, help: { ...flag, short: 'h' }, base: { type: 'string' } },
  });
  if (values.staged && values.base !== undefined) throw new Error('--staged and --base exclude each other');
  return values;
}

// `--list | head` is no fault.
process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  const values = readOptions();
  if (values.help) process.stdout.write(USAGE);
  else if (!(await check(values))) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`check: ${error.message}\n${error.code?.startsWith('ERR_PARSE') ? USAGE : ''}`);
  process.exitCode = 64;
}
