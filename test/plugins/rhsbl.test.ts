import { describe, expect, test } from 'vitest';
import { naughty } from '../../bindings/plugin/index.ts';
import { fakeResolver, printVerdict, testPlugin, type FakeDnsZones } from '../../host/testing/index.ts';
import rhsbl from '../../plugins/rhsbl.ts';

const ZONES: FakeDnsZones = {
  'test.rhs.test': { A: ['127.0.0.2'] },
  'test.rhsmsg.test': { A: ['127.0.0.2'] },
  'bad.rhs.test': { TXT: ['bad is listed in rhs.test'] },
  'evil.rhsmsg.test': { A: ['127.0.0.2'] },
  'xn--bcher-kva.example.rhs.test': { A: ['127.0.0.2'] },
};

function sender(lines: readonly string[], options = '', zones: FakeDnsZones = ZONES) {
  const resolver = fakeResolver(zones);
  const plugin = testPlugin(rhsbl, {
    options,
    resolver,
    config: { rhsbl_zones: lines },
    client: { helloHost: 'hh.example' },
  });
  return { ask: plugin.ask, session: plugin.session, log: plugin.log, resolver, plugin };
}

describe('what the client is told', () => {
  test.each([
    ['a@bad', 'DENY Mail from HELO hh.example rejected because it bad is listed in rhs.test'],
    ['a@BAD.', 'DENY Mail from HELO hh.example rejected because it bad is listed in rhs.test'],
    ['a@evil', 'DENY Mail from evil rejected because it sends evil mail'],
    ['a@bücher.example', 'DENY Mail from HELO hh.example rejected because it is listed in rhs.test'],
    ['a@good.example', 'DECLINED'],
  ])('%s', async (reversePath, verdict) => {
    const { ask } = sender(['rhs.test', 'rhsmsg.test sends evil mail']);
    expect(printVerdict(await ask('mail', reversePath))).toBe(verdict);
  });

  test("the operator's text may name the domain and the client", async () => {
    const { ask } = sender(['rhsmsg.test is %DOMAIN%, %IP%']);
    expect(printVerdict(await ask('mail', 'a@Evil'))).toBe(
      'DENY Mail from evil rejected because it is evil, 192.0.2.3',
    );
  });
});

test.each([
  ['disconnect', 'DENY_DISCONNECT Mail'],
  ['perm', 'DENY Mail'],
  ['reject_type temp', 'DENYSOFT Mail'],
  ['reject 0', 'DECLINED'],
  ['reject naughty', 'DECLINED'],
])('the line `rhsbl %s`: %s', async (options, verdict) => {
  const { ask, session } = sender(['rhs.test'], options);
  expect(printVerdict(await ask('mail', 'a@bad'))).toMatch(new RegExp(`^${verdict}`));
  expect((session.connection.notes.get(naughty) ?? []).length).toBe(options === 'reject naughty' ? 1 : 0);
});

test.each([
  ['<>', 'skip, null sender'],
  ['postmaster', 'skip, no domain'],
  ['a@[192.0.2.1]', 'skip, no domain'],
])('%s is not looked up', async (reversePath, text) => {
  const { ask, log, resolver } = sender(['rhs.test']);
  expect(printVerdict(await ask('mail', reversePath))).toBe('DECLINED');
  expect(log).toEqual([`[c1] (mail) rhsbl: ${text}`]);
  expect(resolver.questions).toEqual([]);
});

test('relay clients are spared', async () => {
  const { ask, session, resolver } = sender(['rhs.test']);
  session.connection.relayClient = true;
  expect(printVerdict(await ask('mail', 'a@bad'))).toBe('DECLINED');
  expect(resolver.questions).toEqual([]);
});

test('with `check-at rcpt` the lists are asked at MAIL and waited for at RCPT', async () => {
  const { ask, plugin, resolver } = sender(['rhs.test'], 'check-at rcpt', {
    ...ZONES,
    'bad.rhs.test': { A: ['127.0.0.2'], delayMs: 50 },
  });
  plugin.begin({ from: 'a@bad' });
  expect(printVerdict(await ask('mail', 'a@bad'))).toBe('DECLINED');
  expect(resolver.questions).toContain('A bad.rhs.test');
  const verdict = ask('rcpt', 'user@here.example');
  await resolver.advance(50);
  await resolver.advance(50);
  expect(printVerdict(await verdict)).toBe(
    'DENY Mail from HELO hh.example rejected because it is listed in rhs.test',
  );
  expect(printVerdict(await ask('rcpt', 'abuse@here.example'))).toBe('DECLINED');
  // Another transaction knows nothing of that one.
  plugin.begin({ from: 'a@good.example' });
  expect(printVerdict(await ask('rcpt', 'user@here.example'))).toBe('DECLINED');
});

test.each(['SERVFAIL', 'timeout'] as const)('a list that fails refuses nobody: %s', async (fault) => {
  const { ask, resolver } = sender(['rhs.test'], '', { ...ZONES, 'bad.rhs.test': fault });
  const verdict = ask('mail', 'a@bad');
  await resolver.advance(5_000);
  expect(printVerdict(await verdict)).toBe('DECLINED');
});

test('a domain has no family: the option is refused', () => {
  expect(() => sender(['rhs.test family=4'])).toThrow(
    'rhsbl_zones:1: rhs.test has domains, which are of no family (leave `family=4` out)',
  );
});
