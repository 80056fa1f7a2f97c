/** The fuzzer's command line; see `--help`. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArguments, USAGE } from './arguments.ts';
import { Mutator } from './mutate.ts';
import { Random } from './random.ts';
import type { Target } from './target.ts';

/** The sources: compiled, this file is in build/test/fuzz, and corpus and crashes are not copied. */
const HOME = fileURLToPath(new URL('../../../test/fuzz/', import.meta.url));
const TARGETS = new URL('./targets/', import.meta.url);
/** The clock is read once in so many executions. */
const BATCH = 50;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function loadTarget(name: string): Promise<Target> {
  const known = readdirSync(TARGETS)
    .filter((file) => file.endsWith('.js'))
    .map((file) => file.slice(0, -3));
  if (!known.includes(name)) throw new Error(`no target '${name}' (there are ${known.join(', ')})`);
  const loaded = (await import(new URL(`${name}.js`, TARGETS).href)) as { target: Target };
  return loaded.target;
}

function readCorpus(name: string): readonly Uint8Array[] {
  const folder = join(HOME, 'corpus', name);
  const files = readdirSync(folder).sort();
  if (files.length === 0) throw new Error(`${folder}: the corpus is empty`);
  return files.map((file) => readFileSync(join(folder, file)));
}

/** Keeps an input that showed a fault, and says how to repeat it. */
function reportFault(target: Target, input: Uint8Array, seed: number, fault: unknown): void {
  const folder = join(HOME, 'crashes');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${target.name}-${seed}.bin`);
  writeFileSync(file, input);
  say(fault instanceof Error ? (fault.stack ?? fault.message) : String(fault));
  say(`fault: ${input.length} octets kept in ${file}`);
  say(`repeat: npm run fuzz -- ${target.name} --input ${file} --seed ${seed}`);
}

async function runOnce(target: Target, input: Uint8Array, seed: number): Promise<boolean> {
  try {
    await target.run(input, new Random(seed));
    return true;
  } catch (fault) {
    reportFault(target, input, seed, fault);
    return false;
  }
}

/** Runs for `seconds`; false if a fault showed. */
async function fuzz(target: Target, seconds: number, seed: number): Promise<boolean> {
  const corpus = readCorpus(target.name);
  const mutator = new Mutator(corpus, target);
  const random = new Random(seed);
  const start = performance.now();
  let executions = 0;
  let octets = 0;
  let elapsedMs = 0;
  let isSound = true;
  for (const input of corpus) isSound &&= await runOnce(target, input, seed);
  while (isSound && elapsedMs < seconds * 1000) {
    for (let turn = 0; isSound && turn < BATCH; turn++) {
      const input = mutator.make(random);
      isSound = await runOnce(target, input, random.next());
      executions++;
      octets += input.length;
    }
    elapsedMs = performance.now() - start;
  }
  const rate = Math.round(executions / (elapsedMs / 1000));
  const peakMiB = Math.round(process.resourceUsage().maxRSS / 1024);
  const total = (octets / 1e6).toFixed(1);
  say(`${executions} executions, ${rate}/s, ${total} MB of input, peak RSS ${peakMiB} MiB`);
  return isSound;
}

async function main(): Promise<number> {
  let target: Target;
  let wanted: ReturnType<typeof readArguments>;
  try {
    wanted = readArguments(process.argv.slice(2));
    if (wanted === undefined) {
      say(USAGE);
      return 0;
    }
    target = await loadTarget(wanted.target);
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return 2;
  }
  const seed = wanted.seed ?? Date.now() % 2 ** 32;
  say(`target ${target.name}, seed ${seed}`);
  if (wanted.input !== undefined) return (await runOnce(target, readFileSync(wanted.input), seed)) ? 0 : 1;
  return (await fuzz(target, wanted.seconds, seed)) ? 0 : 1;
}

process.exitCode = await main();
