/** `services.dns` as mailauth asks it: Node's records and codes, one time limit over all questions, and nothing that rejects otherwise. */

import { expect, test } from 'vitest';
import { fakeResolver, TestClock, type FakeDnsZones } from '../../host/testing/index.ts';
import { mailauthResolver, type MailauthLookups } from '../../plugins/mailauth/dns-resolver.ts';

function resolverOf(zones: FakeDnsZones, lookups: Partial<MailauthLookups> = {}) {
  const clock = new TestClock();
  const dns = fakeResolver(zones, clock);
  const failures: string[] = [];
  const resolve = mailauthResolver(
    { dns, clock },
    { timeoutMs: 20_000, onFailure: (reason) => failures.push(reason), ...lookups },
  );
  return { resolve, dns, failures };
}

const zones: FakeDnsZones = {
  'a.example': {
    A: ['192.0.2.1'],
    AAAA: ['2001:db8::1'],
    MX: ['10 mx.a.example', '0 .'],
    TXT: ['v=spf1 -all', 'other'],
    CNAME: 'c.example',
  },
  '192.0.2.1': { PTR: ['a.example'] },
  '2001:db8::25': { PTR: ['six.a.example'] },
};

test.each<[string, string, unknown]>([
  ['a.example', 'A', ['192.0.2.1']],
  ['A.EXAMPLE.', 'A', ['192.0.2.1']],
  ['a.example', 'AAAA', ['2001:db8::1']],
  ['a.example', 'TXT', [['v=spf1 -all'], ['other']]],
  [
    'a.example',
    'MX',
    [
      { exchange: 'mx.a.example', priority: 10 },
      { exchange: '', priority: 0 },
    ],
  ],
  ['a.example', 'CNAME', ['c.example']],
  ['1.2.0.192.in-addr.arpa', 'PTR', ['a.example']],
  ['5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa', 'PTR', ['six.a.example']],
])('%s %s', async (name, type, records) => {
  expect(await resolverOf(zones).resolve(name, type)).toEqual(records);
});

test.each([
  ['b.example', 'A', 'ENOTFOUND'],
  ['1.2.0.192.in-addr.arpa', 'A', 'ENOTFOUND'],
  ['9.2.0.192.in-addr.arpa', 'PTR', 'ENOTFOUND'],
  ['999.2.0.192.in-addr.arpa', 'PTR', 'ENOTFOUND'],
  ['c.example', 'MX', 'ENODATA'],
  ['servfail.example', 'TXT', 'ESERVFAIL'],
  ['refused.example', 'TXT', 'EREFUSED'],
  ['unreachable.example', 'TXT', 'ESERVFAIL'],
  // A selector of a signature may be anything.
  [`${'x'.repeat(64)}.example`, 'TXT', 'ENOTFOUND'],
  [`${'x.'.repeat(127)}example`, 'TXT', 'ENOTFOUND'],
  ['a..example', 'TXT', 'ENOTFOUND'],
  ['', 'TXT', 'ENOTFOUND'],
  ['ж.example', 'TXT', 'ENOTFOUND'],
])('%s %s is %s', async (name, type, code) => {
  const { resolve } = resolverOf({
    'c.example': { A: ['192.0.2.2'] },
    'servfail.example': 'SERVFAIL',
    'refused.example': 'REFUSED',
    'unreachable.example': 'unreachable',
  });
  await expect(resolve(name, type)).rejects.toMatchObject({ code });
});

test('whoever left waits no longer', async () => {
  const leave = new AbortController();
  const { resolve, dns } = resolverOf({ 'silent.example': 'timeout' }, { signal: leave.signal });
  const asked = resolve('silent.example', 'TXT');
  await dns.whenAsked('TXT silent.example');
  leave.abort();
  await expect(asked).rejects.toMatchObject({ code: 'ECANCELLED' });
});

test('all questions have one time together', async () => {
  const { resolve, dns, failures } = resolverOf(
    { 'slow.example': { TXT: ['x'], delayMs: 15_000 }, 'silent.example': 'timeout' },
    { lateCode: 'ELATE' },
  );
  const slow = resolve('slow.example', 'TXT');
  await dns.advance(15_000);
  expect(await slow).toEqual([['x']]);
  const silent = resolve('silent.example', 'TXT');
  const outcome = expect(silent).rejects.toMatchObject({ code: 'ELATE' });
  await dns.advance(5_000);
  await outcome;
  await expect(resolve('a.example', 'TXT')).rejects.toMatchObject({ code: 'ELATE' });
  expect(failures).toEqual(['timeout', 'timeout']);
  expect(dns.questions).toEqual(['TXT slow.example', 'TXT silent.example']);
});
