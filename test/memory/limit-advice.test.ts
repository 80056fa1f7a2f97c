/** What the log says at the start of limits that are too small. */

import { expect, test } from 'vitest';
import { adviseOnLimits } from '../../host/server/limit-advice.ts';

const GB = 1_073_741_824;
const ENOUGH = {
  descriptors: 1_024,
  placesByDescriptors: 641,
  maxConnections: 641,
  addressSpace: Number.POSITIVE_INFINITY,
  memoryBudget: undefined,
  workers: 2,
  machine: 4 * GB,
};

test('nothing is said of limits that are large enough, or of a budget that is taken from what there is', () => {
  expect(adviseOnLimits(ENOUGH)).toEqual([]);
  expect(adviseOnLimits({ ...ENOUGH, memoryBudget: 0 })).toEqual([]);
  expect(adviseOnLimits({ ...ENOUGH, memoryBudget: GB })).toEqual([]);
});

test.each([
  [{ maxConnections: 642 }, /^1024 descriptors are enough for 641 connections, not for 642: raise /],
  [{ addressSpace: 900 * 1_048_576 }, /^the address space is limited to 900 MB, .*: take the limit away/],
  [{ memoryBudget: 2 * GB }, /^memory_budget lets 2 processes use 4296 MB, and there are 4096: lower it/],
  [{ workers: 1, memoryBudget: 4 * GB }, /^memory_budget lets the process use 4196 MB, and there are 4096/],
])('%j is too small', (limit, advice) => {
  const given = adviseOnLimits({ ...ENOUGH, ...limit });
  expect(given).toHaveLength(1);
  expect(given[0]).toMatch(advice);
});
