/** What the commands say of services: `check`, `plugin list`, `queue`. */

import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { qpsmtpd } from '../../host/cli/main.ts';
import { runGuarded } from '../../host/cli/program.ts';
import { smtpDaemon } from '../../host/embed/smtp-daemon.ts';
import { put, scratch } from '../config/scratch.ts';

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal = { out: (line: string) => void out.push(line), err: (line: string) => void err.push(line) };
  const code = await runGuarded((words) => qpsmtpd(words, smtpDaemon, terminal), args, terminal);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

const check = (folder: string, ...args: string[]) =>
  run('check', '--config', folder, '--user', userInfo().username, ...args);

const folderOf = (files: Readonly<Record<string, string>>): string => {
  const folder = scratch();
  return put(folder, {
    plugins: 'rcpt_ok\nqueue/discard\n',
    'plugins.submission': 'relay\nrcpt_ok\nqueue/discard\n',
    listeners: 'tcp://127.0.0.1:25\ntcp://127.0.0.1:587 service=submission\n',
    spool_dir: `${folder}/spool\n`,
    databytes: '1000\n',
    ...files,
  });
};

describe('check', () => {
  test('shows the plugins and settings of each service that listeners name', async () => {
    const folder = folderOf({ 'databytes.submission': '2000\n' });
    const { code, out, err } = await check(folder);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(
      [
        'plugins, in the order in which they are asked:',
        '   1  rcpt_ok',
        '   2  queue/discard',
        '',
        'settings that differ from the defaults:',
        '      databytes 1000',
        `      spool_dir ${folder}/spool`,
        '      listeners tcp://127.0.0.1:25; tcp://127.0.0.1:587 service=submission',
        '',
        'plugins of the service submission, in the order in which they are asked:',
        '   1  relay',
        '   2  rcpt_ok',
        '   3  queue/discard',
        '',
        'settings of the service submission that differ from the defaults:',
        '      databytes.submission 2000',
      ].join('\n'),
    );
    expect(out).not.toContain('nothing reads it');
  });

  test('names what is wrong in the files of any service, and what they have in common once', async () => {
    const folder = folderOf({
      databytes: 'many\n',
      'plugins.submission': 'nonsense\nqueue/discard\n',
      'max_recipients.submission': '0\n',
    });
    const { code, err } = await check(folder);
    expect(code).toBe(78);
    expect(
      err.split('\n').map((line) => line.slice(folder.length + 1).replace(/^([^:]*:\d+).*/, '$1')),
    ).toEqual(['databytes:1', 'max_recipients.submission:1', 'plugins.submission:1']);
  });

  test('names the listener of a service without files', async () => {
    const folder = folderOf({ listeners: 'tcp://127.0.0.1:25\ntcp://127.0.0.1:587 service=submision\n' });
    const { code, err } = await check(folder);
    expect(code).toBe(78);
    expect(err).toContain(
      `${join(folder, 'listeners')}:2: service=submision: no file belongs to this service (did you mean submission?)`,
    );
  });

  test('tells files of services that nothing reads, and why', async () => {
    const folder = folderOf({
      listeners: 'tcp://127.0.0.1:25\ntcp://127.0.0.1:587 service=submission\n',
      'plugins.other': 'rcpt_ok\n',
      'databytes.other': '5\n',
      'plugins.third': 'rcpt_ok\n',
      'memory_budget.submission': '2000000\n',
      'badmailfrom.submission': 'a@x.example\n',
      'plugins.bak': 'rcpt_ok\n',
    });
    const { code, out } = await check(folder);
    expect(code).toBe(0);
    const told = out.split('\n').filter((line) => line.includes('nothing reads'));
    expect(told.map((line) => line.trim().slice(folder.length + 1))).toEqual([
      'badmailfrom.submission: nothing reads it: no plugin of the service submission does',
      'memory_budget.submission: nothing reads it: `memory_budget` is about the whole process, and no service has one of its own',
      'databytes.other, plugins.other: nothing reads them: no listener says `service=other`',
      'plugins.third: nothing reads it: no listener says `service=third`',
    ]);
  });

  test('takes a service that only the command line of the daemon will name', async () => {
    const folder = folderOf({ listeners: '' });
    const plain = await check(folder);
    expect(plain.out).toContain(
      'plugins.submission: nothing reads it: no listener says `service=submission`',
    );
    const { code, out } = await check(folder, '--service', 'submission');
    expect(code).toBe(0);
    expect(out).toContain('plugins of the service submission, in the order');
    expect(out).not.toContain('nothing reads it');
    expect(await check(folder, '--service', 'Sub.mission')).toMatchObject({
      code: 64,
      err: '--service: "Sub.mission" can be no service (small letters, digits and -, up to 32)',
    });
  });

  test('a listener of a service that begins with TLS needs a certificate of this service', async () => {
    const folder = folderOf({
      listeners: 'tcp://127.0.0.1:25\ntcp://127.0.0.1:465 service=submission tls=implicit\n',
    });
    const { code, err } = await check(folder);
    expect(code).toBe(78);
    expect(err).toContain(
      `${join(folder, 'plugins.submission')}:1: a listener of the service submission says tls=implicit, but there is no certificate`,
    );
  });
});

test('check says so where AUTH is required and no plugin can judge it', async () => {
  const folder = folderOf({ 'auth_required.submission': '1\n' });
  const { code, out } = await check(folder);
  expect(code).toBe(0);
  expect(out).toContain(
    `settings that keep clients out:\n      ${join(folder, 'auth_required.submission')}:1: MAIL is refused before AUTH, which no plugin of ${join(folder, 'plugins.submission')} can judge (add auth/auth_flat_file, for one)`,
  );
  put(folder, { 'plugins.submission': 'auth/auth_flat_file\nrcpt_ok\nqueue/discard\n' });
  expect((await check(folder)).out).not.toContain('keep clients out');
});

test('plugin list shows those of one service', async () => {
  const folder = folderOf({});
  const { code, out } = await run('plugin', 'list', '--config', folder, '--service', 'submission');
  expect(code).toBe(0);
  expect(out).toContain('   1  relay');
  expect((await run('plugin', 'list', '--config', folder)).out).not.toContain('relay\n');
  const { err } = await run('plugin', 'list', '--config', folder, '--service', 'submision');
  expect(err).toContain(
    '--listen: service=submision: no file belongs to this service (did you mean submission?)',
  );
});

test('karma looks for the store in the line of one service', async () => {
  const folder = folderOf({ 'plugins.submission': 'karma db_dir /none/such\nqueue/discard\n' });
  const { err } = await run('karma', 'list', '--config', folder, '--service', 'submission');
  expect(err).toContain('there is no store in /none/such yet');
  expect((await run('karma', 'list', '--config', folder)).err).not.toContain('/none/such');
  expect((await run('karma', 'list', '--config', folder, '--service', 'other')).err).toContain(
    '--service: service=other: no file belongs to this service',
  );
});

test('queue looks for the spool in the line of one service', async () => {
  const folder = folderOf({ 'plugins.submission': 'queue/spool /none/such via discard\n' });
  const { err } = await run('queue', 'ls', '--config', folder, '--service', 'submission');
  expect(err).toContain('there is no spool in /none/such yet');
  expect((await run('queue', 'ls', '--config', folder)).err).toContain(
    'no line of config/plugins names queue/spool',
  );
  expect((await run('queue', 'ls', '--config', folder, '--service', 'other')).err).toContain(
    '--service: service=other: no file belongs to this service',
  );
});
