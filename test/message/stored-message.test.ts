import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataFlag, HeaderFlag, MAX_HEADER_FIELDS, MAX_HEADER_OCTETS } from '../../bindings/core/contract.ts';
import { StoredMessage } from '../../host/message/stored-message.ts';
import type { ContentOptions } from '../../host/message/content.ts';
import { core } from './core.ts';
import { collect, cut, folder, spoolIn } from './folder.ts';

const inMemory: ContentOptions = { sizeThreshold: Infinity, spool: undefined };

async function store(blocks: readonly Buffer[], keeping = inMemory): Promise<StoredMessage> {
  const message = new StoredMessage(core, keeping);
  for (const block of blocks) message.content.append(block);
  await message.complete(0, 0);
  return message;
}

/** What Unix mailboxes keep, the slow way. */
const withLf = (text: Buffer): string => text.toString('latin1').replaceAll('\r\n', '\n');

const parts = fc.array(fc.constantFrom('\r\n', '\r', '\n', 'Subject: x', 'a', ' ', '\r\n\r\n'), {
  maxLength: 40,
});
const cuts = fc.array(fc.nat(), { maxLength: 60 });

describe('a stored message', () => {
  it.each([
    ['in memory', Infinity],
    ['on disk', 20],
  ])(
    '%s is read with CRLF or LF, whole or its body alone, wherever blocks were cut',
    async (_, sizeThreshold) => {
      const { spool } = spoolIn(folder());
      await fc.assert(
        fc.asyncProperty(parts, cuts, async (pieces, positions) => {
          const whole = Buffer.from(pieces.join(''));
          const message = await store(cut(whole, positions), { sizeThreshold, spool });
          const separator = /(?<=^|\n)\r?\n/.exec(whole.toString());
          const body = separator === null ? Buffer.alloc(0) : whole.subarray(separator.index);
          expect((await collect(message.blocks('crlf'))).equals(whole)).toBe(true);
          expect((await collect(message.blocks('lf'))).toString()).toBe(withLf(whole));
          expect((await collect(message.body('crlf'))).equals(body)).toBe(true);
          expect((await collect(message.body('lf'))).toString()).toBe(withLf(body));
          await message.discard();
        }),
        { numRuns: 150 },
      );
    },
  );

  it('needs no promise to be read while it is in memory', async () => {
    const message = await store([Buffer.from('A: b\r\n\r\nc\r\n')]);
    message.header.prepend('X', 'y');
    const blocks = message.blocks('lf') as Iterable<Buffer>;
    expect(Buffer.concat([...blocks]).toString()).toBe('X: y\nA: b\n\nc\n');
  });

  it('reads in blocks of at most 64 KiB, a large header and large received blocks included', async () => {
    const whole = Buffer.from(`A: ${'x'.repeat(150_000)}\r\n\r\n${'y'.repeat(150_000)}\r\n`);
    for (const lineEnds of ['lf', 'crlf'] as const) {
      const message = await store([whole]);
      const blocks = [...(message.blocks(lineEnds) as Iterable<Buffer>)];
      expect(Math.max(...blocks.map((block) => block.length))).toBe(65_536);
    }
  });

  it('has the header of a spooled message at hand without reading the file', async () => {
    const path = folder();
    const header = `Subject: found\r\n${'X-Fill: 0123456789\r\n'.repeat(300)}`;
    const whole = Buffer.from(`${header}\r\n${'body\r\n'.repeat(20_000)}`);
    const message = await store(cut(whole, [1, 50, 3_000, 9_000, 70_000]), {
      sizeThreshold: 2,
      spool: spoolIn(path).spool,
    });
    expect(message.content.isSpooled).toBe(true);
    expect(message.header.get('subject')).toBe('found');
    expect(message.header.count('x-fill')).toBe(300);
    message.header.prepend('X-Top', '1');
    expect((await collect(message.blocks('crlf'))).toString()).toBe(`X-Top: 1\r\n${whole.toString()}`);
    await message.discard();
  });

  it('can have its header read as soon as that has ended, and not before', async () => {
    const message = new StoredMessage(core, inMemory);
    message.content.append(Buffer.from('Subject: early\r\n'));
    expect(message.headerEnds()).toBe(false);
    expect(() => message.header).toThrow(expect.objectContaining({ code: 'Q_NO_MESSAGE' }));
    message.content.append(Buffer.from('\r'));
    expect(message.headerEnds()).toBe(false);
    message.content.append(Buffer.from('\nbo'));
    expect(message.headerEnds()).toBe(true);
    expect(message.header.get('subject')).toBe('early');
    message.header.prepend('X', 'y');
    message.content.append(Buffer.from('dy'));
    message.complete(0, 0);
    expect((await collect(message.blocks('crlf'))).toString()).toBe('X: y\r\nSubject: early\r\n\r\nbody');
  });

  it('tells what the core saw in it', () => {
    const message = new StoredMessage(core, inMemory);
    message.content.append(Buffer.from('abc'));
    expect(message.complete(DataFlag.Nul, 3)).toBeUndefined();
    expect(message).toMatchObject({ octets: 3, hasNul: true, hasEightBit: false, longestLine: 3 });
    expect(message.headerState & HeaderFlag.Unfinished).not.toBe(0);
  });

  it('says when the header has fields nobody looked at, and still gives every octet back', async () => {
    const short = await store([Buffer.from('A: b\r\n')]);
    expect(short.isHeaderWhole).toBe(true);
    const many = Buffer.from(`${'A: b\r\n'.repeat(MAX_HEADER_FIELDS + 1)}\r\nx`);
    const large = Buffer.from(`${'A: bcdefghijklmnop\r\n'.repeat(MAX_HEADER_OCTETS / 20 + 10)}\r\nx`);
    const onDisk = { sizeThreshold: 9, spool: spoolIn(folder()).spool };
    for (const [whole, keeping] of [many, large].flatMap((text) => [
      [text, inMemory] as const,
      [text, onDisk] as const,
    ])) {
      const message = await store(cut(whole, [70_000, 140_000, MAX_HEADER_OCTETS - 1]), keeping);
      expect(message.isHeaderWhole).toBe(false);
      expect((await collect(message.blocks('crlf'))).equals(whole)).toBe(true);
      expect((await collect(message.blocks('lf'))).toString()).toBe(withLf(whole));
      await message.discard();
    }
  });
});
