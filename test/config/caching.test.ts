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
    const count = (lines: readonly string[]): number => lines.length;
    const ask = (): unknown[] => [
      config.value('rcpthosts'),
      config.lines('missing'),
      config.number('databytes', 0),
      config.flag('missing'),
      config.map('missing', 'key'),
      config.me,
      config.compiled('rcpthosts', count),
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

describe('compiled', () => {
  test('gives the same object until a change, per name and function', () => {
    const directory = put(scratch(), { a: '1\n2\n', b: '3\n' });
    const { config } = open([directory]);
    const toSet = (lines: readonly string[]): Set<string> => new Set(lines);
    const toOther = (lines: readonly string[]): Set<string> => new Set(lines);
    const first = config.compiled('a', toSet);
    expect([...first]).toEqual(['1', '2']);
    expect(config.compiled('a', toSet)).toBe(first);
    expect(config.compiled('a', toOther)).not.toBe(first);
    expect([...config.compiled('b', toSet)]).toEqual(['3']);
    put(directory, { a: '4\n' });
    config.reread();
    expect([...config.compiled('a', toSet)]).toEqual(['4']);
  });

  test('sees changes of other names the function reads', () => {
    const directory = put(scratch(), { a: '1\n', b: '2\n' });
    const { config } = open([directory]);
    const both = (lines: readonly string[]): string => `${lines[0]} ${config.value('b')}`;
    expect(config.compiled('a', both)).toBe('1 2');
    put(directory, { b: '3\n' });
    config.reread();
    expect(config.compiled('a', both)).toBe('1 3');
  });

  test('a throw at first use is a ConfigError with the place, and is not tried again', () => {
    const directory = put(scratch(), { a: '# c\n(\n' });
    const { config } = open([directory]);
    let calls = 0;
    const compile = (lines: readonly string[]): RegExp => (calls++, new RegExp(lines[0]!));
    expect(() => config.compiled('a', compile)).toThrow(ConfigError);
    expect(() => config.compiled('a', compile)).toThrow(`${directory}/a:2: Invalid regular expression`);
    expect(calls).toBe(1);
    put(directory, { a: 'x\n' });
    config.reread();
    expect(config.compiled('a', compile)).toEqual(/x/);
  });

  test('a throw later keeps the last good value and is logged once', () => {
    const directory = put(scratch(), { a: 'x\n' });
    const { config, log } = open([directory]);
    const compile = (lines: readonly string[]): RegExp => new RegExp(lines[0]!);
    const good = config.compiled('a', compile);
    put(directory, { a: '(\n' });
    config.reread();
    expect(config.compiled('a', compile)).toBe(good);
    expect(config.compiled('a', compile)).toBe(good);
    expect(log.errors).toHaveLength(1);
    expect(log.errors[0]).toMatch(/\/a:1: Invalid .*; the last good value stays$/);
  });
});
