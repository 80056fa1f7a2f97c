import { readdirSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Content } from '../../host/message/content.ts';
import { appendWhole, writeAll } from '../../host/message/write-all.ts';
import { spoolIn } from './folder.ts';
import { smallDisk } from './small-disk.ts';

describe('writing', () => {
  it('brings the error of a full device', async () => {
    const handle = await open('/dev/full', 'w');
    await expect(writeAll(handle, [Buffer.from('a'), Buffer.from('b')])).rejects.toMatchObject({
      code: 'ENOSPC',
    });
    await handle.close();
  });

  it('goes on after every short write, at the right place', async () => {
    const blocks = fc.array(
      fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array)),
      { maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(blocks, fc.integer({ min: 1, max: 15 }), fc.boolean(), async (all, most, isPlaced) => {
        const file = Buffer.alloc(300);
        let end = 0;
        const writev = (parts: readonly Buffer[], position?: number): Promise<{ bytesWritten: number }> => {
          const taken = Buffer.concat(parts).subarray(0, most);
          taken.copy(file, position ?? end);
          end += taken.length;
          return Promise.resolve({ bytesWritten: taken.length });
        };
        const whole = Buffer.concat(all);
        const octets = await writeAll({ writev } as unknown as FileHandle, all, isPlaced ? 0 : undefined);
        expect(octets).toBe(whole.length);
        expect(file.subarray(0, end).equals(whole)).toBe(true);
      }),
    );
  });
});

/** A file that takes `most` octets at a time, where another process appends `other` after each write. */
function shortFile(most: number, other = ''): { handle: FileHandle; text: () => string } {
  let text = '';
  const take = (octets: Buffer): Promise<{ bytesWritten: number }> => {
    const taken = octets.subarray(0, most);
    text += String(taken) + other;
    return Promise.resolve({ bytesWritten: taken.length });
  };
  const handle = { write: take, writev: ([first]: readonly Buffer[]) => take(first!) };
  return { handle: handle as unknown as FileHandle, text: () => text };
}

describe('writing that gets nowhere', () => {
  it('fails instead of trying for ever', async () => {
    await expect(writeAll(shortFile(0).handle, [Buffer.from('abc')])).rejects.toMatchObject({
      code: 'ENOSPC',
    });
  });

  it('fails a line that never fits in one piece, and puts no two halves together', async () => {
    const { handle, text } = shortFile(3, '\nother\n');
    await expect(appendWhole(handle, Buffer.from('\nline\n'))).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(text().split('\n')).not.toContain('line');
    expect(
      text()
        .split('\n')
        .filter((line) => line === 'other').length,
    ).toBeGreaterThan(1);
  });

  it('writes a line once where it fits', async () => {
    const { handle, text } = shortFile(100);
    await appendWhole(handle, Buffer.from('\nline\n'));
    expect(text()).toBe('\nline\n');
  });
});

describe('a full disk', () => {
  it('fails the message with Q_DISK_FULL, lets the session go on, and leaves no file', async () => {
    const path = smallDisk();
    const content = new Content({ sizeThreshold: 1_000, spool: spoolIn(path).spool });
    for (let i = 0; i < 20; i++) content.append(Buffer.alloc(100_000));
    await content.drained();
    await content.finish();
    expect(content.failure).toMatchObject({ code: 'Q_DISK_FULL', cause: { code: 'ENOSPC' } });
    expect(content.backlogOctets).toBe(0);
    await content.discard();
    expect(readdirSync(path)).toEqual([]);
  });
});
