/** The configuration Debian's package of qpsmtpd 0.94 comes with, and what `check` says about files that nobody reads. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { qpsmtpd } from '../../host/cli/main.ts';
import { runGuarded } from '../../host/cli/program.ts';
import { smtpDaemon } from '../../host/embed/smtp-daemon.ts';
import { put, scratch } from '../config/scratch.ts';

async function check(root: string): Promise<{ code: number; out: string[]; err: string[] }> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal = { out: (line: string) => void out.push(line), err: (line: string) => void err.push(line) };
  const program = (args: readonly string[]): Promise<number> => qpsmtpd(args, smtpDaemon, terminal);
  const code = await runGuarded(program, ['check', '--config', root], terminal);
  return { code, out, err: err.flatMap((text) => text.split('\n')) };
}

const PLUGINS = [
  '# Qpsmtpd plugin configuration',
  'check_earlytalker action log',
  'check_relay',
  'rhsbl',
  'dnsbl',
  'check_spamhelo',
  'check_badmailfrom',
  'check_badrcptto',
  'check_loop',
  'rcpt_ok',
  '$include debian-queue-method',
];

/** Its files; those that hold nothing but comments as such. */
const debian = (root: string, plugins: readonly string[]): string =>
  put(root, {
    plugins: `${plugins.join('\n')}\n`,
    'debian-queue-method': `queue/maildir ${root}/Maildir\n`,
    'debian-rcpthosts': 'mail.example\n',
    rcpthosts: '$include debian-rcpthosts\n',
    logging: `logging/file loglevel LOGINFO ${root}/qpsmtpd.log\n`,
    loglevel: '6\n',
    plugin_dirs: `${root}/share/qpsmtpd/plugins\n`,
    'share/qpsmtpd/plugins/check_relay': '#!perl -w\n',
    spool_dir: `${root}/spool\n`,
    relayclients: '127.0.0.1\n',
    badhelo: '# yahoo.example\n',
    badmailfrom: '# a list\n',
    badrcptto: '# a list\n',
    dnsbl_zones: '# a list\n',
    rhsbl_zones: '# a list\n',
  });

test('every line works or is an alias: it is valid, and no file of it is unread', async () => {
  const root = scratch();
  const { code, out } = await check(debian(root, PLUGINS));
  expect(code).toBe(0);
  const names = out.map((line) => /^ +\d+ {2}(\S+)$/.exec(line)?.[1]).filter((name) => name !== undefined);
  expect(names).toEqual(
    'logging/file earlytalker relay rhsbl dnsbl helo badmailfrom badrcptto loop rcpt_ok queue/maildir'.split(
      ' ',
    ),
  );
  expect(out).not.toContain('files that have no effect:');
});

test('files that nobody reads are named with the consequence', async () => {
  const root = scratch();
  put(root, {
    plugins: `npm:@site/own\nrcpt_map domain b.example file ${root}/rcptmap\nmine\nrcpt_ok\nqueue/discard\n`,
    plugin_dirs: `${root}/own\n`,
    'own/mine.js':
      "export default { name: 'mine', about: '', hooks({ config }) { config.lines('badmailfroms'); return {}; } };\n",
    'node_modules/@site/own/package.json': '{ "type": "module" }',
    'node_modules/@site/own/index.js':
      "export default { name: 'own', about: '', hooks({ config }) { config.value('dnsbl_zones'); return {}; } };\n",
    rcptmap: 'a@b.example OK\n',
    spool_dir: `${root}/spool\n`,
    rcpthosts: '$include local_rcpthosts\n$include morercpthosts.d/morercpthost\n',
    local_rcpthosts: 'a.example\n',
    // Read by the two plugins of the site.
    badmailfroms: '@a.example\n',
    dnsbl_zones: 'zen.example\n',
    // What editors and packages leave.
    'badrcptto~': 'x\n',
    'badrcptto.dpkg-old': 'x\n',
    'badrcptto.rpmsave': 'x\n',
    '.badrcptto.swp': 'x\n',
    // Nobody's.
    badrcptto_patterns: '^x\n',
    'smtpauth-checkpassword': '/bin/checkpassword /usr/bin/true\n',
    morercpthosts: 'more.example\n',
    IP: '192.0.2.1\n',
    badhelo: 'yahoo.example\n',
    rhsbl_zones: '# nothing but a comment\n',
    'dkim/example.org/private': 'x\n',
    relayclient: '192.0.2.\n',
    holiday_notes: 'nothing like it\n',
  });
  const { code, out } = await check(root);
  expect(code).toBe(0);
  const unread = out.slice(out.indexOf('files that have no effect:') + 1);
  expect(unread).toEqual(
    [
      'IP: nothing reads it: name the address with `--listen`',
      'badhelo: nothing reads it: no line of plugins loads `helo`',
      'badrcptto_patterns: nothing reads it: none of its recipients is refused: move its lines to `badrcptto`, which takes patterns too',
      'dkim: nothing reads it: no line of plugins loads `dkim`',
      'morercpthosts: nothing reads it: no mail is accepted for its domains: make `morercpthosts.cdb` of it, or move its lines to `rcpthosts`',
      'relayclient: nothing reads it: did you mean relayclients?',
      'smtpauth-checkpassword: nothing reads it: `auth/auth_checkpassword` is not built yet: nobody can log in by it',
    ].map((line) => `      ${join(root, line)}`),
  );
});

test('a list that a constant database was made of is not called unread', async () => {
  const root = scratch();
  put(root, { plugins: 'rcpt_ok\n', spool_dir: `${root}/spool\n`, morercpthosts: 'a.example\n' });
  expect((await check(root)).out.join('\n')).toContain('morercpthosts: nothing reads it');
  put(root, { 'morercpthosts.cdb': new Uint8Array(2048).fill(0) });
  const { out } = await check(root);
  expect(out.join('\n')).not.toContain('morercpthosts: nothing reads it');
});
