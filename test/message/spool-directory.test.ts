import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../host/errors/error-classes.ts';
import { openSpoolDirectory, sweepSpool } from '../../host/message/spool-directory.ts';
import { Content } from '../../host/message/content.ts';
import { clock, folder } from './folder.ts';

const place = { file: 'config/spool_dir', line: 1 };

function check(path: string, mode = 0o700): string[] {
  const warnings: string[] = [];
  openSpoolDirectory({ path, mode, place, clock, warn: (text) => warnings.push(text) });
  return warnings;
}

describe('the spool directory', () => {
  it.each([0o700, 0o770])('is made with the mode of spool_perms whatever the umask is: %i', (mode) => {
    const path = join(folder(), 'spool');
    const umask = process.umask(0o077);
    try {
      expect(check(path, mode)).toEqual([]);
    } finally {
      process.umask(umask);
    }
    expect(lstatSync(path).mode & 0o7777).toBe(mode);
    expect(check(path, mode)).toEqual([]);
  });

  it('with other permissions is used with the warning of qpsmtpd', () => {
    const path = folder();
    chmodSync(path, 0o750);
    expect(check(path)).toEqual([`Permissions on spool_dir ${path}/ are not 0700`]);
    expect(check(`${path}/`)).toEqual([`Permissions on spool_dir ${path}/ are not 0700`]);
  });

  it.each<[string, (path: string) => void, RegExp]>([
    [
      'a symbolic link',
      (path) => symlinkSync(folder(), path),
      /is a symbolic link \(name the directory itself\)/,
    ],
    ['a file', (path) => writeFileSync(path, ''), /is no directory/],
    [
      'writable by anyone',
      (path) => (mkdirSync(path), chmodSync(path, 0o777)),
      /can be written by anyone \(chmod/,
    ],
    ['without a parent', (path) => path, /can't be made: the directory \S+ does not exist/],
  ])('is refused when it is %s: local users could plant files', (what, make, problem) => {
    const path = what === 'without a parent' ? join(folder(), 'a', 'b') : join(folder(), 'spool');
    make(path);
    expect(() => check(path)).toThrow(ConfigError);
    expect(() => check(path)).toThrow(problem);
    expect(() => check(`${path}/`)).toThrow(problem);
    expect(() => check(path)).toThrow(/^config\/spool_dir:1: spool_dir /);
  });

  it.runIf(process.geteuid!() === 0)('is refused when it belongs to another user', () => {
    const path = folder();
    chownSync(path, 12_345, 0);
    expect(() => check(path)).toThrow(
      /belongs to user 12345, not to 0 \(run as user 12345: name it with --user\)/,
    );
  });

  it.runIf(process.geteuid!() === 0)('is made for the user that privileges are dropped to', () => {
    const path = join(folder(), 'spool');
    const owner = { uid: 12_345, gid: 23_456 };
    openSpoolDirectory({ path, mode: 0o700, place, owner, clock, warn: expect.unreachable });
    expect(lstatSync(path)).toMatchObject({ uid: 12_345, gid: 23_456 });
    chownSync(path, 0, 0);
    expect(() =>
      openSpoolDirectory({ path, mode: 0o700, place, owner, clock, warn: expect.unreachable }),
    ).toThrow(/belongs to root and can't be written by user 12345/);
  });
});

describe('a spool directory that is removed while the daemon runs', () => {
  const settings = (path: string) => ({
    path,
    mode: 0o750,
    place: { file: 'spool_dir' },
    clock,
    warn: () => undefined,
  });

  it('is made again, with its mode, by the messages that need it', async () => {
    const path = join(folder(), 'spool');
    const spool = openSpoolDirectory(settings(path));
    rmSync(path, { recursive: true });
    const contents = Array.from({ length: 5 }, () => new Content({ sizeThreshold: 10, spool }));
    for (const content of contents) content.append(Buffer.alloc(1_000, 'x'));
    await Promise.all(contents.map((content) => content.finish()));
    expect(contents.map(({ failure }) => failure)).toEqual(contents.map(() => undefined));
    expect(lstatSync(path).mode & 0o777).toBe(0o750);
    for (const content of contents) await content.discard();
    expect(readdirSync(path)).toEqual([]);
  });

  it('that is opened twice, as by two services, never gives the same name twice', () => {
    const path = join(folder(), 'spool');
    const spools = [openSpoolDirectory(settings(path)), openSpoolDirectory(settings(path))];
    const names = Array.from({ length: 50 }, (_, index) => spools[index % 2]!.newPath());
    expect(new Set(names).size).toBe(50);
  });

  it('is not taken from somebody else', async () => {
    const path = join(folder(), 'spool');
    const spool = openSpoolDirectory(settings(path));
    rmSync(path, { recursive: true });
    writeFileSync(path, '');
    await expect(spool.restore()).rejects.toThrow('none at all');
  });
});

describe('the sweep at start', () => {
  it('removes the files of dead processes and nothing else', () => {
    const path = folder();
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const now = Math.floor(Date.now() / 1000) + 5;
    const left = [`100:${dead}:0`, `100:${process.pid}:3`, `${now}:4194305000:0`];
    const kept = [
      `100:${process.ppid}:0`,
      `${now}:${process.pid}:1`,
      `100:${dead}`,
      `100:${dead}:0.txt`,
      'note',
    ];
    for (const name of [...left, ...kept]) writeFileSync(join(path, name), '');
    symlinkSync(join(path, 'note'), join(path, `101:${dead}:0`));
    mkdirSync(join(path, `102:${dead}:0`));
    expect(sweepSpool(path)).toBe(left.length);
    expect(readdirSync(path).sort()).toEqual([...kept, `101:${dead}:0`, `102:${dead}:0`].sort());
  });
});
