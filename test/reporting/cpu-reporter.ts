/**
 * Prints what a run cost in processor time, and which tests cost more than their budget. It only shows: a machine that is slow
 * or busy fails no test.
 */

import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node';
import type {} from './cpu-meter.ts';

/** Of processor time, for a test with its hooks. */
const BUDGET_MS = 40;
const SHOWN = 10;

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const costOf = (test: TestCase): number => test.meta().cpuMs ?? 0;

/** `TEST_CPU=all` lists every test that is over its budget. */
export default class CpuReporter implements Reporter {
  readonly #isAll = process.env['TEST_CPU'] === 'all';
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules
      .flatMap((module) => [...module.children.allTests()])
      .filter((test) => test.meta().cpuMs !== undefined);
    if (tests.length > 0) this.#vitest?.logger.log(report(modules, tests, this.#isAll).join('\n'));
  }
}

function report(modules: readonly TestModule[], tests: readonly TestCase[], isAll: boolean): string[] {
  const { user, system } = process.cpuUsage();
  const files = modules.map((module) => module.meta().fileCpu ?? { beforeMs: 0, loadMs: 0, runMs: 0 });
  const inTests = sum(tests.map(costOf));
  const loading = sum(files.map(({ loadMs }) => loadMs));
  const sharing = sum(files.map(({ runMs }) => runMs)) - inTests;
  const vitest = (user + system) / 1_000 + sum(files.map(({ beforeMs }) => beforeMs));
  const dear = tests.filter((test) => costOf(test) > BUDGET_MS).sort((a, b) => costOf(b) - costOf(a));
  return [
    `   Processor ${seconds(inTests + loading + sharing + vitest)}: tests ${seconds(inTests)}, what tests of a file share ` +
      `${seconds(sharing)}, loading modules ${seconds(loading)}, Vitest ${seconds(vitest)}`,
    `   ${(inTests / tests.length).toFixed(1)} ms for each of ${tests.length} tests; more than ${BUDGET_MS} ms for ${dear.length} ` +
      `(together ${seconds(sum(dear.map(costOf)))})${isAll || dear.length <= SHOWN ? '' : `, the dearest ${SHOWN}:`}`,
    ...dear
      .slice(0, isAll ? undefined : SHOWN)
      .map(
        (test) =>
          `${costOf(test).toFixed(0).padStart(8)} ms  ${test.module.relativeModuleId} > ${test.fullName}`,
      ),
    '',
  ];
}
