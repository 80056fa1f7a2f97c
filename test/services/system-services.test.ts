/** The services over the real system: files, time. */

import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { SystemFiles } from '../../host/services/files.ts';
import { localTime } from '../../host/services/local-time.ts';

const folder = mkdtempSync(join(tmpdir(), 'services-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string): string => join(folder, name);

describe('files', () => {
  let now = 1_000_000;
  const files = new SystemFiles({ now: () => now });

  test('read gives the text, nothing for what is no file, and refuses what is too large', async () => {
    writeFileSync(path('a'), 'one\ntwo\n');
    expect(await files.read(path('a'), { maxOctets: 8 })).toBe('one\ntwo\n');
    expect(await files.read(path('missing'), { maxOctets: 8 })).toBeUndefined();
    expect(await files.read(path('a/b'), { maxOctets: 8 })).toBeUndefined();
    expect(await files.read(folder, { maxOctets: 8 })).toBeUndefined();
    await expect(files.read(path('a'), { maxOctets: 7 })).rejects.toThrow('more than 7 octets');
  });

  test('readOctetsNow gives the octets, nothing for what is missing, and refuses what is too large', () => {
    const octets = Buffer.from([0xff, 0x00, 0x80]);
    writeFileSync(path('octets'), octets);
    expect(files.readOctetsNow(path('octets'), { maxOctets: 3 })).toEqual(octets);
    expect(files.readOctetsNow(path('missing'), { maxOctets: 3 })).toBeUndefined();
    expect(() => files.readOctetsNow(path('octets'), { maxOctets: 2 })).toThrow('more than 2 octets');
    expect(() => files.readOctetsNow(folder, { maxOctets: 2 })).toThrow('is no file');
  });

  test('readNow gives the text, or says which file is wrong and what to do about it', () => {
    writeFileSync(path('pem'), 'one\n');
    expect(files.readNow(path('pem'), { maxOctets: 4 })).toBe('one\n');
    const reading = (name: string, maxOctets = 4) => expect(() => files.readNow(path(name), { maxOctets }));
    reading('pem', 3).toThrow(`${path('pem')}: has more than 3 octets (leave`);
    reading('missing').toThrow(`${path('missing')}: can't be read: ENOENT (it has to be there`);
    reading('.').toThrow('is no file (make it one)');
  });

  test.each([
    [0o600, undefined],
    [0o400, undefined],
    [0o640, 'can be read or written by others (chmod 600)'],
    [0o602, 'can be read or written by others (chmod 600)'],
  ])('a secret in a file of mode %o: %s', (mode, problem) => {
    const name = path(`secret-${mode}`);
    writeFileSync(name, 'password p4ss');
    chmodSync(name, mode);
    if (problem === undefined) return expect(files.readSecret(name)).toBe('password p4ss');
    expect(() => files.readSecret(name)).toThrow(`${name}: ${problem}`);
    expect(() => files.readSecret(name)).not.toThrow('p4ss');
  });

  test.runIf(process.geteuid?.() === 0)('a secret of another user is refused, even to root', () => {
    writeFileSync(path('foreign'), 'p4ss', { mode: 0o600 });
    chownSync(path('foreign'), 4711, 4711);
    expect(() => files.readSecret(path('foreign'))).toThrow('belongs to another user (chown');
  });

  test('append never mixes what one process writes, and a failure does not hold up what follows', async () => {
    async function* slowly(letter: string) {
      for (let count = 0; count < 5; count++) {
        await new Promise((resolve) => setImmediate(resolve));
        yield Buffer.from(letter);
      }
    }
    async function* broken(): AsyncGenerator<Buffer> {
      await Promise.resolve();
      throw new Error('gone');
    }
    const written = [
      files.append(path('log'), slowly('a')),
      files.append(path('log'), broken()),
      files.append(path('log'), slowly('b')),
    ];
    const results = await Promise.allSettled(written);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(readFileSync(path('log'), 'utf8')).toBe('aaaaabbbbb');
    await expect(files.append(path('no/such'), [])).rejects.toThrow('ENOENT');
  });

  test('a kept list follows its file, looks once a second at most, and outlives the file', async () => {
    writeFileSync(path('list'), '# comment\n\n a OK \n');
    const kept = files.keep(path('list'));
    expect(kept.lines).toEqual(['a OK']);
    writeFileSync(path('list'), 'b OK longer\n');
    expect(kept.refresh()).toBeUndefined();
    expect(kept.lines).toEqual(['a OK']);
    now += 1_000;
    await kept.refresh();
    expect(kept.lines).toEqual(['b OK longer']);
    const same = kept.lines;
    utimesSync(path('list'), 1, 2);
    rmSync(path('list'));
    now += 1_000;
    await kept.refresh();
    expect(kept.lines).toBe(same);
    expect(files.keep(path('never')).lines).toBeUndefined();
  });
});

test('local time agrees with the system', () => {
  for (const [month, day] of [
    [0, 1],
    [1, 29],
    [11, 31],
  ] as const) {
    const date = new Date(2024, month, day, 23, 59, 58);
    expect(localTime(date.getTime())).toMatchObject({
      year: 2024,
      month: month + 1,
      day,
      hour: 23,
      minute: 59,
      second: 58,
      weekday: date.getDay(),
    });
  }
  expect(localTime(new Date(2024, 11, 31, 12).getTime()).dayOfYear).toBe(366);
});
