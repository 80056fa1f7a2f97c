/** Slabs that serve one message after the other, and what must never come of that. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Content } from '../../host/message/content.ts';
import { SLAB_OCTETS, SlabPool } from '../../host/message/slab-pool.ts';

const inMemory = { sizeThreshold: Infinity, spool: undefined };
const READ = 65_536;

/** Appends reads out of one buffer that is overwritten after each of them, as the session does where it may. */
function fill(content: Content, letters: string): void {
  const shared = Buffer.alloc(READ);
  for (const letter of letters) {
    shared.fill(letter);
    content.append(content.isCopying ? shared : Buffer.from(shared));
    shared.fill('!');
  }
  content.finish();
}

const read = (content: Content): Buffer[] => [...(content.from(0) as Iterable<Buffer>)];
const lettersOf = (blocks: readonly Buffer[]): string =>
  Buffer.concat(blocks)
    .latin1Slice()
    .replace(/(.)\1*/g, '$1');

describe('a slab pool', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('hands out what came back, and keeps no more than it may', () => {
    const pool = new SlabPool(2, 1_000);
    const slabs = [pool.take(), pool.take(), pool.take()];
    expect(slabs.every(({ length }) => length === SLAB_OCTETS)).toBe(true);
    pool.giveBack(slabs);
    expect(pool.free).toBe(2);
    expect([slabs[0], slabs[1]]).toContain(pool.take());
  });

  it('lets go of slabs that nobody needed, and keeps those in use', () => {
    const pool = new SlabPool(8, 1_000);
    pool.giveBack([pool.take(), pool.take(), pool.take()]);
    vi.advanceTimersByTime(1_000);
    expect(pool.free).toBe(3);
    pool.giveBack([pool.take()]);
    vi.advanceTimersByTime(1_000);
    expect(pool.free).toBe(1);
    vi.advanceTimersByTime(1_000);
    expect(pool.free).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('the slabs of long messages', () => {
  it('hold what was appended, whatever becomes of the memory it came in', () => {
    const content = new Content(inMemory);
    fill(content, 'abcdefgh');
    expect(content.octets).toBe(8 * READ);
    expect(lettersOf(read(content))).toBe('abcdefgh');
  });

  it('take what is copied in short pieces, too, once as much is there as one of them holds', () => {
    const piece = Buffer.alloc(1_024, 'x');
    const taken = vi.spyOn(SlabPool.prototype, 'take');
    const content = new Content(inMemory);
    for (let octets = 0; octets < SLAB_OCTETS - 1_024; octets += 1_024) content.append(piece);
    expect(taken).not.toHaveBeenCalled();
    for (let octets = 0; octets < 32 * 1_024; octets += 1_024) content.append(piece);
    expect(taken).toHaveBeenCalledTimes(1);
    taken.mockRestore();
    content.discard();
  });

  it('serve the next message after one that nobody has read', () => {
    const first = new Content(inMemory);
    fill(first, 'abcdefgh');
    first.discard();
    const fresh = vi.spyOn(Buffer, 'allocUnsafeSlow');
    const second = new Content(inMemory);
    fill(second, 'ijklmnop');
    expect(fresh).not.toHaveBeenCalled();
    fresh.mockRestore();
    expect(lettersOf(read(second))).toBe('ijklmnop');
  });

  it('never serve another message once somebody has asked for them, before or after the end', () => {
    const first = new Content(inMemory);
    fill(first, 'abcdef');
    const early = read(first);
    fill(first, 'gh');
    const all = read(first);
    first.discard();
    for (let count = 0; count < 3; count++) {
      const next = new Content(inMemory);
      fill(next, 'ABCDEFGHIJ');
      next.discard();
    }
    expect(lettersOf(early)).toBe('abcdef');
    expect(lettersOf(all)).toBe('abcdefgh');
  });

  it('are not given back twice', () => {
    const first = new Content(inMemory);
    fill(first, 'abcdefgh');
    first.discard();
    first.discard();
    const [second, third] = [new Content(inMemory), new Content(inMemory)];
    fill(second, 'ABCDEFGH');
    fill(third, 'ijklmnop');
    expect(lettersOf(read(second))).toBe('ABCDEFGH');
    expect(lettersOf(read(third))).toBe('ijklmnop');
  });
});
