import { describe, expect, test } from 'vitest';
import { whitelistHost } from '../../bindings/plugin/index.ts';
import { fakeResolver, printVerdict, testPlugin, type FakeDnsZones } from '../../host/testing/index.ts';
import welcome from '../../plugins/dns_whitelist_soft.ts';

const ZONES: FakeDnsZones = {
  '2.0.0.127.allow.test': { A: ['127.0.0.2'] },
  '3.2.0.192.allow.test': { A: ['127.0.5.2'] },
};

function client(lines: readonly string[], options = '', zones: FakeDnsZones = ZONES) {
  const resolver = fakeResolver(zones);
  const plugin = testPlugin(welcome, { options, resolver, config: { whitelist_zones: lines } });
  const isWelcome = (): boolean => plugin.session.connection.notes.get(whitelistHost) === true;
  return { ask: plugin.ask, session: plugin.session, log: plugin.log, resolver, isWelcome };
}

test.each(['connect', 'mail', 'rcpt'] as const)('a listed client is spared from %s on', async (hook) => {
  const { ask, isWelcome, log } = client(['allow.test known senders'], `check-at ${hook}`);
  const askAll = [
    () => ask('connect'),
    () => ask('mail', 'a@b.example'),
    () => ask('rcpt', 'user@here.example'),
  ];
  for (const [index, askNext] of askAll.entries()) {
    expect(isWelcome()).toBe(index > ['connect', 'mail', 'rcpt'].indexOf(hook));
    expect(printVerdict(await askNext())).toBe('DECLINED');
  }
  expect(isWelcome()).toBe(true);
  expect(log).toEqual([
    `[c1] (${hook}) dns_whitelist_soft: Host 192.0.2.3 is whitelisted: allow.test: 127.0.5.2 (0 ms)`,
  ]);
});

test('RCPT is where answers are waited for unless the line says otherwise; they are asked for at connect', async () => {
  const { ask, isWelcome, resolver } = client(['allow.test'], '', {
    ...ZONES,
    '3.2.0.192.allow.test': { A: ['127.0.0.2'], delayMs: 100 },
  });
  await ask('connect');
  await ask('mail', 'a@b.example');
  const verdict = ask('rcpt', 'user@here.example');
  await resolver.advance(100);
  await verdict;
  expect(isWelcome()).toBe(true);
  await ask('rcpt', 'other@here.example');
  expect(resolver.questions.filter((question) => question.includes('3.2.0.192'))).toEqual([
    'A 3.2.0.192.allow.test',
  ]);
});

describe('nobody is spared', () => {
  test.each<[string, readonly string[], FakeDnsZones]>([
    [
      'by a list that does not have the client',
      ['allow.test'],
      { '2.0.0.127.allow.test': { A: ['127.0.0.2'] } },
    ],
    ['by a code that does not count', ['allow.test=127.0.[0..255].3'], ZONES],
    ['by a list that fails', ['allow.test'], { ...ZONES, '3.2.0.192.allow.test': 'SERVFAIL' }],
    [
      'by a list that has gone and lists everything',
      ['allow.test'],
      { ...ZONES, '1.0.0.127.allow.test': { A: ['127.0.0.2'] } },
    ],
    [
      'by a resolver that answers every name with an address of its own',
      ['allow.test test=no'],
      { '3.2.0.192.allow.test': { A: ['203.0.113.5'] } },
    ],
  ])('%s', async (_, lines, zones) => {
    const { ask, isWelcome, log } = client(lines, '', zones);
    await ask('connect');
    await ask('rcpt', 'user@here.example');
    expect(isWelcome()).toBe(false);
    expect(log.at(-1)).toMatch(/^\[c1\] \(rcpt\) dns_whitelist_soft: no match, allow\.test: /);
  });

  test('by silence, which is listened to for four seconds', async () => {
    const { ask, isWelcome, resolver } = client(['allow.test'], '', {
      ...ZONES,
      '3.2.0.192.allow.test': 'timeout',
    });
    const verdict = ask('rcpt', 'user@here.example');
    await resolver.advance(4_000);
    expect(printVerdict(await verdict)).toBe('DECLINED');
    expect(isWelcome()).toBe(false);
  });
});

test('clients that are spared anyway are not looked up', async () => {
  const { ask, session, resolver } = client(['allow.test']);
  session.connection.relayClient = true;
  await ask('connect');
  await ask('rcpt', 'user@here.example');
  expect(resolver.questions).toEqual([]);
});
