/** Plugins whose definition says where they stand among the others: what the server and `check` say of another order. */

import { userInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import { definePlugin, type LogEvent, type PluginDefinition } from '../../bindings/plugin/index.ts';
import { qpsmtpd } from '../../host/cli/main.ts';
import { runGuarded } from '../../host/cli/program.ts';
import { smtpDaemon } from '../../host/embed/smtp-daemon.ts';
import { pluginNames } from '../../host/hooks/plugin-finder.ts';
import { TestServer } from '../../host/testing/index.ts';
import quarantine from '../../plugins/queue/quarantine.ts';
import { put, scratch } from '../config/scratch.ts';
import { given } from './plugin-context.ts';

async function check(plugins: readonly string[]) {
  const root = scratch();
  put(root, { plugins: `# Comment.\n${plugins.join('\n')}\n`, spool_dir: `${root}/spool\n` });
  const out: string[] = [];
  const err: string[] = [];
  const terminal = { out: (line: string) => void out.push(line), err: (line: string) => void err.push(line) };
  const words = ['check', '--config', root, '--user', userInfo().username];
  const code = await runGuarded((args) => qpsmtpd(args, smtpDaemon, terminal), words, terminal);
  const start = out.indexOf('plugins that are asked in the wrong order:');
  const faults =
    start === -1 ? [] : out.slice(start + 1).map((line) => line.trim().replaceAll(`${root}/`, ''));
  return { code, err, faults };
}

describe('qpsmtpd check', () => {
  test('names both lines and what to move, and the configuration is valid', async () => {
    expect(await check(['rcpt_ok', 'badrcptto', 'naughty', 'queue/discard'])).toEqual({
      code: 0,
      err: [],
      faults: [
        'plugins:2: rcpt_ok has to be asked after badrcptto of plugins:3 at rcpt (move line 2 below line 3)',
        'plugins:4: naughty has to be asked before rcpt_ok of plugins:2 at rcpt (move line 4 above line 2)',
      ],
    });
  });

  test('what plugins do before the first client has no order', async () => {
    const plugins = ['rhsbl', 'dns_whitelist_soft', 'rcpt_ok', 'queue/discard'];
    expect((await check(plugins)).faults).toEqual([]);
    plugins[1] = 'dns_whitelist_soft check-at mail';
    expect((await check(plugins)).faults).toEqual([
      'plugins:3: dns_whitelist_soft has to be asked before rhsbl of plugins:2 at mail (move line 3 above line 2)',
    ]);
  });

  test('second instances, and names of old versions, count as the plugin they are', async () => {
    const { faults } = await check(['rcpt_ok', 'check_badrcptto', 'naughty:2', 'queue/discard']);
    expect(faults).toEqual([
      expect.stringMatching(/^plugins:2: rcpt_ok has to be asked after badrcptto of plugins:3/),
      expect.stringMatching(/^plugins:4: naughty:2 has to be asked before rcpt_ok/),
    ]);
  });

  test('tells files that are included from one another', async () => {
    const root = scratch();
    put(root, { more: 'naughty\n' });
    const { faults } = await check(['rcpt_ok', `$include ${root}/more`, 'queue/discard']);
    expect(faults).toEqual([
      expect.stringMatching(
        /^\S+\/more:1: naughty .* of plugins:2 at rcpt \(move \S+\/more:1 above plugins:2\)$/,
      ),
    ]);
  });

  test.each([
    [
      'in the right order',
      ['relay', 'karma', 'earlytalker', 'hosts_allow', 'naughty', 'rcpt_ok', 'queue/discard'],
    ],
    ['where the two share no hook', ['rcpt_ok', 'naughty reject mail', 'relay', 'queue/discard']],
    ['without the other', ['naughty', 'karma', 'queue/quarantine discard']],
  ])('has nothing to say %s', async (_, plugins) => {
    expect(await check(plugins)).toEqual({ code: 0, err: [], faults: [] });
  });

  test('of the plugins of the server', async () => {
    const { faults } = await check([
      'hosts_allow',
      'earlytalker',
      'karma',
      'whitelist',
      'queue/discard',
      'queue/quarantine discard',
    ]);
    expect(faults.map((line) => line.replace(/ of plugins.*/, ''))).toEqual([
      'plugins:4: karma has to be asked before hosts_allow',
      'plugins:4: karma has to be asked before earlytalker',
      'plugins:4: karma has to be asked after whitelist',
      'plugins:7: queue/quarantine has to be asked before queue/discard',
    ]);
  });
});

test('the quarantine stands before every other queue plugin there is', () => {
  const others = pluginNames('plugins')
    .filter((name) => name.startsWith('queue/'))
    // Not asked at the end of a message: it has the message by then.
    .filter((name) => name !== quarantine.name && name !== 'queue/cut-through');
  expect([...quarantine.before!].sort()).toEqual(others.sort());
});

test('a server that starts warns, with what is to be moved', async () => {
  const lines: LogEvent[] = [];
  const log = definePlugin({
    name: 'collector',
    about: '',
    hooks: { logging: (_, event) => void lines.push(event) },
  });
  const late = definePlugin({
    name: 'late',
    about: '',
    before: ['rcpt_ok'],
    hooks: { rcpt: () => undefined },
  });
  const server = await TestServer.start({ plugins: [log, 'rcpt_ok', late] });
  try {
    expect(lines.map(({ text }) => text)).toEqual([
      'plugins: late has to be asked before rcpt_ok of plugins at rcpt (move late above rcpt_ok)',
    ]);
  } finally {
    await server.close();
  }
});

test.each([['before'], ['after']])(
  '%s that is no list of names is refused where nothing checks types',
  (key) => {
    const definition = { name: 'p', about: '', hooks: {}, [key]: 'rcpt_ok' } as unknown as PluginDefinition;
    expect(() => given(definition)).toThrow(`plugins:1: p: its \`${key}\` must be names of plugins`);
  },
);
