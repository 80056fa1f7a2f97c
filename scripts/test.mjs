// `npm test [-- ARGUMENTS OF VITEST]`: build, types, lint and formatting of everything, as many at a time as there are processors;
// then the unit tests, some of which run what was built. Caches are those of `npm run check`.
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { runStep } from './step.mjs';

const ASC = 'node_modules/assemblyscript/bin/asc.js';
const TSC = 'node_modules/typescript/bin/tsc';
const ESLINT = 'node_modules/eslint/bin/eslint.js';
const PRETTIER = 'node_modules/prettier/bin/prettier.cjs';
const VITEST = 'node_modules/vitest/vitest.mjs';
const CACHE = 'node_modules/.cache';
const cachedIn = (file) => ['--cache', '--cache-strategy', 'content', '--cache-location', `${CACHE}/${file}`];

/** The longest first. `types` checks what `build` writes unchecked. */
const STEPS = [
  ['formatting', [PRETTIER, '--check', '.', ...cachedIn('check-prettier.json')]],
  [
    'build',
    [ASC, 'core-wasm/index.ts', '--target', 'release'],
    ['scripts/place-core.mjs'],
    [TSC, '-p', 'tsconfig.build.json', '--noCheck'],
    ['scripts/bundle-mailauth.mjs'],
  ],
  [
    'types',
    [
      TSC,
      '-p',
      'tsconfig.json',
      '--noEmit',
      '--incremental',
      '--tsBuildInfoFile',
      `${CACHE}/check.tsbuildinfo`,
    ],
  ],
  ['lint', [ESLINT, '.', ...cachedIn('check-eslint.json')]],
];

const waiting = [...STEPS];
const outcomes = [];
async function lane() {
  for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
    const [title, ...commands] = step;
    outcomes.push(await runStep(title, commands));
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, lane));

if (!outcomes.every(Boolean)) process.exit(1);
const { status } = spawnSync(process.execPath, [VITEST, 'run', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
