import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

/** Each has a process of its own; the reason stands beside it. */
const ALONE = [
  // Replaces modules, which the files before it have loaded.
  'test/plugins/hand-over.test.ts',
  // The flight record is one for the process, and must be empty at the start.
  'test/process/heartbeat-monitor.test.ts',
  // Counts the files that the process has open.
  'test/delivery/maildir.test.ts',
];

export default defineConfig({
  test: {
    // Only a hang lasts as long: a test must not depend on how fast the machine is, nor on what else it does.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
    // One more than processors: half the time tests wait, for a clock or for a process they started.
    maxWorkers: availableParallelism() + 1,
    setupFiles: ['test/reporting/cpu-meter.ts'],
    reporters: ['default', './test/reporting/cpu-reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, 'test/integration/**', ...ALONE],
          // To load the modules anew for each file took a third of the time.
          isolate: false,
        },
      },
      // After the others: a worker that is shared would end to make room.
      { extends: true, test: { name: 'alone', include: ALONE, sequence: { groupOrder: 1 } } },
    ],
  },
});
