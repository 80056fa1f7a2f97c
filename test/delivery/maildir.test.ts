import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Message } from '../../bindings/plugin/message.ts';
import { DirectorySync } from '../../host/message/directory-sync.ts';
import { StoredMessage } from '../../host/message/stored-message.ts';
import { core } from '../message/core.ts';
import { folder, spoolIn } from '../message/folder.ts';
import { smallDisk } from '../message/small-disk.ts';
import { delivered, deliveries, into } from './maildir.ts';
import { messageOf, transactionOf } from './transaction.ts';

function prepared(): string {
  const path = join(folder(), 'Maildir');
  deliveries().prepare(path, 0o700);
  return path;
}

const openFiles = (): number => readdirSync('/proc/self/fd').length;

describe('delivery into one Maildir', () => {
  it('writes Return-Path, Delivered-To with the last recipient first, then the message with LF', async () => {
    const maildir = prepared();
    const message = messageOf('From: a\r\n\r\n.dot\r\nbody\r\n');
    message.header.prepend('Received', 'from x\n by y');
    await deliveries().deliver(transactionOf(message, ['postmaster', 'User@Good.Example']), into(maildir));
    expect(delivered(maildir)).toEqual([
      'Return-Path: <s@c.example>\nDelivered-To: User@Good.Example\nDelivered-To: postmaster\n' +
        'Received: from x\n by y\nFrom: a\n\n.dot\nbody\n',
    ]);
    const name = readdirSync(join(maildir, 'new'))[0]!;
    expect(name).toMatch(/^1795354336\.P\d+M512000Q\d+\..+$/);
    expect(lstatSync(join(maildir, 'new', name)).mode & 0o777).toBe(0o600);
  });

  it('writes the null reverse-path as <> and lets no address end its line', async () => {
    const maildir = prepared();
    await deliveries().deliver(transactionOf(messageOf('\r\nx'), ['a\r\nX: y@b'], ''), into(maildir));
    expect(delivered(maildir)).toEqual(['Return-Path: <>\nDelivered-To: a??X: y@b\n\nx']);
  });

  it('delivers large messages in memory and on disk octet by octet', async () => {
    const maildir = prepared();
    const body = Array.from({ length: 60_000 }, (_, i) => `line ${i} ${'x'.repeat(i % 60)}\r\n`).join('');
    const whole = Buffer.from(`From: a\r\n\r\n${body}`);
    for (const sizeThreshold of [Infinity, 1_000]) {
      const message = new StoredMessage(core, { sizeThreshold, spool: spoolIn(folder()).spool });
      for (let at = 0; at < whole.length; at += 33_333)
        message.content.append(whole.subarray(at, at + 33_333));
      await message.complete(0, 0);
      await deliveries().deliver(transactionOf(message, []), into(maildir));
      await message.discard();
    }
    const expected = `Return-Path: <s@c.example>\n${whole.toString().replaceAll('\r\n', '\n')}`;
    const found = delivered(maildir);
    expect(found).toHaveLength(2);
    expect(found.every((text) => text === expected)).toBe(true);
  });

  it('shares directory syncs between deliveries at the same time, and closes every file', async () => {
    const maildir = prepared();
    let syncs = 0;
    const counting = new DirectorySync(async (path) => {
      const handle = await open(path, 'r');
      return {
        sync: (): Promise<void> => {
          syncs++;
          return handle.sync();
        },
        close: () => handle.close(),
      };
    });
    const before = openFiles();
    const service = deliveries(counting);
    const message = messageOf('From: a\r\n\r\nx\r\n');
    const all = Array.from({ length: 200 }, (_, i) =>
      service.deliver(transactionOf(message, [`user${i}@x`]), into(maildir)),
    );
    await Promise.all(all);
    expect(new Set(delivered(maildir)).size).toBe(200);
    expect(syncs).toBeGreaterThan(0);
    expect(syncs).toBeLessThan(100);
    expect(openFiles()).toBe(before);
  });

  it('resolves only after new/ was synced, when the file is there', async () => {
    const maildir = prepared();
    const seen: string[][] = [];
    const watching = new DirectorySync(async (path) => {
      const handle = await open(path, 'r');
      const sync = async (): Promise<void> => {
        seen.push([path, ...readdirSync(path)]);
        await handle.sync();
      };
      return { sync, close: () => handle.close() };
    });
    await deliveries(watching).deliver(transactionOf(messageOf('\r\nx'), ['a@b']), into(maildir));
    expect(seen).toEqual([[join(maildir, 'new'), expect.stringMatching(/^1795354336/)]]);
  });

  it('gives files the bits of the mode without execution, whatever the umask is', async () => {
    const maildir = prepared();
    const umask = process.umask(0o077);
    onTestFinished(() => void process.umask(umask));
    await deliveries().deliver(transactionOf(messageOf('\r\nx'), ['a@b']), into(maildir, { mode: 0o770 }));
    const name = readdirSync(join(maildir, 'new'))[0]!;
    expect(lstatSync(join(maildir, 'new', name)).mode & 0o777).toBe(0o660);
  });
});

describe('delivery into a Maildir per recipient', () => {
  const pattern = { subdirectory: '%d/%l' };

  it('makes the Maildirs it needs and writes one file each, with its own Delivered-To', async () => {
    const root = join(folder(), 'all');
    const message = messageOf('From: a\r\n\r\nx\r\n');
    const umask = process.umask(0o077);
    onTestFinished(() => void process.umask(umask));
    for (let i = 0; i < 2; i++) {
      await deliveries().deliver(
        transactionOf(message, ['A@x', 'b@x', 'b@y']),
        into(root, { ...pattern, mode: 0o750 }),
      );
    }
    for (const [path, mailbox] of [
      ['x/A', 'A@x'],
      ['x/b', 'b@x'],
      ['y/b', 'b@y'],
    ] as const) {
      const text = `Return-Path: <s@c.example>\nDelivered-To: ${mailbox}\nFrom: a\n\nx\n`;
      expect(delivered(join(root, path))).toEqual([text, text]);
      expect(readdirSync(join(root, path)).sort()).toEqual(['cur', 'new', 'tmp']);
      for (const made of ['..', '.', 'tmp'])
        expect(lstatSync(join(root, path, made)).mode & 0o777).toBe(0o750);
    }
  });

  it('makes a Maildir once when many first messages for it come together', async () => {
    const root = folder();
    const service = deliveries();
    const message = messageOf('\r\nx');
    const all = Array.from({ length: 30 }, () =>
      service.deliver(transactionOf(message, ['a@x']), into(root, pattern)),
    );
    await Promise.all(all);
    expect(delivered(join(root, 'x', 'a'))).toHaveLength(30);
  });

  it('makes tmp/ when new/ is durable: who can write to the one can move to the other', async () => {
    const root = folder();
    const maildir = join(root, 'x', 'a');
    const seen: string[][] = [];
    const watching = new DirectorySync(async (path) => {
      const handle = await open(path, 'r');
      if (path === maildir) seen.push(readdirSync(path).sort());
      return handle;
    });
    await deliveries(watching).deliver(transactionOf(messageOf('\r\nx'), ['a@x']), into(root, pattern));
    expect(seen).toEqual([['new'], ['cur', 'new'], ['cur', 'new', 'tmp']]);
  });

  it('delivers to nobody if one recipient can not be delivered to', async () => {
    const root = folder();
    const message = messageOf('\r\nx');
    await deliveries().deliver(transactionOf(message, ['a@x']), into(root, pattern));
    const bad = deliveries().deliver(transactionOf(message, ['a@x', '../../etc@x']), into(root, pattern));
    await expect(bad).rejects.toMatchObject({ code: 'Q_DELIVERY' });
    writeFileSync(join(root, 'x', 'file'), '');
    const blocked = deliveries().deliver(transactionOf(message, ['a@x', 'file@x']), into(root, pattern));
    await expect(blocked).rejects.toMatchObject({ step: 'open', cause: { code: 'ENOTDIR' } });
    rmSync(join(root, 'x', 'b'), { recursive: true, force: true });
    deliveries().prepare(join(root, 'x', 'b'), 0o700);
    rmSync(join(root, 'x', 'b', 'new'), { recursive: true });
    writeFileSync(join(root, 'x', 'b', 'new'), '');
    const late = deliveries().deliver(transactionOf(message, ['a@x', 'b@x']), into(root, pattern));
    await expect(late).rejects.toMatchObject({ step: 'link', cause: { code: 'ENOTDIR' } });
    expect(delivered(join(root, 'x', 'a'))).toHaveLength(1);
    expect(readdirSync(join(root, 'x', 'b', 'tmp'))).toEqual([]);
  });

  it('refuses a message without recipients, which would be lost', async () => {
    const lost = deliveries().deliver(transactionOf(messageOf('\r\nx'), []), into(folder(), pattern));
    await expect(lost).rejects.toThrow('no recipients');
  });
});

describe('a delivery that fails', () => {
  const deliver = (maildir: string, message: Message, syncs?: DirectorySync): Promise<void> =>
    deliveries(syncs).deliver(transactionOf(message, ['a@b']), into(maildir));

  it('names step and path', async () => {
    const maildir = join(folder(), 'file');
    writeFileSync(maildir, '');
    await expect(deliver(maildir, messageOf('\r\nx'))).rejects.toThrow(
      new RegExp(`^queue error \\(open\\): ${maildir}/tmp/1795354336\\..*: ENOTDIR`),
    );
  });

  it('leaves nothing in tmp/ when the message can not be read any more', async () => {
    const maildir = prepared();
    const before = openFiles();
    const message = new StoredMessage(core, { sizeThreshold: 1, spool: spoolIn(folder()).spool });
    message.content.append(Buffer.from('From: a\r\n\r\n'));
    await message.complete(0, 0);
    const blocks = message.blocks('lf');
    await message.discard();
    const broken: Message = { ...message, header: message.header, octets: 0, blocks: () => blocks } as never;
    await expect(deliver(maildir, broken)).rejects.toMatchObject({ code: 'Q_NO_MESSAGE' });
    const failing = messageOf('\r\nx');
    await failing.discard();
    await expect(deliver(maildir, failing)).rejects.toMatchObject({ code: 'Q_NO_MESSAGE' });
    expect(delivered(maildir)).toEqual([]);
    expect(openFiles()).toBe(before);
  });

  it('takes the message out of new/ again when the directory can not be synced', async () => {
    const maildir = prepared();
    const failing = new DirectorySync(async (path) => {
      const handle = await open(path, 'r');
      const sync = (): Promise<void> =>
        Promise.reject(Object.assign(new Error('EIO: i/o error'), { code: 'EIO' }));
      return { sync, close: () => handle.close() };
    });
    await expect(deliver(maildir, messageOf('\r\nx'), failing)).rejects.toMatchObject({
      code: 'Q_DELIVERY',
      step: 'sync',
      path: join(maildir, 'new'),
      cause: { code: 'EIO' },
    });
    expect(delivered(maildir)).toEqual([]);
  });

  it('says Q_DISK_FULL on a full disk, and delivers again when there is room', async () => {
    const disk = smallDisk();
    const maildir = join(disk, 'Maildir');
    deliveries().prepare(maildir, 0o700);
    const before = openFiles();
    const large = messageOf(`From: a\r\n\r\n${'x'.repeat(200_000)}\r\n`);
    await expect(deliver(maildir, large)).rejects.toMatchObject({
      code: 'Q_DISK_FULL',
      step: 'write',
      cause: { code: 'ENOSPC' },
    });
    expect(delivered(maildir)).toEqual([]);
    expect(openFiles()).toBe(before);
    await deliver(maildir, messageOf('\r\nx'));
    expect(delivered(maildir)).toHaveLength(1);
  });

  it('says so on a file system that is read-only, and delivers again when it is not', async () => {
    const disk = smallDisk();
    const maildir = join(disk, 'Maildir');
    deliveries().prepare(maildir, 0o700);
    const mount = (how: string): unknown => spawnSync('mount', ['-o', `remount,${how}`, disk]).status;
    expect(mount('ro')).toBe(0);
    await expect(deliver(maildir, messageOf('\r\nx'))).rejects.toMatchObject({
      code: 'Q_DELIVERY',
      step: 'open',
      cause: { code: 'EROFS' },
    });
    const perUser = deliveries().deliver(
      transactionOf(messageOf('\r\nx'), ['new@b']),
      into(disk, { subdirectory: '%l' }),
    );
    await expect(perUser).rejects.toMatchObject({
      code: 'Q_DELIVERY',
      step: 'mkdir',
      cause: { code: 'EROFS' },
    });
    expect(() => deliveries().prepare(join(disk, 'other'), 0o700)).toThrow(/EROFS.*\(make it/);
    expect(mount('rw')).toBe(0);
    await deliver(maildir, messageOf('\r\nx'));
    expect(delivered(maildir)).toHaveLength(1);
  });
});

describe('preparing a Maildir at start', () => {
  it('makes its three directories and all above with the mode, and accepts them when they are there', () => {
    const path = join(folder(), 'a', 'b');
    const umask = process.umask(0o077);
    onTestFinished(() => void process.umask(umask));
    deliveries().prepare(path, 0o770);
    deliveries().prepare(path, 0o700);
    expect(readdirSync(path).sort()).toEqual(['cur', 'new', 'tmp']);
    for (const made of ['..', '.', 'cur']) expect(lstatSync(join(path, made)).mode & 0o777).toBe(0o770);
  });

  it('throws with the path and a remedy when that can not be done', () => {
    const path = folder();
    writeFileSync(join(path, 'new'), '');
    expect(() => deliveries().prepare(path, 0o700)).toThrow(
      new RegExp(`^Maildir ${path}/new can't be used: is no directory \\(make it a directory that user`),
    );
    writeFileSync(join(path, 'file'), '');
    expect(() => deliveries().prepare(join(path, 'file', 'x'), 0o700)).toThrow(
      /file is no directory \(make it/,
    );
    symlinkSync(join(path, 'nowhere'), join(path, 'link'));
    expect(() => deliveries().prepare(join(path, 'link'), 0o700)).toThrow(/can't be used/);
  });

  it('throws when the user may not write there', ({ skip }) => {
    // access(2) asks for the real user, whom a process can not change for a while.
    if (process.getuid!() === 0) {
      process.stdout.write('skipped: throws when the user may not write there: root may write everywhere\n');
      skip('root may write everywhere');
    }
    const path = prepared();
    chmodSync(join(path, 'tmp'), 0o500);
    expect(() => deliveries().prepare(path, 0o700)).toThrow(/EACCES/);
    mkdirSync(join(path, 'x'));
  });
});
