/** Where records are found, how they are read, and what their mechanisms match. RFC 7208 sections 2 to 5. */

import type { FakeDnsZones } from '../../host/testing/index.ts';
import { MAPPED, of, SIX, txt, type SpfCase } from './spf-case.ts';

const LABEL_63 = `l${'0'.repeat(62)}`;

const names: readonly SpfCase[] = [
  of('4.3', 'a label of 63 octets, in any case', undefined, 'fail', {
    from: `u@${LABEL_63.toUpperCase()}.s.example`,
    zones: { [`${LABEL_63}.s.example`]: txt('v=spf1 -all') },
  }),
  of('4.3', 'a label of 64 octets', undefined, 'none', { from: `u@${LABEL_63}0.s.example` }),
  of('4.3', 'an empty label', '-all', 'none', { from: 'u@a...s.example' }),
  of('4.3', 'an underscore, which the domain of a mailbox cannot have (RFC 5321)', undefined, 'none', {
    from: 'u@a_b.example',
    zones: { 'a_b.example': txt('v=spf1 -all') },
  }),
  of('4.3', 'an address literal as domain', undefined, 'none', { from: 'u@[192.0.2.4]' }),
  of('4.3', 'an address literal in HELO', undefined, 'none', { from: '', helo: '[192.0.2.4]' }),
  of('4.3', 'one label in HELO', undefined, 'none', { from: '', helo: 'WORKSTATION' }),
  of('4.3', 'no local part: postmaster', '-all exp=why.s.example', 'fail', {
    from: '@s.example',
    zones: { 'why.s.example': txt('%{l}') },
    says: 'postmaster',
  }),
  of('2.4', 'an empty reverse-path: postmaster of HELO', undefined, 'fail', {
    from: '',
    helo: 'name.example',
    zones: { 'name.example': txt('v=spf1 -all exp=why.example'), 'why.example': txt('%{s}') },
    says: 'postmaster@name.example',
  }),
  of('3.1', 'octets beyond ASCII in a name', 'a:\u00ef\u00bb\u00bfclient.example -all', 'permerror'),
  of('3.1', 'octets beyond ASCII in front of a mechanism', '\u0080a:client.example -all', 'permerror'),
  of('3.1', 'octets beyond ASCII as qualifier', 'a:far.example \u0096all', 'permerror'),
  of('3.1', 'octets beyond ASCII in another text', undefined, 'fail', {
    zones: { 's.example': txt('v=spf1 a:far.example -all', '\u0096') },
    says: null,
  }),
];

const lookups: readonly SpfCase[] = [
  of('4.4', 'no such name', undefined, 'none'),
  of('4.4', 'a name without texts', undefined, 'none', { from: 'u@client.example' }),
  of('4.4', 'a DNS that is silent', undefined, 'temperror', { from: 'u@dead.example' }),
  of('4.4', 'a DNS that fails', undefined, 'temperror', { from: 'u@down.example' }),
  of('4.5', 'an empty record', undefined, 'neutral', { zones: { 's.example': txt('v=spf1') } }),
  of('4.5', 'blanks at the end', '-all   ', 'fail'),
  of('4.5', 'more than one blank between terms', ' ip4:198.51.100.1    -all', 'fail'),
  of('4.5', 'strings are joined without a blank', undefined, 'none', {
    zones: { 's.example': txt('v=spf1-all') },
  }),
  of('4.5', 'a longer version is another one', undefined, 'pass', {
    zones: { 's.example': txt('v=spf10', 'v=spf1 a:client.example') },
  }),
  of('4.5', 'a blank in front', undefined, 'none', { zones: { 's.example': txt(' v=spf1 -all') } }),
  of('4.5', 'a tab after the version', undefined, 'none', { zones: { 's.example': txt('v=spf1\t-all') } }),
  of('4.5', 'two records', undefined, 'permerror', {
    zones: { 's.example': txt('v=spf1 +all', 'v=spf1 -all') },
  }),
  of('4.5', 'two records that differ by case', undefined, 'permerror', {
    zones: { 's.example': txt('v=spf1 -all', 'V=sPf1 +all') },
  }),
  of('4.5', 'a version in any case', undefined, 'softfail', { zones: { 's.example': txt('v=SpF1 ~all') } }),
  of('4.5', 'no record among texts', undefined, 'none', { from: 'u@plain.example' }),
];

const evaluation: readonly SpfCase[] = [
  of('4.6', 'a wrong term after the one that matches', 'ip4:192.0.2.4 -all moo', 'permerror'),
  of('4.6.1', 'a modifier nobody knows', 'moo.cow-far_out=man:dog/cat ip4:192.0.2.4 -all', 'pass'),
  of(
    '4.6.1',
    'a slash in the name of a modifier',
    'moo.cow/far_out=man:dog/cat ip4:192.0.2.4 -all',
    'permerror',
  ),
  of(
    '4.6.1',
    'a colon in the name of a modifier',
    'moo.cow:far_out=man:dog/cat ip4:192.0.2.4 -all',
    'permerror',
  ),
  of('4.6.1', 'redirect as a mechanism', 'ip4:192.0.2.4 redirect:forbids.example', 'permerror'),
  of('4.6.2', 'qualifiers', '-ip4:192.0.2.4 +all', 'fail'),
  of('4.6.2', 'a qualifier too many', '+-all', 'permerror'),
  of('4.6.3', 'redirect is of no use beside all', 'redirect=s.example ~all', 'softfail'),
  of('4.6.3', 'redirect comes after the mechanisms', 'redirect=forbids.example ip4:192.0.2.4', 'pass'),
  of('4.7', 'nothing matches', 'ip4:198.51.100.1', 'neutral'),
  of('4.7', 'nothing matches, but redirect', 'ip4:198.51.100.1 redirect=forbids.example', 'fail'),
  of('7.1', 'a name of one label', 'a:foo-bar -all', 'permerror'),
  of('4.8', 'an empty label in a name', 'a:mail.s...example -all', ['fail', 'permerror']),
  of('4.8', 'a long label in a name', `a:${LABEL_63}0.example -all`, ['fail', 'permerror']),
  of('4.8', 'a long label from a macro', 'a:%{H}.bar -all', ['fail', 'permerror'], { helo: '%'.repeat(22) }),
];

const all: readonly SpfCase[] = [
  of('5.1', 'all with a dot', '-all.', 'permerror'),
  of('5.1', 'all with a name', '-all:foobar', 'permerror'),
  of('5.1', 'all with a length', '-all/8', 'permerror'),
  of('5.1', '?all', '?all', 'neutral'),
  of('5.1', '~all', '~all', 'softfail'),
  of('5.1', '+all', '+all', 'pass'),
  of('5.1', 'the first of two', 'all -all', 'pass'),
  of('4.6.1', 'mechanisms in any case', '-ALL', 'fail'),
];

export const PTR: FakeDnsZones = {
  '192.0.2.4': { PTR: ['a.s.example', 'liar.example', 'client.example'] },
  'a.s.example': { A: ['192.0.2.4'], AAAA: [SIX], TXT: ['v=spf1 ptr -all'] },
  'liar.example': { A: ['198.51.100.1'], TXT: ['v=spf1 ptr -all'] },
  [SIX]: { PTR: ['a.s.example'] },
};

const ptr: readonly SpfCase[] = [
  of('5.5', 'ptr with a length', 'ptr/0 -all', 'permerror', { zones: PTR }),
  of('5.5', 'ptr of a last label alone', 'ptr:example -all', 'permerror', { zones: PTR }),
  of('5.5', 'a name below the domain', 'ptr -all', 'pass', { zones: PTR }),
  of('5.5', 'a name below another domain', 'ptr:s.example -all', 'pass', { zones: PTR, from: 'u@s.example' }),
  of('5.5', 'the domain itself', undefined, 'pass', { zones: PTR, from: 'u@a.s.example' }),
  of('5.5', 'IPv6', undefined, 'pass', { zones: PTR, from: 'u@a.s.example', ip: SIX }),
  of('5.5', 'a name that leads elsewhere', undefined, 'fail', { zones: PTR, from: 'u@liar.example' }),
  of('5.5', 'ptr without a name', 'ptr: -all', 'permerror', { zones: PTR }),
  of('5.5', 'a name that only ends like it', 'ptr:ent.example -all', 'fail', { zones: PTR }),
  of('5.5', 'a client without names', 'ptr -all', 'fail'),
  of('5.5', 'names that cannot be had', 'ptr -all', 'fail', { zones: { '192.0.2.4': { PTR: 'SERVFAIL' } } }),
];

const TWO = { A: ['192.0.2.5'], AAAA: ['2001:db8:40:1::beef'] };
const own = (record: string, more: object): { zones: FakeDnsZones } => ({
  zones: { 's.example': { TXT: [`v=spf1 ${record}`], ...more } },
});

const a: readonly SpfCase[] = [
  of('5.3', 'an address', 'a:client.example -all', 'pass'),
  of('5.3', 'no address, with /0', 'a/0 -all', 'fail'),
  of('5.3', 'any address, with /0', undefined, 'pass', own('a/0 -all', { A: ['198.51.100.1'] })),
  of('5.3', '/0 is for IPv4', undefined, 'fail', { ...own('a/0 -all', { A: ['198.51.100.1'] }), ip: SIX }),
  of('5.3', '//0 is for IPv6', undefined, 'pass', {
    ...own('a//0 -all', { AAAA: ['2001:db8::1'] }),
    ip: SIX,
  }),
  of('5.3', '//0 is not for IPv4', undefined, 'fail', own('a//0 -all', { AAAA: ['2001:db8::1'] })),
  of('5', '//0 is not for mapped IPv4', undefined, 'fail', {
    ...own('a//0 -all', { AAAA: ['2001:db8::1'] }),
    ip: MAPPED,
  }),
  of('5.3', '//0 without an IPv6 address', undefined, 'fail', {
    ...own('a//0 -all', { A: ['192.0.2.4'] }),
    ip: SIX,
  }),
  of('5.3', 'IPv6 of a host with both', undefined, 'pass', {
    ...own('a -all', { A: ['198.51.100.1'], AAAA: [SIX] }),
    ip: SIX,
  }),
  of('5.3', 'one of several addresses, by network', 'a:x.example/24 -all', 'pass'),
  of('5.6', '/33', 'a/33 -all', 'permerror'),
  of('5.6', '//33', 'a//33 -all', 'fail'),
  of('5.6', '//129', 'a//129 -all', 'permerror'),
  of('5.6', 'two lengths, IPv4', undefined, 'pass', own('a/24//64 -all', TWO)),
  of('5.6', 'two lengths, IPv6', undefined, 'pass', {
    ...own('a/24//64 -all', TWO),
    ip: '2001:db8:40:1::babe',
  }),
  of('5.6', 'only the length for IPv4: IPv6 has 128', undefined, 'fail', {
    ...own('a/24 -all', TWO),
    ip: '2001:db8:40:1::babe',
  }),
  of('5.6', 'only the length for IPv6: IPv4 has 32', undefined, 'fail', own('a//64 -all', TWO)),
  of('5.6', 'two lengths with one slash', undefined, 'permerror', own('a/24/64 -all', TWO)),
  of('5.6', 'a length without digits', 'a/ -all', 'permerror'),
  of('5.6', 'a length with a leading zero', 'a:client.example/032 -all', 'permerror'),
  of('7.1', 'a name with a port', 'a:client.example:8080 -all', 'permerror'),
  of('7.1', 'a name of digits', 'a:111.222.33.44 -all', 'permerror'),
  of('7.1', 'a last label of digits', 'a:abc.123 -all', 'permerror'),
  of('7.1', 'a last label with a dash in front', 'a:client.-example -all', 'permerror'),
  of('7.1', 'a last label alone', 'a:museum -all', 'permerror'),
  of('7.1', 'a last label alone, with a dot', 'a:museum. -all', 'permerror'),
  of('7.1', 'NUL in a last label', 'a:client.example\u0000 -all', 'permerror'),
  of('7.1', 'a last label with dashes inside', 'a:host.xn--zckzah -all', 'pass', {
    zones: { 'host.xn--zckzah': { A: ['192.0.2.4'] } },
  }),
  of('7.1', 'odd characters in a name', 'a:odd:na/me.s.example -all', 'pass', {
    zones: { 'odd:na/me.s.example': { A: ['192.0.2.4'] } },
  }),
  of('7.1', 'odd characters in a name, mapped IPv4', 'a:odd:na/me.s.example -all', 'pass', {
    zones: { 'odd:na/me.s.example': { A: ['192.0.2.4'] } },
    ip: MAPPED,
  }),
  of('5.3', 'a without a name after the colon', 'a: -all', 'permerror'),
  of('5', 'a DNS that fails', 'a:down.example -all', 'temperror'),
  of('5', 'a DNS that fails after what matches', 'ip4:192.0.2.4 a:down.example -all', 'pass'),
];

const include: readonly SpfCase[] = [
  of('5.2', 'pass of the other matches', 'include:permits.example -all', 'pass'),
  of('5.2', 'with a qualifier', '-include:permits.example +all', 'fail'),
  of('5.2', 'fail of the other', 'include:forbids.example ~all', 'softfail'),
  of('5.2', 'softfail of the other', 'include:doubts.example +all', 'pass'),
  of('5.2', 'neutral of the other', 'include:shrugs.example -all', 'fail'),
  of('5.2', 'temperror of the other', 'include:dead.example -all', 'temperror'),
  of('5.2', 'temperror of the other, failed', 'include:down.example -all', 'temperror'),
  of('5.2', 'permerror of the other', 'include:wrong.example -all', 'permerror', {
    zones: { 'wrong.example': txt('v=spf1 include +all') },
  }),
  of('5.2', 'none of the other', 'include:plain.example -all', 'permerror'),
  of('5.2', 'no such other', 'include:nowhere.example -all', 'permerror'),
  of('5.2', 'without a name', 'include +all', 'permerror'),
  of('5.2', 'with an empty name', 'include: -all', 'permerror'),
  of('5.2', 'with a length', 'include:permits.example/24 -all', 'permerror'),
  of('5.2', 'with a dot at the end', 'include:permits.example. -all', 'pass'),
];

const mx: readonly SpfCase[] = [
  of('5.4', 'an exchanger', 'mx:m.example -all', 'pass', {
    zones: { 'm.example': { MX: ['5 client.example'] } },
  }),
  of(
    '5.4',
    'an exchanger without an address, /0',
    undefined,
    'fail',
    own('mx/0 -all', { MX: ['0 s.example'] }),
  ),
  of(
    '5.4',
    'any address, /0',
    undefined,
    'pass',
    own('mx/0 -all', { MX: ['0 s.example'], A: ['198.51.100.1'] }),
  ),
  of('5.4', 'mx, /0 is for IPv4', undefined, 'fail', {
    ...own('mx/0 -all', { MX: ['0 s.example'], A: ['198.51.100.1'] }),
    ip: SIX,
  }),
  of('5.4', 'mx, //0 is for IPv6', undefined, 'pass', {
    ...own('mx//0 -all', { MX: ['0 s.example'], AAAA: ['2001:db8::1'] }),
    ip: SIX,
  }),
  of(
    '5.4',
    'mx, //0 is not for IPv4',
    undefined,
    'fail',
    own('mx//0 -all', { MX: ['0 s.example'], AAAA: [SIX] }),
  ),
  of('5.4', '//0 is not for mapped IPv4', undefined, 'fail', {
    ...own('mx//0 -all', { MX: ['0 s.example'], AAAA: [SIX] }),
    ip: MAPPED,
  }),
  of('5.4', 'mx, one of several addresses, by network', 'mx:x.example/24 -all', 'pass'),
  of(
    '5.4',
    'a domain that takes no mail',
    undefined,
    'neutral',
    own('mx', { MX: ['0 .'], A: ['192.0.2.4'] }),
  ),
  of(
    '5.4',
    'a domain without exchangers is none itself',
    undefined,
    'neutral',
    own('mx', { A: ['192.0.2.4'] }),
  ),
  of('5.4', 'an exchanger of one label is a name that is not there', 'mx:m.example -all', 'fail', {
    zones: { 'm.example': { MX: ['0 localhost'] } },
  }),
  of('5.4', 'an exchanger that is an address is a name that is not there', 'mx:m.example -all', 'fail', {
    zones: { 'm.example': { MX: ['0 192.0.2.4'] } },
  }),
  of('5.6', 'mx, /33', 'mx/33 -all', 'permerror'),
  of('5.6', 'mx, //33', 'mx//33 -all', 'fail'),
  of('5.6', 'mx, //129', 'mx//129 -all', 'permerror'),
  of('5.4', 'mx without a name after the colon', 'mx: -all', 'permerror'),
  of('7.1', 'mx, a name with a port', 'mx:client.example:8080 -all', 'permerror'),
  of('7.1', 'mx, a last label of digits', 'mx:abc.123 -all', 'permerror'),
  of('7.1', 'mx, a last label with a dash in front', 'mx:client.-example -all', 'permerror'),
  of('7.1', 'mx, odd characters in a name', 'mx:odd:na/me.s.example -all', 'pass', {
    zones: { 'odd:na/me.s.example': { MX: ['0 client.example'] } },
  }),
  of('5', 'mx, a DNS that fails for the exchangers', 'mx:down.example -all', 'temperror'),
  of('5', 'mx, a DNS that fails for an address', 'mx:m.example -all', 'temperror', {
    zones: { 'm.example': { MX: ['0 down.example'] } },
  }),
];

const exists: readonly SpfCase[] = [
  of('5.7', 'a name with an address', 'exists:far.example -all', 'pass'),
  of('5.7', 'a name without', 'exists:nowhere.example -all', 'fail'),
  of('5.7', 'an IPv4 address counts for IPv6', 'exists:far.example -all', 'pass', { ip: SIX }),
  of('5.7', 'an IPv6 address does not count', 'exists:six.example -all', 'fail', { ip: SIX }),
  of('5.7', 'with an empty name', 'exists: -all', 'permerror'),
  of('5.7', 'without a name', 'exists -all', 'permerror'),
  of('5.7', 'with a length', 'exists:far.example/24 -all', 'permerror'),
  of('5.7', 'a DNS that is silent', 'exists:dead.example -all', 'temperror', { ip: SIX }),
  of('7.3', 'octets beyond ASCII from a local part', 'exists:%{l}.s.example -all', 'fail', {
    from: 'ü@s.example',
  }),
];

const addresses: readonly SpfCase[] = [
  of('5.6', 'ip4 with /0', 'ip4:198.51.100.1/0 -all', 'pass'),
  of('5.6', 'ip4 with /32', 'ip4:192.0.2.4/32 -all', 'pass'),
  of('5.6', 'ip4 with /33', 'ip4:192.0.2.4/33 -all', 'permerror'),
  of('5.6', 'ip4 with /032', 'ip4:192.0.2.4/032 -all', 'permerror'),
  of('5.6', 'ip4 alone', 'ip4 -all', 'permerror'),
  of('5.6', 'ip4 with two slashes', 'ip4:192.0.2.4//32 -all', 'permerror'),
  of('5.6', 'ip4 with a port', 'ip4:192.0.2.4:8080 -all', 'permerror'),
  of('5.6', 'ip4 of three numbers', 'ip4:192.0.2 -all', 'permerror'),
  of('5.6', 'ip4 with a leading zero', 'ip4:192.0.02.4 -all', 'permerror'),
  of('5.6', 'ip4 with 256', 'ip4:192.0.2.256 -all', 'permerror'),
  of('5', 'mapped IPv4 is IPv4', '-ip4:192.0.2.4 ip6:::ffff:192.0.2.4', 'fail', { ip: MAPPED }),
  of('5.6', 'ip6 alone', '-all ip6', 'permerror'),
  of('5.6', 'ip6 with /0', 'ip6:::198.51.100.1/0 -all', 'pass', { ip: SIX }),
  of('5.6', 'ip6 with /0 is not for IPv4', 'ip6:::198.51.100.1/0', 'neutral'),
  of('5', 'ip6 with /0 is not for mapped IPv4', 'ip6:::198.51.100.1/0', 'neutral', { ip: MAPPED }),
  of('5.6', 'ip6 with /129', 'ip6:::198.51.100.1/129 -all', 'permerror'),
  of('5.6', 'ip6 with two slashes', 'ip6:::198.51.100.1//33 -all', 'permerror'),
  of('5.6', 'ip6 with /33', 'ip6:2001:db8:8000::/33 -all', 'pass', { ip: '2001:db8:8000::' }),
  of('5.6', 'ip6 with /33 is not for IPv4', 'ip6:2001:db8:8000::/33', 'neutral'),
  of('5.6', 'ip6 that is none', 'ip6::2001::db8 -all', 'permerror'),
  of('5.6', 'ip6 in upper case', 'ip6:2001:DB8:40::4 -all', 'pass', { ip: SIX }),
  of('5.6', 'ip6 of an IPv4 address', 'ip6:192.0.2.4 -all', 'permerror'),
];

export const RECORD_CASES: readonly SpfCase[] = [
  ...names,
  ...lookups,
  ...evaluation,
  ...all,
  ...ptr,
  ...a,
  ...include,
  ...mx,
  ...exists,
  ...addresses,
];
