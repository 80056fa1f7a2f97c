import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { domainToASCII } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SystemFiles } from '../../host/services/files.ts';
import { unclaimedFolders } from '../../plugins/queue/maildir/folder-choice.ts';
import { layoutOf, type MaildirOptions } from '../../plugins/queue/maildir/layout.ts';
import { clock, folder } from '../message/folder.ts';
import { delivered, deliveries, into } from './maildir.ts';
import { messageOf, transactionOf } from './transaction.ts';

describe('folders of addresses that qpsmtpd writes in one way', () => {
  const pattern = { subdirectory: '%d/%l' };
  const message = messageOf('From: a\r\n\r\nx\r\n');
  const deliver = (
    root: string,
    to: readonly string[],
    more: Partial<MaildirOptions> = {},
    service = deliveries(),
  ) => service.deliver(transactionOf(message, to), into(root, { ...pattern, ...more }));
  /** A Maildir as it was made before, with a message in it. */
  const makeOld = (root: string, path: string): string => {
    const maildir = join(root, path);
    for (const name of ['new', 'cur', 'tmp']) mkdirSync(join(maildir, name), { recursive: true });
    writeFileSync(join(maildir, 'new', 'old'), 'old');
    return maildir;
  };
  const inFolder = (root: string, path: string): readonly string[] =>
    readdirSync(join(root, path, 'new'))
      .filter((name) => name !== 'old')
      .map((name) => /Delivered-To: (.*)/.exec(readFileSync(join(root, path, 'new', name), 'utf8'))![1]!)
      .sort();
  const ownerOf = (root: string, path: string): string =>
    readFileSync(join(root, path, 'qpsmtpd-address'), 'utf8');

  it.each([
    ['müller@x', 'möller@x'],
    ['张@x', '李@x'],
    ["o'brien@x", 'o_brien@x'],
    ['post@bär.example', 'post@bör.example'],
  ])('are two for %s and %s', async (one, other) => {
    const root = folder();
    await deliver(root, [one, other]);
    const found = readdirSync(root).flatMap((domain) =>
      readdirSync(join(root, domain)).map((user) => inFolder(root, `${domain}/${user}`)),
    );
    expect(found.sort()).toEqual([[one], [other]].sort());
  });

  it('are one for one mailbox, and the message is in it once, with every address it came for', async () => {
    const root = folder();
    const to = [
      'User+a@bär.example',
      'user@xn--br-via.example',
      'USER@BÄR.example',
      'user@xn--br-via.example',
    ];
    await deliver(root, to, { isLowerCase: true, separator: '+' });
    expect(readdirSync(root)).toEqual(['xn--br-via.example']);
    const [text, ...others] = delivered(join(root, 'xn--br-via.example', 'user'));
    expect(others).toEqual([]);
    expect(
      Buffer.from(text!, 'latin1')
        .toString()
        .match(/^Delivered-To: .*$/gm),
    ).toEqual([
      'Delivered-To: user@xn--br-via.example',
      'Delivered-To: USER@BÄR.example',
      'Delivered-To: User+a@bär.example',
    ]);
  });

  it('stay as they are for the first address that gets mail there, which is recorded', async () => {
    const root = folder();
    makeOld(root, 'x/m_ller');
    await deliver(root, ['müller@x']);
    await deliver(root, ['möller@X', 'mu\u0308ller@x']);
    // Another process knows only what is on the disk.
    await deliver(root, ['möller@x', 'müller@x', 'm_ller@x']);
    expect(ownerOf(root, 'x/m_ller')).toBe('müller@x\n');
    expect(inFolder(root, 'x/m_ller')).toEqual(['mu\u0308ller@x', 'müller@x', 'müller@x']);
    expect(inFolder(root, 'x/möller')).toEqual(['möller@X', 'möller@x']);
    expect(inFolder(root, 'x/m%5Fller')).toEqual(['m_ller@x']);
    expect(lstatSync(join(root, 'x/m_ller/qpsmtpd-address')).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(root, 'x/m_ller/tmp'))).toEqual([]);
  });

  it('are found by either spelling of the domain, and an address with `_` has its plain one if nobody had it', async () => {
    const root = folder();
    makeOld(root, 'b_r.example/post');
    await deliver(root, ['post@xn--br-via.example', 'post@bör.example', 'a_b@x']);
    expect(inFolder(root, 'b_r.example/post')).toEqual(['post@xn--br-via.example']);
    expect(inFolder(root, `${domainToASCII('bör.example')}/post`)).toEqual(['post@bör.example']);
    expect(ownerOf(root, 'x/a_b')).toBe('a_b@x\n');
    await deliver(root, ["a'b@x"]);
    expect(inFolder(root, 'x/a%27b')).toEqual(["a'b@x"]);
  });

  it('are made with `_` if the layout says so, and only for the first', async () => {
    const root = folder();
    await deliver(root, ['müller@x', 'möller@x'], { isNamedAsBefore: true });
    expect(inFolder(root, 'x/m_ller')).toEqual(['müller@x']);
    expect(inFolder(root, 'x/möller')).toEqual(['möller@x']);
  });

  it('belong to the address an operator has written into them; what is no address is somebody else', async () => {
    const root = folder();
    writeFileSync(join(makeOld(root, 'x/m_ller'), 'qpsmtpd-address'), 'möller@X\n');
    writeFileSync(join(makeOld(root, 'x/o_brien'), 'qpsmtpd-address'), '');
    await deliver(root, ['müller@x', 'möller@x', "o'brien@x", 'o_brien@x']);
    expect(inFolder(root, 'x/m_ller')).toEqual(['möller@x']);
    expect(inFolder(root, 'x/müller')).toEqual(['müller@x']);
    expect(inFolder(root, 'x/o_brien')).toEqual([]);
    expect(inFolder(root, 'x/o%27brien')).toEqual(["o'brien@x"]);
    expect(inFolder(root, 'x/o%5Fbrien')).toEqual(['o_brien@x']);
  });

  it('have one owner when many first messages for two addresses come together', async () => {
    const root = folder();
    makeOld(root, 'x/m_ller');
    const processes = [deliveries(), deliveries(), deliveries()];
    const all = Array.from({ length: 24 }, (_, i) =>
      deliver(root, [i % 2 === 0 ? 'müller@x' : 'möller@x'], {}, processes[i % 3]),
    );
    await Promise.all(all);
    const owner = ownerOf(root, 'x/m_ller').trim();
    const other = owner === 'müller@x' ? 'möller' : 'müller';
    expect(inFolder(root, 'x/m_ller')).toEqual(Array.from({ length: 12 }, () => owner));
    expect(inFolder(root, `x/${other}`)).toEqual(Array.from({ length: 12 }, () => `${other}@x`));
  });

  it('get their record back when somebody removes them while the daemon runs', async () => {
    const root = folder();
    const service = deliveries();
    await deliver(root, ['o_brien@x'], {}, service);
    rmSync(join(root, 'x'), { recursive: true });
    await deliver(root, ['o_brien@x'], {}, service);
    await deliver(root, ["o'brien@x"], {}, service);
    expect(ownerOf(root, 'x/o_brien')).toBe('o_brien@x\n');
    expect(inFolder(root, 'x/o_brien')).toEqual(['o_brien@x']);
    expect(inFolder(root, 'x/o%27brien')).toEqual(["o'brien@x"]);
  });

  it('are not chosen by what a mailbox owner plants there: a link, a pipe', async () => {
    const root = folder();
    const secret = join(root, 'secret');
    writeFileSync(secret, 'müller@x\n');
    symlinkSync(secret, join(makeOld(root, 'x/m_ller'), 'qpsmtpd-address'));
    await deliver(root, ['müller@x']);
    expect(inFolder(root, 'x/müller')).toEqual(['müller@x']);
    const { status } = spawnSync('mkfifo', [join(makeOld(root, 'x/o_brien'), 'qpsmtpd-address')]);
    expect(status).toBe(0);
    await deliver(root, ["o'brien@x"]);
    expect(inFolder(root, 'x/o%27brien')).toEqual(["o'brien@x"]);
  });

  it('are listed for an operator until somebody is recorded', async () => {
    const root = folder();
    const unclaimed = async (directory: string, subdirectory: string): Promise<string[]> => {
      const found: string[] = [];
      const layout = layoutOf(into(directory, { subdirectory }))!;
      for await (const path of unclaimedFolders(layout, new SystemFiles(clock))) found.push(path);
      return found.sort();
    };
    const all = async (): Promise<string[]> => [
      ...(await unclaimed(root, '%d/mail-%l/in')),
      ...(await unclaimed(join(root, 'none'), '%u')),
    ];
    for (const path of [
      'x/mail-m_ller/in',
      'b_r.example/mail-post/in',
      'x/mail-a/in',
      'x/mail-a%5Fb/in',
      'x/a_b/in',
    ])
      makeOld(root, path);
    expect(await all()).toEqual([join(root, 'b_r.example/mail-post/in'), join(root, 'x/mail-m_ller/in')]);
    await deliver(root, ['m_ller@x', 'post@bär.example'], { subdirectory: '%d/mail-%l/in' });
    expect(await all()).toEqual([]);
  });
});
