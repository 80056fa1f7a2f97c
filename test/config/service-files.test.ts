/** A service has files of its own, `NAME.SERVICE`, in place of the general ones. */

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ConfigDirectory } from '../../host/config/config-directory.ts';
import { makeDatabase } from './make-database.ts';
import { eventually, open, put, scratch } from './scratch.ts';

const SHARED = new Set(['memory_budget']);

/** The configuration of the service `submission`. */
const openService = (...directories: string[]): ConfigDirectory =>
  open(directories, { service: { name: 'submission', sharedFiles: SHARED } }).config;

describe('a file of the service', () => {
  test('takes the place of the general one for this service alone, as a whole', () => {
    const folder = put(scratch(), {
      badmailfrom: 'a@x.example\nb@x.example\n',
      'badmailfrom.submission': 'c@x.example\n',
      'badmailfrom.other': 'd@x.example\n',
    });
    expect(openService(folder).lines('badmailfrom')).toEqual(['c@x.example']);
    expect(open([folder]).config.lines('badmailfrom')).toEqual(['a@x.example', 'b@x.example']);
  });

  test('is not needed: without it the general one counts', () => {
    const config = openService(put(scratch(), { databytes: '1000\n' }));
    expect([config.number('databytes', 0), config.value('timeout'), config.value('nothing')]).toEqual([
      1_000,
      '1200',
      undefined,
    ]);
  });

  test('that is empty hides the general one', () => {
    const config = openService(put(scratch(), { badhelo: 'x\n', 'badhelo.submission': '# nobody\n' }));
    expect(config.lines('badhelo')).toEqual([]);
    expect(config.placeOf('badhelo').file).toMatch(/\/badhelo\.submission$/);
  });

  test('in any directory comes before the general one in any', () => {
    const first = put(scratch(), { rcpthosts: 'general.example\n' });
    const second = put(scratch(), { 'rcpthosts.submission': 'own.example\n' });
    expect(openService(first, second).value('rcpthosts')).toBe('own.example');
  });

  test('is what errors name', () => {
    const folder = put(scratch(), { databytes: '5\n', 'databytes.submission': '\nmany\n' });
    const config = openService(folder);
    expect(config.placeOf('databytes')).toEqual({ file: join(folder, 'databytes.submission'), line: 2 });
    expect(config.linesWithPlaces('databytes')[0]!.place.line).toBe(2);
    expect(() =>
      config.list('databytes', () => {
        throw new Error('no number');
      }),
    ).toThrow(`${join(folder, 'databytes.submission')}:2: no number`);
  });

  test('that cannot be read is an error, and the general one does not answer in its place', () => {
    const folder = put(scratch(), { rcpthosts: 'general.example\n', 'rcpthosts.submission/file': '' });
    const config = openService(folder);
    const problem = `${join(folder, 'rcpthosts.submission')}: can't be read (EISDIR)`;
    expect(() => config.lines('rcpthosts')).toThrow(problem);
    expect(() => config.requireReadable('rcpthosts')).toThrow(problem);
  });

  test('goes for names below folders and names with an ending', () => {
    const folder = put(scratch(), {
      'dkim/a.example/selector': 'general\n',
      'dkim/a.example/selector.submission': 'own\n',
      'list.txt': 'general\n',
      'list.txt.submission': 'own\n',
    });
    const config = openService(folder);
    expect([config.value('dkim/a.example/selector'), config.value('list.txt')]).toEqual(['own', 'own']);
  });

  test('goes for constant databases, whose ending stays at the end', () => {
    const folder = put(scratch(), {
      'more.cdb': makeDatabase([['host', 'general']]),
      'more.submission.cdb': makeDatabase([['host', 'own']]),
      'other.cdb': makeDatabase([['host', 'general']]),
    });
    const config = openService(folder);
    expect([config.map('more', 'host'), config.map('other', 'host')]).toEqual(['own', 'general']);
    expect(open([folder]).config.map('more', 'host')).toBe('general');
  });

  test('may include the general one by its name, and go on from there', () => {
    const folder = put(scratch(), {
      plugins: 'tls\nrcpt_ok\n',
      'plugins.submission': 'relay\n$include plugins\n',
    });
    expect(openService(folder).lines('plugins')).toEqual(['relay', 'tls', 'rcpt_ok']);
  });

  test('has no effect where the setting is that of the whole process', () => {
    const folder = put(scratch(), { memory_budget: '2000000\n', 'memory_budget.submission': '3000000\n' });
    const config = openService(folder);
    expect(config.value('memory_budget')).toBe('2000000');
    expect(config.askedFor).not.toContain('memory_budget.submission');
  });

  test('given in memory comes before every file, general ones given in memory after files of the service', () => {
    const folder = put(scratch(), { 'a.submission': 'file\n', 'b.submission': 'file\n' });
    const overlay = new Map([
      ['a.submission', ['given']],
      ['b', ['given']],
      ['c', ['given']],
    ]);
    const { config } = open([folder], { overlay, service: { name: 'submission', sharedFiles: SHARED } });
    expect(['a', 'b', 'c'].map((name) => config.value(name))).toEqual(['given', 'file', 'given']);
  });
});

test('a name knows whether it comes from a file of the service', () => {
  const folder = put(scratch(), { 'databytes.submission': '1\n', me: 'mx.example\n' });
  const config = openService(folder);
  expect([config.isOfService('databytes'), config.isOfService('me'), config.isOfService('none')]).toEqual([
    true,
    false,
    false,
  ]);
  expect(config.askedFor).toContain('databytes.submission');
});

test('changes of both files are noticed: one that comes, and one that goes', async () => {
  const folder = put(scratch(), { badhelo: 'general\n' });
  const { config } = open([folder], { watch: true, service: { name: 'submission', sharedFiles: SHARED } });
  const list = config.list('badhelo', (lines) => lines.join());
  expect(list.current).toBe('general');
  writeFileSync(join(folder, 'badhelo.submission'), 'own\n');
  await eventually(() => list.current, 'own');
  rmSync(join(folder, 'badhelo.submission'));
  await eventually(() => list.current, 'general');
  writeFileSync(join(folder, 'badhelo'), 'changed\n');
  await eventually(() => list.current, 'changed');
});
