import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { POLL_EVERY_MS, SETTLE_MS } from '../../host/config/change-watch.ts';
import { RETRY_MS } from '../../host/config/config-directory.ts';
import { systemFiles, type FileSystem } from '../../host/config/file-system.ts';
import { countingFiles, eventually, open, put, scratch, systemError } from './scratch.ts';

/** A system that has no more watches to give. */
const failingWatch = (): FileSystem => ({
  ...systemFiles,
  watch() {
    throw systemError('ENOSPC');
  },
});

describe('a change is noticed without being looked for:', () => {
  test('a file is edited, again and again', async () => {
    const directory = put(scratch(), { a: '0\n' });
    const { config } = open([directory], { watch: true });
    for (let n = 0; n < 5; n++) {
      put(directory, { a: `${n}\n` });
      await eventually(() => config.value('a'), String(n));
    }
  });

  test('a file that was missing appears, in a directory searched earlier too', async () => {
    const [first, second] = [scratch(), put(scratch(), { a: 'second\n' })];
    const { config } = open([first, second], { watch: true });
    expect([config.value('a'), config.value('b')]).toEqual(['second', undefined]);
    put(first, { a: 'first\n' });
    await eventually(() => config.value('a'), 'first');
    put(second, { b: 'new\n' });
    await eventually(() => config.value('b'), 'new');
  });

  test('a file is replaced by renaming, and deleted', async () => {
    const directory = put(scratch(), { a: 'old\n' });
    const { config } = open([directory], { watch: true });
    expect(config.value('a')).toBe('old');
    put(directory, { 'a.tmp': 'new\n' });
    renameSync(join(directory, 'a.tmp'), join(directory, 'a'));
    await eventually(() => config.value('a'), 'new');
    rmSync(join(directory, 'a'));
    await eventually(() => config.value('a'), undefined);
  });

  test('included files and directories', async () => {
    const [directory, other] = [scratch(), put(scratch(), { f: '1\n', 'd/x': '2\n' })];
    put(directory, { a: `$include ${other}/f\n$include ${other}/d\n$include ${other}/late\n` });
    const { config } = open([directory], { watch: true });
    expect(config.lines('a')).toEqual(['1', '2']);
    put(other, { f: 'one\n' });
    await eventually(() => config.lines('a'), ['one', '2']);
    put(other, { 'd/y': '3\n' });
    await eventually(() => config.lines('a'), ['one', '2', '3']);
    put(other, { late: '4\n' });
    await eventually(() => config.lines('a'), ['one', '2', '3', '4']);
  });

  test('the target of a symbolic link is edited, and the link is switched', async () => {
    const releases = put(scratch(), { 'v1/a': 'one\n', 'v2/a': 'two\n' });
    symlinkSync('v1', join(releases, 'current'));
    const directory = scratch();
    symlinkSync(join(releases, 'current/a'), join(directory, 'a'));
    const { config } = open([directory], { watch: true });
    expect(config.value('a')).toBe('one');
    put(releases, { 'v1/a': 'uno\n' });
    await eventually(() => config.value('a'), 'uno');
    symlinkSync('v2', join(releases, 'next'));
    renameSync(join(releases, 'next'), join(releases, 'current'));
    await eventually(() => config.value('a'), 'two');
  });

  test('the directory is a symbolic link that is switched', async () => {
    const place = put(scratch(), { 'v1/a': 'one\n', 'v2/a': 'two\n' });
    symlinkSync('v1', join(place, 'config'));
    const { config } = open([join(place, 'config')], { watch: true });
    expect(config.value('a')).toBe('one');
    symlinkSync('v2', join(place, 'next'));
    renameSync(join(place, 'next'), join(place, 'config'));
    await eventually(() => config.value('a'), 'two');
  });

  test('the directory is missing at first, with the one above it', async () => {
    const place = scratch();
    const { config } = open([join(place, 'qmail/control')], { watch: true });
    expect(config.value('a')).toBeUndefined();
    mkdirSync(join(place, 'qmail'));
    mkdirSync(join(place, 'qmail/control'));
    put(place, { 'qmail/control/a': '1\n' });
    await eventually(() => config.value('a'), '1');
  });

  test('the directory, or one above it, is moved away and another takes its place', async () => {
    const place = put(scratch(), { 'etc/config/a': 'one\n', 'new/a': 'two\n', 'other/config/a': 'three\n' });
    const { config } = open([join(place, 'etc/config')], { watch: true });
    expect(config.value('a')).toBe('one');
    renameSync(join(place, 'etc/config'), join(place, 'etc/old'));
    renameSync(join(place, 'new'), join(place, 'etc/config'));
    await eventually(() => config.value('a'), 'two');
    renameSync(join(place, 'etc'), join(place, 'etc.old'));
    renameSync(join(place, 'other'), join(place, 'etc'));
    await eventually(() => config.value('a'), 'three');
  });

  test('a constant database is replaced', async () => {
    const directory = put(scratch(), { 'm.cdb': Buffer.alloc(2048) });
    const { config, log } = open([directory], { watch: true });
    expect(config.map('m', 'a')).toBeUndefined();
    expect(log.errors).toEqual([]);
    put(directory, { 'm.cdb.tmp': 'short' });
    renameSync(join(directory, 'm.cdb.tmp'), join(directory, 'm.cdb'));
    await eventually(() => (config.map('m', 'a'), log.errors.length), 1);
  });
});

describe('where the system can not report changes', () => {
  afterEach(() => vi.useRealTimers());

  /** What the next look at the files finds. */
  const afterALook = <T>(read: () => T): T => {
    vi.advanceTimersByTime(POLL_EVERY_MS);
    return read();
  };

  test('files are looked at instead, which is said once', () => {
    vi.useFakeTimers();
    const directory = put(scratch(), { a: '$include d\n', 'd/x': '1\n' });
    const { config, log } = open([directory], { watch: true, files: failingWatch() });
    expect([config.lines('a'), config.lines('b')]).toEqual([['1'], []]);
    put(directory, { 'd/x': 'edited\n' });
    expect(afterALook(() => config.lines('a'))).toEqual(['edited']);
    put(directory, { 'd/y': 'added\n' });
    expect(afterALook(() => config.lines('a'))).toEqual(['edited', 'added']);
    expect(config.lines('b')).toEqual([]);
    put(directory, { b: 'new\n' });
    expect(afterALook(() => config.lines('b'))).toEqual(['new']);
    expect(log.warnings).toHaveLength(1);
    expect(log.warnings[0]).toContain("can't report changes of the configuration (ENOSPC)");
  });

  test('nothing is read anew while nothing changes', () => {
    vi.useFakeTimers();
    try {
      const directory = put(scratch(), { a: '1\n' });
      const { config } = open([directory], { watch: true, files: failingWatch() });
      config.value('a');
      const { generation } = config;
      writeFileSync(join(directory, 'other'), 'x');
      vi.advanceTimersByTime(3 * POLL_EVERY_MS);
      expect(config.generation).toBe(generation);
      utimesSync(join(directory, 'a'), 1, 1);
      vi.advanceTimersByTime(POLL_EVERY_MS);
      expect(config.generation).toBe(generation + 1);
    } finally {
      vi.useRealTimers();
    }
  });

  test('that goes for the one place where a symbolic link stands, too', () => {
    vi.useFakeTimers();
    const releases = put(scratch(), { 'v1/a': 'one\n', 'v2/a': 'two\n' });
    symlinkSync('v1', join(releases, 'current'));
    const watch: FileSystem['watch'] = (path, changed, failed) => {
      if (path === releases) throw systemError('EACCES');
      return systemFiles.watch(path, changed, failed);
    };
    const files = { ...systemFiles, watch };
    const { config, log } = open([join(releases, 'current')], { watch: true, files });
    expect(config.value('a')).toBe('one');
    symlinkSync('v2', join(releases, 'next'));
    renameSync(join(releases, 'next'), join(releases, 'current'));
    expect(afterALook(() => config.value('a'))).toBe('two');
    expect(log.warnings).toHaveLength(1);
  });

  test('a directory that is only passed through may be unwatchable', () => {
    const directory = put(scratch(), { a: '1\n' });
    const watch: FileSystem['watch'] = (path, changed, failed) => {
      if (path !== directory) throw systemError('EACCES');
      return systemFiles.watch(path, changed, failed);
    };
    const { config, log } = open([directory], { watch: true, files: { ...systemFiles, watch } });
    expect(config.value('a')).toBe('1');
    expect(log.warnings).toEqual([]);
  });

  test('a watch that breaks later is replaced in the same way', () => {
    vi.useFakeTimers();
    const directory = put(scratch(), { a: '1\n' });
    const breakers: (() => void)[] = [];
    const watch: FileSystem['watch'] = (_path, _changed, failed) => {
      breakers.push(() => failed(systemError('EIO')));
      return { close: () => undefined };
    };
    const { config, log } = open([directory], { watch: true, files: { ...systemFiles, watch } });
    expect(config.value('a')).toBe('1');
    for (const breakIt of breakers) breakIt();
    put(directory, { a: 'two\n' });
    expect(afterALook(() => config.value('a'))).toBe('two');
    expect(log.warnings).toHaveLength(1);
  });

  test('reading is tried again after a failure that may pass', () => {
    vi.useFakeTimers();
    try {
      const directory = put(scratch(), { a: '1\n' });
      let fails = true;
      const readFile: FileSystem['readFile'] = (path, max) => {
        if (fails) throw systemError('EMFILE');
        return systemFiles.readFile(path, max);
      };
      const { config } = open([directory], { watch: true, files: { ...systemFiles, readFile } });
      expect(() => config.lines('a')).toThrow("can't be read (EMFILE)");
      fails = false;
      vi.advanceTimersByTime(RETRY_MS);
      expect(config.lines('a')).toEqual(['1']);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('watching', () => {
  test('passes over other files in the directory, such as a database a plugin keeps there', () => {
    vi.useFakeTimers();
    try {
      const directory = put(scratch(), { a: '1\n' });
      const reports = new Map<string, (name: string | null) => void>();
      const watch: FileSystem['watch'] = (path, changed) => {
        reports.set(path, changed);
        return { close: () => undefined };
      };
      const { config } = open([directory], { watch: true, files: { ...systemFiles, watch } });
      config.value('a');
      config.value('b');
      const report = reports.get(directory)!;
      const { generation } = config;
      report('greylist.dbm');
      vi.advanceTimersByTime(10 * SETTLE_MS);
      expect(config.generation).toBe(generation);
      for (const name of ['a', 'b', null, directory.split('/').at(-1)!]) {
        const before = config.generation;
        config.value('a');
        config.value('b');
        reports.get(directory)!(name);
        expect(config.generation).toBe(before);
        vi.advanceTimersByTime(SETTLE_MS);
        expect(config.generation).toBe(before + 1);
      }
    } finally {
      vi.useRealTimers();
    }
  });

  test('ends with close', () => {
    let count = 0;
    const watch: FileSystem['watch'] = () => (count++, { close: () => count-- });
    const { config } = open([put(scratch(), { a: '1\n' })], {
      watch: true,
      files: { ...systemFiles, watch },
    });
    config.value('a');
    expect(count).toBeGreaterThan(0);
    config.close();
    expect(count).toBe(0);
    expect([config.value('a'), config.value('b')]).toEqual(['1', undefined]);
    expect(count).toBe(0);
  });

  test('takes one watch per directory, however many names are read', () => {
    const files = countingFiles();
    const { config } = open([scratch()], { watch: true, files });
    for (let n = 0; n < 50; n++) config.value(`name${n}`);
    const watches = files.calls.filter((call) => call.startsWith('watch'));
    expect(new Set(watches).size).toBe(watches.length);
  });

  test.each(['watching', 'polling'])('never keeps the process alive: %s', (way) => {
    const holding = (): string[] =>
      process.getActiveResourcesInfo().filter((name) => name === 'FSEventWrap' || name === 'Timeout');
    const before = holding();
    const files = way === 'watching' ? systemFiles : failingWatch();
    const { config } = open([put(scratch(), { a: '1\n' })], { watch: true, files });
    config.value('a');
    expect(holding()).toEqual(before);
  });
});
