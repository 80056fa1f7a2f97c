/** `qpsmtpd check` makes nothing, says what a start would make, and names everything that is wrong at once. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { qpsmtpd } from '../../host/cli/main.ts';
import { runGuarded } from '../../host/cli/program.ts';
import { smtpDaemon } from '../../host/embed/smtp-daemon.ts';
import { put, scratch } from '../config/scratch.ts';

async function run(...args: string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal = { out: (line: string) => void out.push(line), err: (line: string) => void err.push(line) };
  const code = await runGuarded((words) => qpsmtpd(words, smtpDaemon, terminal), args, terminal);
  return { code, out, err: err.flatMap((text) => text.split('\n')) };
}

const check = (root: string) => run('check', '--config', root, '--user', userInfo().username);

const below = (root: string): string[] => readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();

/** Everything that plugins make at a start, in folders below `root`. */
const MAKERS = (root: string): string =>
  [
    `greylisting upgrade 1`,
    `karma db_dir ${root}/karma`,
    'content_log',
    'rcpt_ok',
    `queue/quarantine maildir ${root}/held`,
    `queue/spool ${root}/out via routes`,
    `queue/maildir ${root}/users %d/%l`,
    '',
  ].join('\n');

const files = (root: string) => ({
  plugins: MAKERS(root),
  routes: `* maildir ${root}/deep/mail\n`,
  logging: `logging/file loglevel LOGINFO ${root}/qpsmtpd.log\nlogging/json ${root}/json.log\n`,
  spool_dir: `${root}/spool\n`,
  store_dir: `${root}/store\n`,
  content_log_file: `${root}/mail.log\n`,
});

describe('makes nothing', () => {
  test('of all that the daemon would make, and lists it', async () => {
    const root = scratch();
    put(root, files(root));
    const before = below(root);
    const { code, out } = await check(root);
    expect(below(root)).toEqual(before);
    expect(code).toBe(0);
    expect(out.slice(out.indexOf('the daemon would make:') + 1)).toEqual(
      ['store', 'karma', 'held', 'out', 'deep', 'users', 'spool', 'qpsmtpd.log', 'json.log'].map(
        (name) => `      ${root}/${name}`,
      ),
    );
  });

  test('of what several services would make, and lists it once', async () => {
    const root = scratch();
    put(root, files(root));
    put(root, {
      'plugins.submission': '$include plugins\n',
      listeners: 'tcp://127.0.0.1:25\ntcp://127.0.0.1:587 service=submission\n',
    });
    const before = below(root);
    const { code, out, err } = await check(root);
    expect([code, err]).toEqual([0, []]);
    expect(below(root)).toEqual(before);
    const made = out.slice(out.indexOf('the daemon would make:') + 1).map((line) => line.trim());
    expect(made.filter((line) => line === `${root}/spool`)).toHaveLength(1);
    expect(made).toContain(`${root}/out`);
  });

  test('and removes nothing from the spool, nor asks the store', async () => {
    const root = scratch();
    put(root, { plugins: `mine\nrcpt_ok\n`, plugin_dirs: root, spool_dir: `${root}/spool\n` });
    put(root, { 'spool/1000000000:999999999:0': 'left by a dead process' });
    writeFileSync(
      join(root, 'mine.js'),
      `export default { name: 'mine', about: '', hooks({ services, log }) {
        services.store.open('mine', { at: 'lmdb:${root}/mine' }).set('a', 'b').catch(({ message }) => log.warn(message));
        services.files.append('${root}/mine.log', [Buffer.from('x')]);
        services.files.prepareDirectory('${root}/mine-mail', 0o700);
        return {};
      } };\n`,
    );
    const before = below(root);
    const { code, out } = await check(root);
    expect(code).toBe(0);
    expect(out.join('\n')).toContain(`${root}/mine.log`);
    expect(below(root)).toEqual(before);
  });

  test('nor does `plugin list`', async () => {
    const root = scratch();
    put(root, files(root));
    const before = below(root);
    const { code, out } = await run('plugin', 'list', '--config', root);
    expect([code, out.length > 10]).toEqual([0, true]);
    expect(below(root)).toEqual(before);
  });
});

test('the sample has no file without effect but those of the service that its listeners leave out', async () => {
  const { out } = await check('config.sample');
  const told = out.filter((line) => line.includes('nothing reads'));
  expect(told).toEqual([
    expect.stringMatching(
      /\/auth_required\.submission, plugins\.submission, tls_before_auth\.submission: nothing reads them: no listener says `service=submission`$/,
    ),
  ]);
});

describe('what is wrong', () => {
  test('is named in one round, each line by file and number, in their order', async () => {
    const root = scratch();
    put(root, {
      plugins: [
        'rcpt_okay',
        'badmailfrom',
        'earlytalker wait soon reject maybe',
        'dspam',
        `tls ${root}/none.crt ${root}/none.key`,
        'queue/routes',
        `queue/maildir ${root}/file/mail`,
        `karma db_dir ${root}/file`,
        `queue/spool ${root}/file/out via discard`,
        '',
      ].join('\n'),
      logging: `logging/syslog logsock console\nlogging/file ${root}/none/q.log\nlogging/wran\n`,
      routes: 'example.org\n* smtp-forward\nexample.net maildir relative%\n@@ discard\n* discard\n',
      badmailfrom: '^fine$\n^(unbalanced\nalso@fine.example\n*nothing to repeat\n',
      databytes: 'many\n',
      loglevel: '9\n',
      xclient_hosts: '192.0.2.1\nnobody\n192.0.2.300\n',
      spool_dir: `${root}/none/spool\n`,
      file: 'a file, and no directory\n',
    });
    const { code, err, out } = await check(root);
    expect(code).toBe(78);
    expect(out).toEqual([]);
    const places = err.map((line) => line.slice(root.length + 1).replace(/^([^:]*:\d+|[^:]*): .*/, '$1'));
    expect(places).toEqual([
      'badmailfrom:2',
      'badmailfrom:4',
      'databytes:1',
      'logging:1',
      'logging:2',
      'logging:3',
      'loglevel:1',
      'none.crt',
      'plugins:1',
      'plugins:3',
      'plugins:3',
      'plugins:4',
      'plugins:7',
      'plugins:8',
      'plugins:9',
      'routes:1',
      'routes:2',
      'routes:3',
      'routes:4',
      'routes:5',
      'spool_dir:1',
      'xclient_hosts:2',
      'xclient_hosts:3',
    ]);
    expect(err.filter((line) => !line.startsWith(root))).toEqual([]);
    expect(below(root)).not.toContain('none');
  });

  test('goes together with the files that have no effect', async () => {
    const root = scratch();
    put(root, {
      plugins: 'rcpt_ok on\n',
      spool_dir: `${root}/spool\n`,
      rcpthosts: 'a.example\n',
      IP: '192.0.2.1\n',
    });
    const { code, err, out } = await check(root);
    expect([code, err.length]).toEqual([78, 1]);
    // The line of rcpt_ok is wrong, but its list has a reader.
    expect(out).toEqual(['files that have no effect:', expect.stringMatching(/IP: nothing reads it/)]);
  });

  test('is a missing file `plugins`, too', async () => {
    const root = scratch();
    put(root, { databytes: 'many\n' });
    const { code, err } = await check(root);
    expect(code).toBe(78);
    expect(err).toEqual([
      expect.stringMatching(/databytes:1: /),
      expect.stringMatching(/plugins: not found/),
    ]);
  });
});

test('the log files are left alone, and warnings go to the caller', async () => {
  const root = scratch();
  put(root, { ...files(root), 'qpsmtpd.log': 'as it was\n' });
  await check(root);
  expect(readFileSync(join(root, 'qpsmtpd.log'), 'utf8')).toBe('as it was\n');
});

describe('what plugins look for themselves', () => {
  const checking = (name: string, look: string): string =>
    `export default { name: '${name}', about: '', hooks({ onCheck, services }) {
      onCheck(${look});
      return {};
    } };\n`;

  test('is printed: sentences with file and line, lists of one kind as one, and nothing for nothing', async () => {
    const root = scratch();
    put(root, {
      plugins: 'rcpt_ok\none\ntwo\nthree\nfour\n',
      plugin_dirs: root,
      spool_dir: `${root}/spool\n`,
      'one.js': checking(
        'one',
        "async () => ({ headline: 'odd files:', items: ['a', 'b\\u0007'], remedy: 'remove them' })",
      ),
      'two.js': checking(
        'two',
        "() => ({ headline: 'odd files:', items: ['b\\u0007', 'c'], remedy: 'remove them' })",
      ),
      'three.js': checking('three', "() => 'the list is a year old'"),
      'four.js': checking('four', "() => ({ headline: 'none:', items: [], remedy: 'nothing to do' })"),
    });
    const { code, out } = await check(root);
    expect(code).toBe(0);
    expect(out.slice(out.indexOf('odd files:') - 1)).toEqual([
      '',
      'odd files:',
      '      a',
      '      b?',
      '      c',
      'remove them',
      '',
      'what plugins have found:',
      `      ${root}/plugins:4: three: the list is a year old`,
    ]);
  });

  test('fails the check where it cannot be looked for, with file and line', async () => {
    const root = scratch();
    put(root, {
      plugins: 'rcpt_ok\nbroken\n',
      plugin_dirs: root,
      spool_dir: `${root}/spool\n`,
      'broken.js': checking('broken', "() => services.files.list('/no/such/directory')"),
    });
    const { code, out, err } = await check(root);
    expect([code, out]).toEqual([78, []]);
    expect(err).toHaveLength(1);
    expect(err[0]).toMatch(
      new RegExp(`^${root}/plugins:2: broken: could not look around: .*ENOENT.*'/no/such/directory'`),
    );
  });
});
