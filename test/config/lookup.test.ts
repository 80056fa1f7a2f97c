import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { CONFIG_OPTION } from '../../host/cli/serve-command.ts';
import { openSearchPath, searchPath } from '../../host/config/search-path.ts';
import { MAX_NAMES } from '../../host/config/config-directory.ts';
import { MAX_FILE_OCTETS, MAX_LINE_OCTETS } from '../../host/config/config-reader.ts';
import { ConfigError } from '../../host/errors/error-classes.ts';
import { countingFiles, open, put, scratch, systemError } from './scratch.ts';

describe('the search path', () => {
  test('is QPSMTPD_CONFIG, config beside the program, and /var/qmail/control', () => {
    const env = { QPSMTPD_CONFIG: '/etc/qpsmtpd' };
    expect(searchPath({ env, programDir: '/opt/q' })).toEqual([
      '/etc/qpsmtpd',
      '/opt/q/config',
      '/var/qmail/control',
    ]);
  });

  test('takes a directory of the command line in place of QPSMTPD_CONFIG', () => {
    const env = { QPSMTPD_CONFIG: '/etc/qpsmtpd', QMAIL: '/q' };
    const path = searchPath({ configDir: '/given', env, programDir: '/opt/q' });
    expect(path).toEqual(['/given', '/opt/q/config', '/q/control']);
  });

  test('looks beside the program that PROCESS names', () => {
    expect(searchPath({ env: { PROCESS: '/srv/smtpd/run' }, programDir: '/opt/q' })[0]).toBe(
      '/srv/smtpd/config',
    );
  });

  test('of this process is what the help and the reference name: the directory of the package, then that of qmail', () => {
    const root = resolve(import.meta.dirname, '../..');
    vi.stubEnv('QPSMTPD_CONFIG', '');
    expect(openSearchPath(undefined)).toEqual([join(root, 'config'), '/var/qmail/control']);
    expect(CONFIG_OPTION.help).toContain('"config" of this package and in $QMAIL/control (/var/qmail)');
    const reference = readFileSync(join(root, 'docs/reference/configuration.md'), 'utf8');
    expect(reference).toContain('`config` in the directory of this package');
    expect(reference).toContain('`$QMAIL/control`, with `QMAIL` being `/var/qmail`');
    vi.unstubAllEnvs();
  });

  test('counts empty variables as not set', () => {
    const env = { QPSMTPD_CONFIG: '', QMAIL: '', PROCESS: '' };
    expect(searchPath({ env, programDir: '/opt/q' })).toEqual(['/opt/q/config', '/var/qmail/control']);
  });
});

describe('looking a name up', () => {
  test('takes the first directory that has the file, for each name by itself', () => {
    const first = put(scratch(), { rcpthosts: 'first.example\n' });
    const second = put(scratch(), { rcpthosts: 'second.example\n', badhelo: 'aol.example\n' });
    const { config } = open([first, second]);
    expect(config.value('rcpthosts')).toBe('first.example');
    expect(config.value('badhelo')).toBe('aol.example');
    expect(config.value('nothing')).toBeUndefined();
    expect(config.lines('nothing')).toEqual([]);
  });

  test('stops at an empty file: it hides the one behind', () => {
    const first = put(scratch(), { badhelo: '# nobody\n' });
    const { config } = open([first, put(scratch(), { badhelo: 'aol.example\n' })]);
    expect(config.lines('badhelo')).toEqual([]);
  });

  test('finds files in folders and through symbolic links', () => {
    const directory = put(scratch(), { 'dkim/a.example/selector': 'march\n' });
    symlinkSync('dkim/a.example/selector', join(directory, 'link'));
    const { config } = open([directory]);
    expect(config.value('dkim/a.example/selector')).toBe('march');
    expect(config.value('link')).toBe('march');
  });

  test.each(['../secret', 'dkim/../../secret', '/etc/hostname', 'a\0b', ''])(
    'never leaves the directory for a name a client had a part in: %j',
    (name) => {
      const directory = put(scratch(), { secret: 'x\n', 'config/me': 'h\n', 'config/dkim/k': 'k\n' });
      const { config, log } = open([join(directory, 'config')]);
      expect(config.value(name)).toBeUndefined();
      expect(config.map(name, 'x')).toBeUndefined();
      expect(log.errors[0]).toContain('does not name a file');
    },
  );

  test('has built-in values for me and timeout only', () => {
    const { config } = open([put(scratch(), { timeout: '# empty\n' })]);
    expect(config.me).toBe('host.example');
    expect(config.lines('me')).toEqual(['host.example']);
    expect(config.value('timeout')).toBe('1200');
    expect(config.number('timeout', 5)).toBe(1200);
    expect(config.value('databytes')).toBeUndefined();
  });
});

describe('lines given by the program', () => {
  test('take the place of the file, and what is not given is read', () => {
    const directory = put(scratch(), { rcpthosts: 'a.example\n', badhelo: 'x\n' });
    mkdirSync(join(directory, 'plugins'));
    const overlay = new Map([['rcpthosts', ['b.example', 'c.example']], ['plugins', ['rcpt_ok']]]); // prettier-ignore
    const { config, log } = open([directory], { overlay });
    expect(config.lines('rcpthosts')).toEqual(['b.example', 'c.example']);
    expect(config.linesWithPlaces('plugins')).toEqual([{ text: 'rcpt_ok', place: { file: 'plugins' } }]);
    expect(config.value('badhelo')).toBe('x');
    expect(() => config.requireReadable('plugins')).not.toThrow();
    config.reread();
    expect(config.value('rcpthosts')).toBe('b.example');
    expect(log.errors).toEqual([]);
  });

  test('count as written, built-in values and comments do not', () => {
    const directory = put(scratch(), { timeout: '# none\n', databytes: '1\n' });
    const { config } = open([directory], { overlay: new Map([['rcpthosts', ['b.example']]]) });
    expect(
      ['rcpthosts', 'databytes', 'timeout', 'me', 'missing'].map((name) => config.isWritten(name)),
    ).toEqual([true, true, false, false, false]);
  });
});

describe('what can not be read', () => {
  test('a directory in the place of a file is no empty list', () => {
    const directory = scratch();
    mkdirSync(join(directory, 'rcpthosts'));
    const { config } = open([directory]);
    const problem = `${directory}/rcpthosts: can't be read (EISDIR) (put a file in its place, or remove it)`;
    const ways = [
      () => config.lines('rcpthosts'),
      () => config.value('rcpthosts'),
      () => config.flag('rcpthosts'),
      () => config.number('rcpthosts', 1),
      () => config.linesWithPlaces('rcpthosts'),
      () => config.list('rcpthosts', (lines) => lines.length),
      () => config.requireReadable('rcpthosts'),
    ];
    for (const ask of ways) expect(ask).toThrow(ConfigError);
    for (const ask of ways) expect(ask).toThrow(problem);
    expect(config.placeOf('rcpthosts')).toEqual({ file: `${directory}/rcpthosts` });
    expect(config.isWritten('rcpthosts')).toBe(false);
    expect(() => config.requireReadable('missing')).not.toThrow();
  });

  test('a FIFO is refused at once instead of being waited for', () => {
    const directory = scratch();
    execFileSync('mkfifo', [join(directory, 'badhelo')]);
    const { config } = open([directory]);
    expect(() => config.lines('badhelo')).toThrow('(ENOTREG)');
  });

  test('a link to /dev/null is an empty file', () => {
    const directory = scratch();
    symlinkSync('/dev/null', join(directory, 'badhelo'));
    const { config, log } = open([directory, put(scratch(), { badhelo: 'x\n' })]);
    expect(config.lines('badhelo')).toEqual([]);
    expect(log.errors).toEqual([]);
  });

  test('symbolic links in a circle lead to no other file, and are not a missing one', () => {
    const directory = scratch();
    symlinkSync('badhelo', join(directory, 'badhelo'));
    const { config } = open([directory, put(scratch(), { badhelo: 'x\n' })]);
    expect(() => config.lines('badhelo')).toThrow('(ELOOP)');
  });

  test('what was read before stays when reading fails', () => {
    const directory = put(scratch(), { rcpthosts: 'a.example\n' });
    let fails = false;
    const files = countingFiles();
    const readFile: typeof files.readFile = (path, max) => {
      if (fails) throw systemError('EMFILE');
      return files.readFile(path, max);
    };
    const { config, log } = open([directory], { files: { ...files, readFile } });
    expect(config.lines('rcpthosts')).toEqual(['a.example']);
    fails = true;
    config.reread();
    expect(config.lines('rcpthosts')).toEqual(['a.example']);
    expect(log.errors).toEqual([
      `${directory}/rcpthosts: can't be read (EMFILE) (raise the limit of open files); what was read before stays`,
    ]);
  });

  test.each(['EACCES', 'EPERM', 'EIO', 'ELOOP', 'ESTALE'])(
    'a way that can not be followed (%s) is no missing file; what was read before stays',
    (code) => {
      const directory = put(scratch(), { rcpthosts: 'a.example\n', other: 'x\n' });
      let fails = false;
      const files = countingFiles();
      const lstat: typeof files.lstat = (path) => {
        if (fails && path.startsWith(directory)) throw systemError(code);
        return files.lstat(path);
      };
      const { config } = open([directory], { files: { ...files, lstat } });
      expect(config.lines('rcpthosts')).toEqual(['a.example']);
      fails = true;
      config.reread();
      expect(config.lines('rcpthosts')).toEqual(['a.example']);
      expect(() => config.lines('other')).toThrow(`${directory}/other: can't be read (${code})`);
      fails = false;
      config.reread();
      expect(config.lines('other')).toEqual(['x']);
    },
  );

  test.each(['ENOENT', 'ENOTDIR'])('%s is a missing file: there is none', (code) => {
    const files = countingFiles();
    const directory = scratch();
    const lstat: typeof files.lstat = (path) => {
      if (path.startsWith(directory)) throw systemError(code);
      return files.lstat(path);
    };
    expect(open([directory], { files: { ...files, lstat } }).config.lines('rcpthosts')).toEqual([]);
  });

  test('an include that can not be read makes the list unknown, not shorter', () => {
    const directory = put(scratch(), { rcpthosts: 'a.example\n$include more\n', more: 'b.example\n' });
    const { config, log } = open([directory]);
    expect(config.lines('rcpthosts')).toEqual(['a.example', 'b.example']);
    rmSync(join(directory, 'more'));
    mkdirSync(join(directory, 'more/folder'), { recursive: true });
    symlinkSync('round', join(directory, 'round'));
    put(directory, { rcpthosts: 'a.example\n$include round\n' });
    config.reread();
    expect(config.lines('rcpthosts')).toEqual(['a.example', 'b.example']);
    expect(log.errors[0]).toContain(`${directory}/round: can't be read (ELOOP)`);
    expect(log.warnings).toEqual([]);
  });

  test('what was read before outlives any number of names that clients make up', () => {
    const directory = put(scratch(), { rcpthosts: 'a.example\n' });
    const { config } = open([directory]);
    const list = config.list('rcpthosts', (lines) => lines.join());
    expect(list.current).toBe('a.example');
    rmSync(join(directory, 'rcpthosts'));
    mkdirSync(join(directory, 'rcpthosts'));
    for (let n = 0; n <= MAX_NAMES; n++) config.value(`dkim/d${n}.example/selector`);
    expect(config.lines('rcpthosts')).toEqual(['a.example']);
    expect(list.current).toBe('a.example');
  });

  test('a number that is none leaves the one before', () => {
    const directory = put(scratch(), { most: '7\n' });
    const { config, log } = open([directory]);
    expect(config.number('most', 3)).toBe(7);
    put(directory, { most: 'seven\n' });
    config.reread();
    expect(config.number('most', 3)).toBe(7);
    expect(log.errors).toEqual([`${directory}/most:1: 'seven' is not a number; using 7`]);
    rmSync(join(directory, 'most'));
    config.reread();
    expect(config.number('most', 3)).toBe(3);
  });

  test('a file that can not be told from missing is not replaced by one of the next directory', () => {
    const first = put(scratch(), { rcpthosts: 'a.example\n' });
    const files = countingFiles();
    const lstat: typeof files.lstat = (path) => {
      if (path === join(first, 'rcpthosts')) throw systemError('EIO');
      return files.lstat(path);
    };
    const second = put(scratch(), { rcpthosts: 'b.example\n' });
    const { config } = open([first, second], { files: { ...files, lstat } });
    expect(() => config.lines('rcpthosts')).toThrow(`${first}/rcpthosts: can't be read (EIO)`);
  });

  test('a line that is too long is refused with its place', () => {
    const directory = put(scratch(), { badmailfrom: `a@b.example\n${'x'.repeat(MAX_LINE_OCTETS + 1)}\n` });
    const files = countingFiles();
    const { config } = open([directory], { files });
    expect(() => config.lines('badmailfrom')).toThrow(ConfigError);
    const calls = files.calls.length;
    expect(() => config.value('badmailfrom')).toThrow(`${directory}/badmailfrom:2: the line is longer`);
    expect(files.calls.length).toBe(calls);
    put(directory, { badmailfrom: 'x'.repeat(MAX_LINE_OCTETS) });
    config.reread();
    expect(config.value('badmailfrom')).toHaveLength(MAX_LINE_OCTETS);
  });

  test('a file that is too large is refused by its size, before it is read', () => {
    const directory = scratch();
    execFileSync('truncate', ['-s', String(MAX_FILE_OCTETS + 1), join(directory, 'rcpthosts')]);
    const { config } = open([directory]);
    expect(() => config.lines('rcpthosts')).toThrow(`${directory}/rcpthosts: the file is larger than`);
    expect(() => config.requireReadable('rcpthosts')).toThrow(ConfigError);
  });
});
