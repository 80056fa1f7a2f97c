import { describe, expect, test } from 'vitest';
import { whitelistHost, type PluginDefinition } from '../../bindings/plugin/index.ts';
import { fakeResolver, printVerdict, testPlugin, type FakeDnsZones } from '../../host/testing/index.ts';
import fcrdns from '../../plugins/fcrdns.ts';
import iprev from '../../plugins/iprev.ts';

async function connect<P extends PluginDefinition>(
  plugin: P,
  zones: FakeDnsZones,
  { ip = '192.0.2.3', options = '' } = {},
) {
  const resolver = fakeResolver(zones);
  const tested = testPlugin(plugin, { options, client: { remoteIp: ip }, resolver });
  await tested.ask('connect');
  await resolver.advance(60_000);
  const answer = printVerdict(await tested.ask('mail', '<a@b.example>'));
  const { connection } = tested.session;
  const results = connection.authenticationResults;
  return { answer, results, karma: connection.karma, resolver, ...tested };
}

const PASS: FakeDnsZones = { '192.0.2.3': { PTR: ['mail.example'] }, 'mail.example': { A: ['192.0.2.3'] } };

/** RFC 8601 section 2.7.3. `near`: what fcrdns says, where it differs. */
const CASES: readonly {
  zones: FakeDnsZones;
  ip?: string;
  result: string;
  near?: string;
  karma: number;
}[] = [
  { zones: PASS, result: 'pass', karma: 1 },
  {
    zones: {
      '192.0.2.3': { PTR: ['a.example', 'MAIL.example.'] },
      'mail.example': { A: ['192.0.2.9', '192.0.2.3'] },
    },
    result: 'pass',
    karma: 1,
  },
  {
    zones: { '2001:db8::1': { PTR: ['six.example'] }, 'six.example': { AAAA: ['2001:db8:0::1'] } },
    ip: '2001:db8::1',
    result: 'pass',
    karma: 1,
  },
  // Only an address of the client's own family can be its own.
  {
    zones: { '2001:db8::1': { PTR: ['four.example'] }, 'four.example': { A: ['192.0.2.3'] } },
    ip: '2001:db8::1',
    result: 'fail',
    karma: -1,
  },
  {
    zones: { '192.0.2.3': { PTR: ['mail.example'] }, 'mail.example': { A: ['192.0.2.9'] } },
    result: 'fail',
    near: 'pass',
    karma: 0,
  },
  {
    zones: { '192.0.2.3': { PTR: ['mail.example'] }, 'mail.example': { A: ['198.51.100.3'] } },
    result: 'fail',
    karma: 0,
  },
  { zones: { '192.0.2.3': { PTR: ['mail.example'] } }, result: 'fail', karma: -1 },
  { zones: { '192.0.2.3': { PTR: ['a\\010b.example', '<b>.example', ''] } }, result: 'fail', karma: -1 },
  { zones: {}, result: 'permerror', karma: -1 },
  { zones: { '192.0.2.3': { PTR: [] } }, result: 'permerror', karma: -1 },
  { zones: { '192.0.2.3': 'SERVFAIL' }, result: 'temperror', karma: 0 },
  { zones: { '192.0.2.3': 'timeout' }, result: 'temperror', karma: 0 },
  {
    zones: { '192.0.2.3': { PTR: ['mail.example'] }, 'mail.example': 'timeout' },
    result: 'temperror',
    karma: 0,
  },
  // One name is enough, and once it is known nobody waits for the others.
  {
    zones: { ...PASS, '192.0.2.3': { PTR: ['slow.example', 'mail.example'] }, 'slow.example': 'timeout' },
    result: 'pass',
    karma: 1,
  },
];

test.each(CASES)(
  'iprev: $zones is $result, and nobody is refused',
  async ({ zones, ip = '192.0.2.3', result }) => {
    const { answer, results, karma } = await connect(iprev, zones, { ip });
    const value = ip.includes(':') ? `"${ip}"` : ip;
    expect(results).toEqual([`iprev=${result} policy.iprev=${value}`]);
    expect([answer, karma]).toEqual(['DECLINED', 0]);
  },
);

test.each(CASES)(
  'fcrdns: $zones is $near or $result, for karma $karma',
  async ({ zones, ip, result, near, karma }) => {
    const found = await connect(fcrdns, zones, { ip: ip ?? '192.0.2.3' });
    expect(found.results).toEqual([`iprev=${near ?? result}`]);
    expect([found.answer, found.karma]).toEqual(['DECLINED', karma]);
  },
);

describe('iprev reject 1', () => {
  test.each(CASES)(
    '$zones: refused unless $result says pass or temperror',
    async ({ zones, ip = '192.0.2.3', result }) => {
      const { answer } = await connect(iprev, zones, { ip, options: 'reject 1' });
      const isRefused = result === 'fail' || result === 'permerror';
      expect(answer).toBe(
        isRefused ? `DENY No name of your address ${ip} leads back to it (#7.25)` : 'DECLINED',
      );
    },
  );

  test('another MAIL is no way around it', async () => {
    const { ask } = await connect(iprev, {}, { options: 'reject 1' });
    expect(printVerdict(await ask('mail', '<a@b.example>'))).toContain('DENY ');
  });
});

test.each([iprev, fcrdns])('$name: of 300 names ten are looked at, at a time', async (plugin) => {
  const names = Array.from({ length: 300 }, (_, index) => `h${index}.example`);
  const { resolver, results } = await connect(plugin as PluginDefinition, {
    '192.0.2.3': { PTR: names },
    'h10.example': { A: ['192.0.2.3'] },
  });
  expect(resolver.questions).toHaveLength(1 + 10);
  expect(results[0]).toContain('iprev=fail');
});

test.each([iprev, fcrdns])(
  '$name: the questions begin at connect, and the banner does not wait',
  async (plugin) => {
    const resolver = fakeResolver({ '192.0.2.3': 'timeout' });
    const { ask, session } = testPlugin(plugin as PluginDefinition, { resolver });
    expect(printVerdict(await ask('connect'))).toBe('DECLINED');
    expect(resolver.questions).toEqual(['PTR 192.0.2.3']);
    session.tasks.close();
    // The client is gone: what it waited for ends at once, and is asked no more.
    expect(printVerdict(await ask('mail', '<a@b.example>'))).toBe('DECLINED');
    expect(resolver.questions).toHaveLength(1);
  },
);

test.each([iprev, fcrdns])('$name: clients that are spared cost no question', async (plugin) => {
  const resolver = fakeResolver(PASS);
  const { ask, session } = testPlugin(plugin as PluginDefinition, { resolver });
  session.connection.notes.set(whitelistHost, true);
  await ask('connect');
  await ask('mail', '<a@b.example>');
  expect([resolver.questions, session.connection.authenticationResults]).toEqual([[], []]);
});

test('both plugins leave one result in each message, and another client of the same connection gets its own', async () => {
  const resolver = fakeResolver(PASS);
  const first = testPlugin(iprev, { resolver });
  const second = testPlugin(fcrdns, { resolver });
  second.session.connection = first.session.connection;
  second.session.transaction = first.session.transaction;
  await first.ask('mail', '<a@b.example>');
  await second.ask('mail', '<a@b.example>');
  const { connection } = first.session;
  expect(connection.authenticationResults).toEqual(['iprev=pass policy.iprev=192.0.2.3']);
  connection.takeClient({ ip: '192.0.2.4', port: 1, host: undefined });
  connection.forgetResults('transaction');
  first.session.tasks.endConnection();
  first.begin();
  await first.ask('mail', '<a@b.example>');
  expect(connection.authenticationResults).toEqual(['iprev=permerror policy.iprev=192.0.2.4']);
});

test('fcrdns: loopback is not asked about, and `reject` has never had an effect', async () => {
  const local = await connect(fcrdns, {}, { ip: '127.0.0.1', options: 'reject 1' });
  expect([local.answer, local.results, local.resolver.questions]).toEqual(['DECLINED', [], []]);
  expect(local.log[0]).toContain('fcrdns refuses nobody');
  expect((await connect(fcrdns, {}, { options: 'reject 1' })).answer).toBe('DECLINED');
});
