import { mkdirSync, mkdtempSync, rmSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { SystemFiles } from '../../host/services/files.ts';
import { systemClock } from '../../host/services/services.ts';
import { MemoryFiles } from '../../host/testing/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-followed-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const files = new SystemFiles(systemClock);
const OPTIONS = { maxOctets: 4_000_000 };
const textOf = (octets: Uint8Array): string => Buffer.from(octets).toString();

describe('a file that is followed', () => {
  test('is read whole, in memory that threads share, and again when it was exchanged', async () => {
    const path = join(folder, 'a');
    const large = 'x'.repeat(2_500_000);
    writeFileSync(path, large);
    const followed = files.follow(path, OPTIONS);
    expect(await followed.hasChanged()).toBe(true);
    const octets = await followed.read();
    expect(octets.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(textOf(octets)).toBe(large);
    expect(await followed.hasChanged()).toBe(false);
    writeFileSync(`${path}.new`, 'y');
    renameSync(`${path}.new`, path);
    expect(await followed.hasChanged()).toBe(true);
    expect(textOf(await followed.read())).toBe('y');
    truncateSync(path);
    expect(await followed.hasChanged()).toBe(true);
    expect(textOf(await followed.read())).toBe('');
  });

  test('that is gone or became too large has changed once; reading it says why', async () => {
    const path = join(folder, 'b');
    writeFileSync(path, 'x');
    const followed = files.follow(path, { maxOctets: 10 });
    await followed.read();
    rmSync(path);
    expect(await followed.hasChanged()).toBe(true);
    await expect(followed.read()).rejects.toThrow(`${path}: can't be read: ENOENT (it has to be there`);
    expect(await followed.hasChanged()).toBe(false);
    writeFileSync(path, 'x'.repeat(11));
    expect(await followed.hasChanged()).toBe(true);
    await expect(followed.read()).rejects.toThrow(`${path}: has more than 10 octets`);
    expect(await followed.hasChanged()).toBe(false);
  });

  test('has to be one at the start', () => {
    mkdirSync(join(folder, 'directory'));
    writeFileSync(join(folder, 'large'), 'x'.repeat(11));
    const problemWith = (name: string) => () => files.follow(join(folder, name), { maxOctets: 10 });
    expect(problemWith('nowhere')).toThrow("nowhere: can't be read: ENOENT (it has to be there");
    expect(problemWith('directory')).toThrow('directory: is no file (make it one)');
    expect(problemWith('large')).toThrow('large: has more than 10 octets');
  });

  test('in memory, as tests have it', async () => {
    const memory = new MemoryFiles({ a: '1' });
    const followed = memory.follow('a', OPTIONS);
    expect([await followed.hasChanged(), textOf(await followed.read())]).toEqual([true, '1']);
    expect(await followed.hasChanged()).toBe(false);
    memory.write('a', '2');
    expect([await followed.hasChanged(), textOf(await followed.read())]).toEqual([true, '2']);
    memory.remove('a');
    expect(await followed.hasChanged()).toBe(true);
    await expect(followed.read()).rejects.toThrow("a: can't be read: ENOENT");
    expect(await followed.hasChanged()).toBe(false);
    expect(() => memory.follow('a', OPTIONS)).toThrow("a: can't be read: ENOENT");
  });
});
