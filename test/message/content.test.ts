import {
  chmodSync,
  lstatSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_HEADER_OCTETS } from '../../bindings/core/contract.ts';
import { Content } from '../../host/message/content.ts';
import { collect, cut, folder, spoolIn } from './folder.ts';
import { withoutRoot } from '../without-root.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const inMemory = { sizeThreshold: Infinity, spool: undefined };
const octets = fc.uint8Array({ maxLength: 9_000 }).map((array) => Buffer.from(array));
const cuts = fc.array(fc.nat(), { maxLength: 40 });

/** In a function of its own, so that no variable of the test holds on to the body. */
function appendBody(content: Content, octet: number): WeakRef<ArrayBufferLike> {
  const body = Buffer.alloc(10_000, octet);
  content.append(body);
  return new WeakRef(body.buffer);
}

describe('content in memory', () => {
  it('gives back the octets that came in, however they were cut', async () => {
    await fc.assert(
      fc.asyncProperty(octets, cuts, fc.nat(9_000), async (whole, positions, from) => {
        const content = new Content(inMemory);
        for (const block of cut(whole, positions)) content.append(block);
        expect(content.octets).toBe(whole.length);
        expect(content.finish()).toBeUndefined();
        expect(content.leading(from).equals(whole.subarray(0, from))).toBe(true);
        expect((await collect(content.from(from))).equals(whole.subarray(from))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('keeps one octet per packet in slabs: a few blocks, and no more memory than twice the octets', () => {
    const content = new Content(inMemory);
    const chunk = Buffer.alloc(65_536, 'x');
    for (let i = 0; i < 100_000; i++) content.append(chunk.subarray(i % 65_536, (i % 65_536) + 1));
    const blocks = [...(content.from(0) as Iterable<Buffer>)];
    const memory = new Set(blocks.slice(1).map((block) => block.buffer));
    const held = [...memory].reduce((sum, buffer) => sum + buffer.byteLength, 0);
    expect(content.octets).toBe(100_000);
    expect(blocks.length).toBeLessThan(12);
    expect(held).toBeLessThan(2 * 100_000 + 4_096);
    expect(memory.has(chunk.buffer)).toBe(false);
  });

  it('keeps large blocks as they are, without a copy', () => {
    const content = new Content(inMemory);
    const blocks = [Buffer.alloc(5_000, 'a'), Buffer.alloc(2_048, 'b')];
    for (const block of blocks) content.append(block);
    expect([...(content.from(0) as Iterable<Buffer>)].every((block, i) => block === blocks[i])).toBe(true);
  });

  it('fails a reader that comes after discard, and serves one that began before', async () => {
    const content = new Content(inMemory);
    content.append(Buffer.from('all of it'));
    const reader = content.from(0);
    expect(content.discard()).toBeUndefined();
    expect(content.discard()).toBeUndefined();
    expect((await collect(reader)).toString()).toBe('all of it');
    expect(() => content.from(0)).toThrow(expect.objectContaining({ code: 'Q_NO_MESSAGE' }));
    expect(() => content.leading(1)).toThrow(expect.objectContaining({ code: 'Q_NO_MESSAGE' }));
  });
});

describe('the end of the header', () => {
  const lines = fc.array(fc.constantFrom('\r\n', '\n', '\r', 'a', 'b: c', ' '), { maxLength: 12 });

  it('is the first empty line, ended by CRLF or LF, wherever blocks are cut', () => {
    fc.assert(
      fc.property(lines, cuts, fc.boolean(), (parts, positions, asksOften) => {
        const text = parts.join('');
        const content = new Content(inMemory);
        for (const block of cut(Buffer.from(text), positions)) {
          content.append(block);
          if (asksOften) content.headerEnds();
        }
        const found = /(?<=^|\n)\r?\n/.exec(text);
        expect(content.headerEnd()).toBe(found?.index ?? -1);
        expect(content.headerEnds()).toBe(found !== null);
      }),
      { numRuns: 500 },
    );
  });

  it('is given up after the largest header, so that every octet is looked at once', () => {
    const content = new Content(inMemory);
    content.append(Buffer.alloc(MAX_HEADER_OCTETS - 1, 'x'));
    expect(content.headerEnds()).toBe(false);
    content.append(Buffer.from('x\r\n\r\n'));
    expect(content.headerEnds()).toBe(true);
    expect(content.headerEnd()).toBe(-1);
  });
});

describe('content on disk', () => {
  it('gives back the octets that came in, from any place, and keeps the leading ones at hand', async () => {
    const path = folder();
    const { spool } = spoolIn(path);
    await fc.assert(
      fc.asyncProperty(
        octets,
        cuts,
        fc.nat(9_000),
        fc.nat(3_000),
        async (whole, positions, from, threshold) => {
          const content = new Content({ sizeThreshold: threshold, spool });
          for (const block of cut(whole, positions)) content.append(block);
          await content.finish();
          expect(content.failure).toBeUndefined();
          expect(content.isSpooled).toBe(whole.length > 0 && whole.length >= threshold);
          expect((await collect(content.from(from))).equals(whole.subarray(from))).toBe(true);
          const end = content.headerEnd();
          const header = end < 0 ? whole : whole.subarray(0, end);
          expect(content.leading(header.length).equals(header)).toBe(true);
          await content.discard();
          expect(readdirSync(path)).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is a file of mode 0600 named EPOCH:PID:N, and no file below the threshold', async () => {
    const path = folder();
    const { spool } = spoolIn(path);
    const content = new Content({ sizeThreshold: 10, spool });
    content.append(Buffer.from('123456789'));
    expect(content.isSpooled).toBe(false);
    expect(content.finish()).toBeUndefined();
    expect(readdirSync(path)).toEqual([]);
    content.append(Buffer.from('0'));
    await content.finish();
    expect(readdirSync(path)).toEqual([expect.stringMatching(`^1795354336:${process.pid}:\\d+$`)]);
    expect(lstatSync(join(path, readdirSync(path)[0]!)).mode & 0o777).toBe(0o600);
    await content.discard();
  });

  it('lets go of the body in memory once the header has ended', async () => {
    const { spool } = spoolIn(folder());
    const content = new Content({ sizeThreshold: 1, spool });
    content.append(Buffer.from('Subject: x\r\n\r\n'));
    for (let i = 0; i < 100; i++) content.append(Buffer.alloc(10_000, i));
    await content.finish();
    expect(content.leading(Infinity).length).toBe(14);
    expect((await collect(content.from(14))).length).toBe(1_000_000);
    await content.discard();
  });

  it('lets go of a body that came before the threshold, too', async () => {
    const { spool } = spoolIn(folder());
    const content = new Content({ sizeThreshold: 90_000, spool });
    content.append(Buffer.from(`Subject: x\r\n${'A: b\r\n'.repeat(1_000)}`));
    content.append(Buffer.from(`\r\n${'x'.repeat(3_000)}`));
    const bodies = Array.from({ length: 10 }, (_, i) => appendBody(content, i));
    await content.finish();
    await new Promise((next) => setImmediate(next));
    collectGarbage();
    expect(bodies.filter((body) => body.deref() !== undefined)).toEqual([]);
    expect(content.leading(Infinity).length).toBe(12 + 6_000 + 3_002);
    expect((await collect(content.from(0))).length).toBe(12 + 6_000 + 3_002 + 100_000);
    await content.discard();
  });

  it('reads in fresh blocks of at most 64 KiB, also while more is to be written', async () => {
    const { spool } = spoolIn(folder());
    const content = new Content({ sizeThreshold: 0, spool });
    for (let i = 0; i < 40; i++) content.append(Buffer.alloc(50_000, i));
    const sizes: number[] = [];
    for await (const block of content.from(0)) sizes.push(block.length);
    expect(Math.max(...sizes)).toBe(65_536);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(2_000_000);
    await content.discard();
  });

  it('asks for a pause above 1 MiB of backlog and ends it when that is written', async () => {
    const { spool } = spoolIn(folder());
    const content = new Content({ sizeThreshold: 0, spool });
    content.append(Buffer.alloc(1_000_000));
    expect(content.drained()).toBeUndefined();
    content.append(Buffer.alloc(100_000));
    expect(content.backlogOctets).toBe(1_100_000);
    const drained = content.drained();
    expect(drained).toBeInstanceOf(Promise);
    expect(content.drained()).toBe(drained);
    await drained;
    expect(content.backlogOctets).toBeLessThanOrEqual(524_288);
    await content.discard();
  });

  it('never takes over a file or symbolic link of the same name', async () => {
    const path = folder();
    const victim = join(folder(), 'victim');
    writeFileSync(victim, 'precious');
    symlinkSync(victim, join(path, `1795354336:${process.pid}:0`));
    writeFileSync(join(path, `1795354336:${process.pid}:1`), 'left over');
    const content = new Content({ sizeThreshold: 0, spool: spoolIn(path).spool });
    content.append(Buffer.from('new'));
    await content.finish();
    expect(content.failure).toBeUndefined();
    await content.discard();
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(readdirSync(path)).toHaveLength(2);
  });
});

describe('discard', () => {
  it.each([
    ['right after the first octets', (): void => undefined],
    ['while the file is being opened', async (): Promise<void> => Promise.resolve()],
    ['while a write is in flight', async (): Promise<void> => new Promise((next) => setImmediate(next))],
  ])('%s leaves no file', async (_, pause) => {
    const path = folder();
    const content = new Content({ sizeThreshold: 0, spool: spoolIn(path).spool });
    content.append(Buffer.alloc(900_000));
    await pause();
    content.append(Buffer.alloc(900_000));
    const drained = content.drained();
    const first = content.discard();
    expect(content.discard()).toBe(first);
    content.append(Buffer.from('too late'));
    await drained;
    await first;
    expect(content.failure).toBeUndefined();
    expect(readdirSync(path)).toEqual([]);
  });

  it('ends a reader with an error, never with half a message', async () => {
    const content = new Content({ sizeThreshold: 0, spool: spoolIn(folder()).spool });
    content.append(Buffer.alloc(300_000));
    const reader = (content.from(0) as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    expect((await reader.next()).value).toHaveLength(65_536);
    await content.discard();
    await expect(reader.next()).rejects.toMatchObject({ code: 'Q_NO_MESSAGE' });
  });

  it('tells the log when the file is gone already', async () => {
    const path = folder();
    const { spool, warnings } = spoolIn(path);
    const content = new Content({ sizeThreshold: 0, spool });
    content.append(Buffer.from('x'));
    await content.finish();
    unlinkSync(join(path, readdirSync(path)[0]!));
    await content.discard();
    expect(warnings).toEqual([expect.stringMatching(/can't remove spool file .*ENOENT/)]);
  });
});

describe('a disk that fails', () => {
  it('is remembered as a failure; later octets are dropped at once and nothing rejects', async () => {
    const { spool } = spoolIn(join(folder(), 'missing', 'too'));
    const content = new Content({ sizeThreshold: 0, spool });
    content.append(Buffer.alloc(2_000_000));
    await content.drained();
    expect(content.failure).toMatchObject({ code: 'Q_DELIVERY', cause: { code: 'ENOENT' } });
    content.append(Buffer.alloc(100));
    expect(content.octets).toBe(2_000_000);
    expect(content.backlogOctets).toBe(0);
    expect(content.finish()).toBeUndefined();
    await expect(collect(content.from(0))).rejects.toBe(content.failure);
    await content.discard();
  });

  it('that may not be written to (EACCES) is a failure', async () => {
    const path = folder();
    chmodSync(path, 0o500);
    await withoutRoot(path, async () => {
      const content = new Content({ sizeThreshold: 0, spool: spoolIn(path).spool });
      content.append(Buffer.from('x'));
      await content.finish();
      expect(content.failure).toMatchObject({ cause: { code: 'EACCES' } });
    });
    chmodSync(path, 0o700);
  });
});
