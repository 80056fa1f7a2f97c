/** Files that are made whole before anybody finds them, and the directories they stand in. */

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Rehearsal } from '../../host/errors/rehearsal.ts';
import { DirectorySync } from '../../host/message/directory-sync.ts';
import { SystemFiles } from '../../host/services/files.ts';
import { clock, folder } from '../message/folder.ts';

const files = new SystemFiles(clock);
const octets = (text: string): Buffer => Buffer.from(text);
const openFiles = (): number => readdirSync('/proc/self/fd').length;

function withUmask(mask: number): void {
  const before = process.umask(mask);
  onTestFinished(() => void process.umask(before));
}

describe('a staged file', () => {
  it('holds what was written, head first, from blocks at hand and from blocks that come later', async () => {
    const path = join(folder(), 'f');
    const file = await files.stage(path, { mode: 0o600 });
    async function* later() {
      await Promise.resolve();
      yield octets('three ');
      yield octets('x'.repeat(1_100_000));
    }
    await file.write(octets('one '), [octets('two ')]);
    await file.write(octets(''), later());
    await file.sync();
    await file.close();
    expect(readFileSync(path, 'latin1')).toBe(`one two three ${'x'.repeat(1_100_000)}`);
  });

  it('has all bits of its mode whatever the umask is, or those the umask leaves', async () => {
    withUmask(0o077);
    const root = folder();
    for (const [name, isMasked, mode] of [
      ['all', false, 0o660],
      ['masked', true, 0o600],
    ] as const) {
      await (await files.stage(join(root, name), { mode: 0o660, isMasked })).close();
      expect(lstatSync(join(root, name)).mode & 0o777).toBe(mode);
    }
  });

  it('takes the place of nothing, not even of a link that leads nowhere', async () => {
    const root = folder();
    writeFileSync(join(root, 'f'), 'theirs');
    symlinkSync(join(root, 'nowhere'), join(root, 'link'));
    for (const name of ['f', 'link'])
      await expect(files.stage(join(root, name), { mode: 0o600 })).rejects.toMatchObject({
        code: 'EEXIST',
        syscall: 'open',
      });
    expect(readdirSync(root).sort()).toEqual(['f', 'link']);
  });

  it('is found under its new name after a rename, and removed from there when it is discarded', async () => {
    const root = folder();
    const before = openFiles();
    const file = await files.stage(join(root, 'tmp'), { mode: 0o600 });
    await file.write(octets('x'));
    await file.rename(join(root, 'new'));
    expect(readdirSync(root)).toEqual(['new']);
    await file.discard();
    await file.discard();
    expect(readdirSync(root)).toEqual([]);
    expect(openFiles()).toBe(before);
  });

  it('gets a second name by a link unless something has it', async () => {
    const root = folder();
    writeFileSync(join(root, 'taken'), 'theirs');
    const file = await files.stage(join(root, 'tmp'), { mode: 0o600 });
    await file.write(octets('ours'));
    expect(await file.link(join(root, 'taken'))).toBe(false);
    expect(await file.link(join(root, 'free'))).toBe(true);
    await expect(file.link(join(root, 'no/where'))).rejects.toMatchObject({
      code: 'ENOENT',
      syscall: 'link',
    });
    await file.discard();
    expect(readdirSync(root).sort()).toEqual(['free', 'taken']);
    expect(readFileSync(join(root, 'taken'), 'utf8')).toBe('theirs');
  });
});

describe('directories', () => {
  it('are made with all bits of the mode, with what is missing above, and may be there', () => {
    withUmask(0o077);
    const root = folder();
    files.prepareDirectory(join(root, 'a', 'b'), 0o770);
    files.prepareDirectory(join(root, 'a', 'b'), 0o700);
    for (const name of ['a', 'a/b']) expect(lstatSync(join(root, name)).mode & 0o777).toBe(0o770);
  });

  it('that cannot be used are named in words that an operator can act on', () => {
    const root = folder();
    writeFileSync(join(root, 'file'), '');
    expect(() => files.prepareDirectory(join(root, 'file'), 0o700)).toThrow(/^is no directory$/);
    expect(() => files.prepareDirectory(join(root, 'file', 'x'), 0o700)).toThrow(
      `${root}/file is no directory`,
    );
    if (process.geteuid!() === 0) return;
    mkdirSync(join(root, 'closed'));
    chmodSync(join(root, 'closed'), 0o500);
    expect(() => files.prepareDirectory(join(root, 'closed'), 0o700)).toThrow(
      /may not write to the directory .*closed \(EACCES\)/,
    );
  });

  it('one at a time while mail is delivered, with the error of the system', async () => {
    const root = folder();
    await files.makeDirectory(join(root, 'a'), 0o700);
    await expect(files.makeDirectory(join(root, 'a'), 0o700)).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(files.makeDirectory(join(root, 'b', 'c'), 0o700)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('are synced once for all who wait', async () => {
    const opened: string[] = [];
    const syncs = new DirectorySync((path) => {
      opened.push(path);
      return open(path, 'r');
    });
    const root = folder();
    const shared = new SystemFiles(clock, undefined, syncs);
    await Promise.all(Array.from({ length: 50 }, () => shared.syncDirectory(root)));
    expect(opened.length).toBeLessThanOrEqual(2);
    expect(new Set(opened)).toEqual(new Set([root]));
  });

  it('are listed with the kinds of what is in them', async () => {
    const root = folder();
    mkdirSync(join(root, 'd'));
    writeFileSync(join(root, 'f'), '');
    symlinkSync('d', join(root, 'l'));
    spawnSync('mkfifo', [join(root, 'p')]);
    const listed = [...(await files.list(root))].sort((a, b) => a.name.localeCompare(b.name));
    expect(listed.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'd directory',
      'f file',
      'l link',
      'p other',
    ]);
    expect(await files.kindOf(join(root, 'l'))).toBe('directory');
    const targets = ['l', 'f', 'd', 'none', 'f/x'].map((name) => files.linkTarget(join(root, name)));
    expect(await Promise.all(targets)).toEqual(['d', undefined, undefined, undefined, undefined]);
    expect(await files.kindOf(join(root, 'f', 'x'))).toBeUndefined();
    await expect(files.list(join(root, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

it('the head of a file that others made is read without following a link or waiting', async () => {
  const root = folder();
  writeFileSync(join(root, 'f'), 'müller@x\nmore');
  symlinkSync('f', join(root, 'l'));
  spawnSync('mkfifo', [join(root, 'p')]);
  const heads = ['f', 'l', 'p', '.', 'none'].map((name) => files.readHead(join(root, name), 9));
  expect(await Promise.all(heads)).toEqual(['müller@x', '', '', '', undefined]);
});

it('in a rehearsal nothing is made, and what a start would make is named', async () => {
  const root = folder();
  const rehearsal = new Rehearsal();
  const looking = new SystemFiles(clock, rehearsal);
  looking.prepareDirectory(join(root, 'in', 'tmp'), 0o700);
  looking.expectDirectory(join(root, 'out'));
  await looking.makeDirectory(join(root, 'one'), 0o700);
  const file = await looking.stage(join(root, 'staged'), { mode: 0o600 });
  await file.write(octets('x'), [octets('y')]);
  await file.sync();
  await file.close();
  await file.rename(join(root, 'final'));
  expect(await file.link(join(root, 'one'))).toBe(false);
  await file.discard();
  await looking.syncDirectory(join(root, 'one'));
  expect(readdirSync(root)).toEqual([]);
  expect(rehearsal.made).toEqual(['in', 'out', 'one', 'final'].map((name) => join(root, name)));
  await expect(looking.stage(join(root, 'no', 'f'), { mode: 0o600 })).rejects.toMatchObject({
    code: 'ENOENT',
  });
});
