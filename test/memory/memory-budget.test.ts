/** The budget by itself: its stages, what it has spilled, what it tells the operator, and its size where nobody says. */

import { describe, expect, test } from 'vitest';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { MemoryBudget, Stage, type Spillable, MemoryReport } from '../../host/memory/memory-budget.ts';
import { budgetFor, connectionsWithin, roomOf } from '../../host/memory/memory-share.ts';
import { NOT_IN_SET } from '../../bindings/timing/dense-set.ts';

const MIB = 1_048_576;

function budgetOf(limit: number): { budget: MemoryBudget; stages: number[] } {
  const stages: number[] = [];
  const budget = new MemoryBudget(({ stage }) => stages.push(stage));
  budget.limit = limit;
  return { budget, stages };
}

class Message implements Spillable {
  listedAt = NOT_IN_SET;
  octetsInMemory: number;
  readonly #budget: MemoryBudget;

  constructor(budget: MemoryBudget, octets: number) {
    this.#budget = budget;
    this.octetsInMemory = octets;
    budget.adjust(octets);
    budget.list(this);
  }

  get isSpilled(): boolean {
    return this.octetsInMemory === 0;
  }

  spill(): void {
    this.#budget.unlist(this);
    this.#budget.adjust(0, this.octetsInMemory);
    this.octetsInMemory = 0;
  }
}

describe('the stages', () => {
  test('come at a half, three quarters, seven eighths and all of it, and go an eighth of that below', () => {
    const { budget, stages } = budgetOf(8_000);
    for (const used of [4_000, 4_001, 6_001, 7_001, 8_001]) budget.adjust(used - budget.used);
    expect(stages).toEqual([Stage.Spill, Stage.Defer, Stage.TurnAway, Stage.Full]);
    for (const used of [7_000, 6_999, 6_125, 6_124, 5_250, 5_249, 3_500, 3_499])
      budget.adjust(used - budget.used);
    expect(stages.slice(4)).toEqual([Stage.TurnAway, Stage.Defer, Stage.Spill, Stage.Ample]);
  });

  test('are skipped where much comes or goes at once', () => {
    const { budget, stages } = budgetOf(8_000);
    budget.adjust(7_500);
    budget.adjust(-7_500);
    expect(stages).toEqual([Stage.TurnAway, Stage.Ample]);
    expect([budget.used, budget.spillsMessages, budget.defersMail, budget.turnsAway]).toEqual([
      0,
      false,
      false,
      false,
    ]);
  });

  test('follow a limit that changes, and there are none without one', () => {
    const { budget } = budgetOf(Number.POSITIVE_INFINITY);
    budget.adjust(10_000);
    expect(budget.stage).toBe(Stage.Ample);
    budget.limit = 8_000;
    expect(budget.isFull).toBe(true);
    budget.limit = Number.POSITIVE_INFINITY;
    expect(budget.stage).toBe(Stage.Ample);
  });
});

describe('messages in memory', () => {
  test('are spilled from the largest on until enough will be free', () => {
    const { budget } = budgetOf(8_000);
    const [small, large, middling] = [600, 1_500, 1_000].map((octets) => new Message(budget, octets));
    budget.adjust(950);
    expect([small, middling, large].map((message) => message!.isSpilled)).toEqual([false, false, true]);
    expect(budget.stage).toBe(Stage.Spill);
    budget.adjust(-1_500, -1_500);
    expect(budget.stage).toBe(Stage.Ample);
  });

  test('that came later are spilled in their turn, though the stage is the same', () => {
    const { budget, stages } = budgetOf(8_000);
    budget.adjust(3_000);
    const messages = [1_200, 1_100, 300, 200].map((octets) => new Message(budget, octets));
    expect(stages).toEqual([Stage.Spill]);
    expect(messages.map((message) => message.isSpilled)).toEqual([true, true, false, false]);
  });

  test('that went are not asked', () => {
    const { budget } = budgetOf(8_000);
    const message = new Message(budget, 3_000);
    budget.unlist(message);
    budget.unlist(message);
    budget.adjust(2_000);
    expect(message.isSpilled).toBe(false);
  });
});

describe('the operator', () => {
  function reported(): { budget: MemoryBudget; lines: string[]; pass: (ms: number) => void } {
    const lines: string[] = [];
    let now = 0;
    const log = { log: (level: LogLevel, text: string) => void lines.push(`${level} ${text}`) };
    const report = new MemoryReport(
      () => log,
      () => now,
    );
    const budget = new MemoryBudget((changed) => report.tell(changed));
    budget.limit = 8 * MIB;
    return { budget, lines, pass: (ms) => (now += ms) };
  }

  test('is told of each stage once, and of the end of it all', () => {
    const { budget, lines } = reported();
    for (const used of [5, 6.5, 7.5, 9, 6.5, 1]) budget.adjust(used * MIB - budget.used);
    expect(lines).toEqual([
      `${LogLevel.NOTICE} memory: clients take up 5.0 of 8.0 MiB: messages go to disk`,
      expect.stringMatching(/^4 memory: clients take up 6\.5 of 8\.0 MiB: new mail is deferred \(/),
      expect.stringMatching(/^1 memory: clients take up 7\.5 of 8\.0 MiB: new connections are turned away/),
      expect.stringMatching(
        /^1 memory: clients take up 9\.0 .*: messages that cannot go to disk are deferred/,
      ),
      `${LogLevel.NOTICE} memory: clients take up 1.0 of 8.0 MiB: everybody is served again`,
    ]);
  });

  test('is not told again of what comes and goes all the time', () => {
    const { budget, lines, pass } = reported();
    for (let round = 0; round < 1_000; round++) {
      budget.adjust(7.5 * MIB);
      budget.adjust(-7.5 * MIB);
    }
    expect(lines.map((line) => line.slice(0, 2))).toEqual(['1 ', '5 ']);
    pass(60_000);
    budget.adjust(7.5 * MIB);
    expect(lines).toHaveLength(3);
  });
});

describe('where nobody has set it', () => {
  const GIB = 1_024 * MIB;

  test('it is the least of a share of the heap and of the machine, which the workers divide', () => {
    expect(budgetFor({ heap: 560 * MIB, machine: 64 * GIB, workers: 1 })).toBe(248 * MIB);
    expect(budgetFor({ heap: 4 * GIB, machine: GIB, workers: 1 })).toBe(256 * MIB);
    expect(budgetFor({ heap: 4 * GIB, machine: GIB, workers: 4 })).toBe(64 * MIB);
    expect(budgetFor({ heap: 80 * MIB, machine: GIB, workers: 1 })).toBe(10 * MIB);
  });

  test('this machine has room for somebody, and connections fit into half of it', () => {
    const budget = budgetFor(roomOf(2));
    expect(budget).toBeGreaterThan(MIB);
    expect(budget).toBeLessThan(roomOf(2).machine / 8 + 1);
    expect(connectionsWithin(128 * MIB)).toBe(8_192);
    expect(connectionsWithin(1)).toBe(1);
    expect(connectionsWithin(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
  });
});
