/** What messages tell the memory budget, and what becomes of them where it is short. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Content } from '../../host/message/content.ts';
import { MemoryBudget } from '../../host/memory/memory-budget.ts';
import { eventually } from '../config/scratch.ts';
import { collect, folder, spoolIn } from './folder.ts';

const KIB = 1_024;

function budgetOf(limit: number): MemoryBudget {
  const memory = new MemoryBudget();
  memory.limit = limit;
  return memory;
}

/** A block with memory of its own. */
const block = (octets: number): Buffer => Buffer.alloc(octets, 'x');

describe('what a message tells the budget', () => {
  it('is the whole buffer that a view keeps alive, once', () => {
    const memory = budgetOf(Infinity);
    const content = new Content({ sizeThreshold: Infinity, spool: undefined, memory });
    const chunk = block(64 * KIB);
    content.append(chunk.subarray(65_000, 65_010));
    expect(memory.used).toBe(64 * KIB);
    content.append(chunk.subarray(0, 4 * KIB));
    expect(memory.used).toBe(64 * KIB);
    void content.discard();
    expect(memory.used).toBe(0);
  });

  it('is whole slabs, so one octet per packet is no way round it', () => {
    const memory = budgetOf(Infinity);
    const content = new Content({ sizeThreshold: Infinity, spool: undefined, memory });
    for (let i = 0; i < 5_000; i++) content.append(block(1));
    // The first octet, in a buffer of its own; a first slab of 4 KiB, and one as large as what was there.
    expect(memory.used).toBeGreaterThanOrEqual(8 * KIB);
    expect(memory.used).toBeLessThan(10 * KIB);
    void content.discard();
    expect(memory.used).toBe(0);
  });

  it('goes to zero on every way out, whatever came before', async () => {
    const path = folder();
    const step = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), octets: fc.integer({ min: 1, max: 90_000 }) }),
      fc.constantFrom(
        { kind: 'finish' as const },
        { kind: 'read' as const },
        { kind: 'divert' as const },
        { kind: 'spill' as const },
        { kind: 'wait' as const },
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 12 }),
        fc.constantFrom(0, 20_000, 200_000, Infinity),
        fc.constantFrom(50_000, 300_000, Infinity),
        fc.boolean(),
        async (steps, sizeThreshold, limit, hasSpool) => {
          const memory = budgetOf(limit);
          const { spool } = spoolIn(path);
          const content = new Content({ sizeThreshold, spool: hasSpool ? spool : undefined, memory });
          for (const { kind, ...rest } of steps) {
            if (kind === 'append') content.append(block((rest as { octets: number }).octets));
            else if (kind === 'finish') await content.finish();
            else if (kind === 'spill') content.spill();
            else if (kind === 'wait') await content.drained();
            else if (content.failure === undefined && kind === 'read') content.leading(1_000);
            else if (content.failure === undefined) {
              await content.divert(0, { write: () => undefined, drained: () => undefined }, true);
            }
            expect(memory.used).toBeGreaterThanOrEqual(0);
          }
          await content.discard();
          await content.discard();
          expect(memory.used).toBe(0);
        },
      ),
      { numRuns: 120 },
    );
  });

  it('goes to zero when a write fails, and when the message is discarded inside a write', async () => {
    const memory = budgetOf(Infinity);
    const { spool } = spoolIn('/nowhere/at/all');
    const failing = new Content({ sizeThreshold: 0, spool, memory });
    failing.append(block(100_000));
    await failing.finish();
    expect(failing.failure).toMatchObject({ code: 'Q_DELIVERY' });
    void failing.discard();
    expect(memory.used).toBe(0);

    const { spool: good } = spoolIn(folder());
    const writing = new Content({ sizeThreshold: 0, spool: good, memory });
    writing.append(block(100_000));
    const gone = writing.discard();
    await gone;
    expect(memory.used).toBe(0);
  });

  it('holds for content that goes on to a hop: what the hop does not take counts, and nothing else', async () => {
    const memory = budgetOf(Infinity);
    const content = new Content({ sizeThreshold: Infinity, spool: undefined, memory });
    content.append(block(50_000));
    let release: () => void = () => undefined;
    const sink = {
      isFull: false,
      write: () => undefined,
      drained: () => (sink.isFull ? new Promise<void>((resolve) => (release = resolve)) : undefined),
    };
    await content.divert(0, sink, false);
    expect(content.drained()).toBeUndefined();
    expect(memory.used).toBe(0);
    sink.isFull = true;
    content.append(block(30_000));
    const drained = content.drained();
    expect(memory.used).toBe(30_000);
    release();
    await drained;
    expect(memory.used).toBe(0);
  });
});

describe('where memory is short', () => {
  it('the largest message goes to disk though its client keeps silent, and stays whole', async () => {
    const memory = budgetOf(400 * KIB);
    const { spool } = spoolIn(folder());
    const keeping = { sizeThreshold: Infinity, spool, memory };
    const silent = new Content(keeping);
    // Not from the pool of Node, whose size counts with it and differs from one Node to the next.
    silent.append(Buffer.alloc(14, 'Subject: x\r\n\r\n'));
    for (let i = 0; i < 3; i++) silent.append(block(50_000));
    const small = new Content(keeping);
    small.append(block(20_000));
    expect([silent.isSpooled, small.isSpooled]).toEqual([false, false]);
    memory.adjust(50_000);
    expect([silent.isSpooled, small.isSpooled]).toEqual([true, false]);
    await silent.finish();
    expect((await collect(silent.from(0))).length).toBe(150_014);
    expect(memory.used).toBeLessThan(200 * KIB);
    await Promise.all([silent.discard(), small.discard()]);
    expect(memory.used).toBe(50_000);
  });

  it('a message goes to disk before size_threshold, and its backlog waits at 64 KiB', async () => {
    const memory = budgetOf(1_000 * KIB);
    memory.adjust(600 * KIB);
    const { spool } = spoolIn(folder());
    const content = new Content({ sizeThreshold: 1_048_576, spool, memory });
    content.append(block(10_000));
    expect(content.isSpooled).toBe(false);
    content.append(block(60_000));
    expect(content.isSpooled).toBe(true);
    const drained = content.drained();
    expect(drained).toBeDefined();
    await drained;
    await content.finish();
    await content.discard();
    expect(memory.used).toBe(600 * KIB);
  });

  it('size_threshold still bounds each message where memory is ample', () => {
    const memory = budgetOf(10_000 * KIB);
    const { spool } = spoolIn(folder());
    const content = new Content({ sizeThreshold: 30_000, spool, memory });
    content.append(block(29_999));
    expect(content.isSpooled).toBe(false);
    content.append(block(1));
    expect(content.isSpooled).toBe(true);
    return content.discard();
  });

  it('a message that cannot go to disk is given up, and its memory is back at once', async () => {
    const memory = budgetOf(100 * KIB);
    const content = new Content({ sizeThreshold: Infinity, spool: undefined, memory });
    content.append(block(60 * KIB));
    expect(content.failure).toBeUndefined();
    content.append(block(60 * KIB));
    expect(content.failure).toMatchObject({ code: 'Q_MEMORY' });
    expect(memory.used).toBe(0);
    content.append(block(60 * KIB));
    expect(memory.used).toBe(0);
    expect(() => content.from(0)).toThrow(expect.objectContaining({ code: 'Q_MEMORY' }));
    await eventually(() => memory.stage, 0);
  });
});
