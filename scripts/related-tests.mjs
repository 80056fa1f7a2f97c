// Which unit tests a change concerns, nearest first, and which of them fit into a bounded time.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';

const IMPORTS = /^(?:import|export)\b(?:[^;']*?\bfrom)?\s*'([^'\n]+)';|\bimport\([^)']*'([^']+)'\)/gm;
const UNIT_TEST = /^test\/(?!integration\/).*\.test\.ts$/;
const PRODUCT = /^(core-wasm|bindings|host|plugins)\/.*\.ts$/;
/** Reads every file of the product without importing one. */
const HOUSE_RULES = 'test/architecture.test.ts';
/** Whatever changes in the core's sources reaches the rest through the compiled module, which this file loads. */
const CORE_LOADER = 'bindings/core/wasm-core.ts';
/** For a test without a measured time. */
const UNKNOWN_MS = 1_000;
/** What it takes to start any test file: little, since files share the modules they load. */
const START_MS = 300;

/** The relative imports of a source text, as paths from the root. */
function importedBy(file, text) {
  return [...text.matchAll(IMPORTS)]
    .map(([, named, dynamic]) => named ?? dynamic)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => posix.normalize(posix.join(posix.dirname(file), specifier)));
}

/** Whether a test names the file, or, unless it is a module, the folder it lies in. */
function isNamedIn(text, file) {
  const folder = posix.dirname(file);
  return (
    text.includes(file) || (!file.endsWith('.ts') && folder.includes('/') && text.includes(`${folder}/`))
  );
}

/** Every unit test from which a changed file is reached, with the number of imports between them. */
function distances(root, sources, changed) {
  const importers = new Map();
  const texts = new Map(sources.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
  for (const [file, text] of texts)
    for (const target of importedBy(file, text))
      importers.set(target, (importers.get(target) ?? new Set()).add(file));

  const distance = new Map(changed.map((file) => [file, 0]));
  if (changed.some((file) => file.startsWith('core-wasm/'))) distance.set(CORE_LOADER, 1);
  if (changed.some((file) => PRODUCT.test(file))) distance.set(HOUSE_RULES, 0);
  for (const [file, text] of texts)
    if (UNIT_TEST.test(file) && !distance.has(file) && changed.some((other) => isNamedIn(text, other)))
      distance.set(file, 1);
  // A Map hands out what is added during the walk too: nearest first, once each.
  for (const [file, steps] of distance)
    for (const importer of importers.get(file) ?? [])
      if (!distance.has(importer)) distance.set(importer, steps + 1);
  return [...distance].filter(([file]) => UNIT_TEST.test(file) && texts.has(file));
}

/** How long each test file took when Vitest ran it last, from Vitest's own record. */
function measuredTimes(root) {
  const folder = join(root, 'node_modules/.vite/vitest');
  const times = new Map();
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    try {
      const { results } = JSON.parse(readFileSync(join(folder, name, 'results.json'), 'utf8'));
      for (const [key, { duration }] of results) times.set(key.replace(/^[^:]*:/, ''), duration);
    } catch {
      // A record that is torn or of another form is as good as none: its tests count as unknown.
    }
  }
  return times;
}

/**
 * The unit tests that changed files concern. What is imported by everything concerns everything: tests are taken from the
 * nearest on while their times of last time add up to `limitMs` of one processor at most; the others are `leftOut`.
 */
export function relatedTests({ root, timesFrom, sources, changed, limitMs }) {
  const times = measuredTimes(timesFrom);
  const costOf = (file) => START_MS + (times.get(file) ?? UNKNOWN_MS);
  const nearest = distances(root, sources, changed).sort(
    ([one, near], [other, far]) => near - far || costOf(one) - costOf(other) || (one < other ? -1 : 1),
  );
  const chosen = [];
  const leftOut = [];
  let spentMs = 0;
  for (const [file] of nearest) {
    const fits = spentMs + costOf(file) <= limitMs;
    if (fits) spentMs += costOf(file);
    (fits ? chosen : leftOut).push(file);
  }
  return { chosen, leftOut };
}
