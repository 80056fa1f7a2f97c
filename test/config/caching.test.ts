import { rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MAX_NAMES } from '../../host/config/config-directory.ts';
import { Settings } from '../../host/settings/settings.ts';
import { ConfigError } from '../../host/errors/error-classes.ts';
import { countingFiles, open, put, rememberingLog, scratch } from './scratch.ts';

describe('what was read', () => {
  test('10,000 questions after the first cost no call to the file system', () => {
    const files = countingFiles();
    const { config } = open([put(scratch(), { rcpthosts: 'a.example\n', databytes: '5\n' })], {
      files,
      watch: true,
    });
    const settings = new Settings(config, rememberingLog());
    const count = config.list('rcpthosts', (lines) => lines.length);
    const ask = (): unknown[] => [
      config.value('rcpthosts'),
      config.lines('missing'),
      config.number('databytes', 0),
      config.flag('missing'),
      config.map('missing', 'key'),
      config.me,
      count.current,
      settings.current.databytes,
    ];
    const first = ask();
    expect(first).toEqual(['a.example', [], 5, false, undefined, 'host.example', 1, 5]);
    expect(files.calls.length).toBeGreaterThan(0);
    files.calls.length = 0;
    for (let n = 0; n < 10_000; n++) ask();
    expect(ask()).toEqual(first);
    expect(files.calls).toEqual([]);
  });

  test('stays until reread, as does what was missing, when nothing is watched', () => {
    const directory = put(scratch(), { a: '1\n' });
    const { config } = open([directory]);
    expect([config.value('a'), config.value('b')]).toEqual(['1', undefined]);
    rmSync(`${directory}/a`);
    put(directory, { b: '2\n' });
    expect([config.value('a'), config.value('b')]).toEqual(['1', undefined]);
    config.reread();
    expect([config.value('a'), config.value('b')]).toEqual([undefined, '2']);
  });

  test('names that clients choose do not pile up', () => {
    const files = countingFiles();
    const { config } = open([put(scratch(), { a: '1\n' })], { files });
    config.value('a');
    for (let n = 0; n <= MAX_NAMES; n++) config.value(`dkim/d${n}.example/selector`);
    files.calls.length = 0;
    expect(config.value('a')).toBe('1');
    expect(files.calls.some((call) => call.startsWith('readFile'))).toBe(true);
  });
});

describe('list', () => {
  test('gives the same object until a change, and what the file says from then on', () => {
    const directory = put(scratch(), { a: '1\n2\n', b: '3\n' });
    const { config } = open([directory]);
    const toSet = (lines: readonly string[]): Set<string> => new Set(lines);
    const [a, alsoA, b] = [config.list('a', toSet), config.list('a', toSet), config.list('b', toSet)];
    const first = a.current;
    expect([...first]).toEqual(['1', '2']);
    expect(a.current).toBe(first);
    expect(alsoA.current).not.toBe(first);
    expect([...b.current]).toEqual(['3']);
    put(directory, { a: '4\n' });
    config.reread();
    expect([...a.current]).toEqual(['4']);
    expect([...first]).toEqual(['1', '2']);
  });

  test('sees changes of other names the function reads', () => {
    const directory = put(scratch(), { a: '1\n', b: '2\n' });
    const { config } = open([directory]);
    const both = config.list('a', (lines) => `${lines[0]} ${config.value('b')}`);
    expect(both.current).toBe('1 2');
    put(directory, { b: '3\n' });
    config.reread();
    expect(both.current).toBe('1 3');
  });

  test('a list may come to undefined', () => {
    const directory = put(scratch(), { a: '1\n' });
    const { config } = open([directory]);
    const list = config.list('a', ([first]) => (first === '1' ? undefined : first));
    expect(list.current).toBeUndefined();
    put(directory, { a: '2\n' });
    config.reread();
    expect(list.current).toBe('2');
  });

  test('a throw at set-up is a ConfigError with the place, and is not tried again', () => {
    const directory = put(scratch(), { a: '# c\n(\n' });
    const { config } = open([directory]);
    let calls = 0;
    const compile = (lines: readonly string[]): RegExp => (calls++, new RegExp(lines[0]!));
    expect(() => config.list('a', compile)).toThrow(ConfigError);
    expect(calls).toBe(1);
    expect(() => config.list('a', compile)).toThrow(`${directory}/a:2: Invalid regular expression`);
    put(directory, { a: 'x\n' });
    config.reread();
    expect(config.list('a', compile).current).toEqual(/x/);
  });

  test('a throw later keeps the last good value and is logged once', () => {
    const directory = put(scratch(), { a: 'x\n' });
    const { config, log } = open([directory]);
    const list = config.list('a', (lines) => new RegExp(lines[0]!));
    const good = list.current;
    put(directory, { a: '(\n' });
    config.reread();
    expect(list.current).toBe(good);
    expect(list.current).toBe(good);
    expect(log.errors).toHaveLength(1);
    expect(log.errors[0]).toMatch(/\/a:1: Invalid .*; the last good value stays$/);
  });

  test('a broken list keeps its last good value however many names clients make up', () => {
    const directory = put(scratch(), { a: 'x\n' });
    const { config, log } = open([directory]);
    const list = config.list('a', (lines) => new RegExp(lines[0]!));
    put(directory, { a: '(\n' });
    for (let n = 0; n <= MAX_NAMES; n++) config.value(`dkim/d${n}.example/selector`);
    expect(list.current).toEqual(/x/);
    expect(log.errors).toEqual([expect.stringMatching(/the last good value stays$/)]);
  });

  test('a source of its own that has a broken list has no last good value: the file is another list', () => {
    const directory = put(scratch(), { a: 'x\n' });
    const { config } = open([directory]);
    let told = '(';
    const list = config.list('a', (lines) => new RegExp(lines[0]!));
    expect(list.current).toEqual(/x/);
    config.consult((name) => (name === 'a' ? [told] : undefined));
    expect(() => list.current).toThrow(ConfigError);
    expect(() => list.current).toThrow('Invalid regular expression');
    told = 'y';
    config.consultAgain();
    expect(list.current).toEqual(/y/);
    config.close();
  });
});
