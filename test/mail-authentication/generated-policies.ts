/** Policies that are made up: records of terms right and wrong, for a small world of names. The same ones for the same seed. */

import fc from 'fast-check';
import type { FakeDnsZones } from '../../host/testing/index.ts';

export interface GeneratedPolicy {
  readonly zones: FakeDnsZones;
  readonly ip: string;
  readonly from: string;
  readonly helo: string;
}

const HOSTS: FakeDnsZones = {
  'h1.example': { A: ['192.0.2.1'], MX: ['10 h2.example', '5 h3.example'] },
  'h2.example': { A: ['192.0.2.2', '192.0.2.3'], AAAA: ['2001:db8::2'] },
  'h3.example': { AAAA: ['2001:db8::3'], MX: ['0 .'] },
  'h4.example': { A: ['198.51.100.4'], MX: ['1 h1.example', '2 gone.example'] },
  'down.example': 'SERVFAIL',
  '192.0.2.1': { PTR: ['h1.example', 'h2.example'] },
  '192.0.2.2': { PTR: ['h2.example'] },
  '2001:db8::2': { PTR: ['h2.example', 'gone.example'] },
  'u.s.example': { A: ['127.0.0.2'] },
  '1.2.0.192.l.example': { A: ['127.0.0.2'] },
};

const host = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('h1.example', 'h2.example', 'h4.example', 's.example', '%{d}', '%{h}'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('h3.example', '%{l}.s.example', '%{ir}.l.example', '%{d1r}.%{v}.example'),
  },
  { weight: 1, arbitrary: fc.constantFrom('gone.example', 'down.example') },
);
const policy = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom('i1.example', 'i2.example', 'i3.example') },
  { weight: 1, arbitrary: fc.constantFrom('h1.example', 's.example') },
);
const length = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom('', '', '', '/24', '/0', '//64', '/24//64') },
  { weight: 1, arbitrary: fc.constantFrom('/33', '//129') },
);
const wrong = fc.constantFrom(
  'all:x',
  'ip4:192.0.2',
  'ip4:192.0.2.1/33',
  'ip6:2001:db8::g',
  'include:',
  'exists',
  'a:h1',
  'a:%{x}',
  'moo',
  'redirect:i1.example',
  'exp=',
);

const qualifier = fc.constantFrom('', '', '', '+', '-', '~', '?');
const network = fc.constantFrom(
  'ip4:192.0.2.1',
  'ip4:192.0.2.0/30',
  'ip4:198.51.100.0/24',
  'ip6:2001:db8::/32',
  'ip6:2001:db8::2',
);

const mechanism = fc.oneof(
  { weight: 3, arbitrary: network },
  { weight: 2, arbitrary: fc.tuple(host, length).map(([name, bits]) => `a:${name}${bits}`) },
  { weight: 2, arbitrary: fc.tuple(host, length).map(([name, bits]) => `mx:${name}${bits}`) },
  { weight: 2, arbitrary: policy.map((name) => `include:${name}`) },
  { weight: 1, arbitrary: host.map((name) => `exists:${name}`) },
  { weight: 1, arbitrary: fc.constantFrom('a', 'mx', 'ptr', 'ptr:h2.example', 'ptr:example.org') },
);

const term = fc.oneof(
  {
    weight: 80,
    arbitrary: fc.tuple(qualifier, mechanism).map(([sign, words]) => `${sign}${words}`),
  },
  { weight: 1, arbitrary: wrong },
);

const ending = fc.constantFrom(
  '',
  ' -all',
  ' -all',
  ' ~all',
  ' ?all',
  ' redirect=i1.example',
  ' redirect=i2.example',
);

const record = fc
  .tuple(fc.array(term, { maxLength: 7 }), ending)
  .map(([terms, end]) => `v=spf1 ${terms.join(' ')}${end}`.trimEnd());

const generated: fc.Arbitrary<GeneratedPolicy> = fc.record({
  zones: fc.tuple(record, record, record, record).map(([sender, first, second, third]) => ({
    ...HOSTS,
    's.example': { A: ['192.0.2.1'], MX: ['1 h2.example'], TXT: [sender] },
    'i1.example': { TXT: [first] },
    'i2.example': { TXT: ['no record', second] },
    'i3.example': { TXT: [third] },
  })),
  ip: fc.constantFrom('192.0.2.1', '192.0.2.2', '198.51.100.4', '203.0.113.1', '2001:db8::2', '2001:db9::1'),
  from: fc.constantFrom('u@s.example', 'u@s.example', 'u@i1.example', 'v+w@s.example', ''),
  helo: fc.constantFrom('h1.example', 'h2.example', 's.example', 'gone.example'),
});

export const generatedPolicies = (count: number, seed: number): readonly GeneratedPolicy[] =>
  fc.sample(generated, { numRuns: count, seed });
