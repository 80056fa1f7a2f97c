/** Modifiers, macros, the limits of an evaluation, and the examples of the RFC. RFC 7208 sections 4.6.4, 6, 7 and appendix A. */

import type { FakeDnsZones } from '../../host/testing/index.ts';
import { of, txt, type More, type SpfCase } from './spf-case.ts';
import { PTR } from './spf-record-cases.ts';

const WHY: FakeDnsZones = {
  'why.example': txt('Ask us.'),
  'other-why.example': txt('Seen.'),
  'two-why.example': txt('one', 'two'),
  'wrong-why.example': txt('The %{x} of it.'),
  'foreign-why.example': txt('\u00ef\u00bb\u00bfBecause'),
  'with-why.example': txt('v=spf1 -all exp=other-why.example'),
};

const says = (said: string | null): More => ({ zones: WHY, says: said });

const modifiers: readonly SpfCase[] = [
  of('6.2', 'an explanation', '-all exp=why.example', 'fail', says('Ask us.')),
  of('6.2', 'an explanation in front', 'exp=why.example -all', 'fail', says('Ask us.')),
  of('6.2', 'two texts', 'exp=two-why.example -all', 'fail', says(null)),
  of('6.2', 'no text', 'exp=client.example -all', 'fail', says(null)),
  of('6.2', 'no such name', 'exp=nowhere.example -all', 'fail', says(null)),
  of('6.2', 'a DNS that fails', 'exp=down.example -all', 'fail', says(null)),
  of('6.2', 'a macro that is none', 'exp=wrong-why.example -all', 'fail', says(null)),
  of('6.2', 'octets beyond ASCII', 'exp=foreign-why.example -all', 'fail', says(null)),
  of(
    '6.2',
    'that of a record included is of no use',
    'include:with-why.example -all exp=why.example',
    'fail',
    says('Ask us.'),
  ),
  of(
    '6.2',
    'redirect takes that of the target',
    'exp=why.example redirect=with-why.example',
    'fail',
    says('Seen.'),
  ),
  of('6.2', 'redirect takes none of its own', 'exp=why.example redirect=forbids.example', 'fail', says(null)),
  of('6.2', 'an empty name', 'exp= -all', 'permerror'),
  of('6.2', 'a name that is none', 'exp=-all', 'permerror'),
  of('6', 'twice', 'exp=why.example -all exp=why.example', 'permerror'),
  of(
    '4.6.4',
    'a name that is not there counts for no limit',
    'a:n1.example a:n2.example exp=n3.example -all',
    'fail',
  ),
  of('6', 'redirect twice', 'redirect=forbids.example -all redirect=forbids.example', 'permerror'),
  of('6.1', 'redirect to no record', 'redirect=plain.example', 'permerror'),
  of('6.1', 'redirect to nothing', '?all redirect=', 'permerror'),
  of('6.1', 'redirect to a name that is none', 'redirect=-all ?all', 'permerror'),
  of('6.1', 'redirect to a DNS that fails', 'redirect=down.example', 'temperror'),
  of('6', 'the default modifier of old drafts', 'default=pass', 'neutral'),
  of('6', 'a value of one character', 'default=+', 'neutral'),
  of('6', 'an empty value of an unknown modifier', 'note= -all', 'fail'),
  of('6', 'macros of an explanation in an unknown modifier', 'note=%{c}%{r}%{t} -all', 'fail'),
  of('12', 'a modifier without a name', '=all', 'permerror'),
  of('12', 'a name that begins with a digit', '1up=foo', 'permerror'),
  of('12', 'a wrong macro in an unknown modifier', '-all foo=%abc', 'permerror'),
];

/** RFC 7208 section 7.4: what each macro becomes for this sender. */
const SENDER = { from: 'strong-bad@mail.s.example', helo: 'mx.s.example', ip: '192.0.2.3' };
const becomes = (macro: string, text: string, more: More = {}): SpfCase =>
  of('7.4', `${macro} becomes ${text}`, undefined, 'fail', {
    ...SENDER,
    ...more,
    zones: {
      'mail.s.example': txt('v=spf1 -all exp=why.s.example'),
      'why.s.example': txt(macro),
      '192.0.2.3': { PTR: ['mx.mail.s.example'] },
      'mx.mail.s.example': { A: ['192.0.2.3'] },
      ...more.zones,
    },
    says: text,
  });

const expansions: readonly SpfCase[] = [
  becomes('%{s}', 'strong-bad@mail.s.example'),
  becomes('%{o}', 'mail.s.example'),
  becomes('%{d}', 'mail.s.example'),
  becomes('%{d3}', 'mail.s.example'),
  becomes('%{d2}', 's.example'),
  becomes('%{d1}', 'example'),
  becomes('%{d9}', 'mail.s.example'),
  becomes('%{dr}', 'example.s.mail'),
  becomes('%{d2r}', 's.mail'),
  becomes('%{l}', 'strong-bad'),
  becomes('%{l-}', 'strong.bad'),
  becomes('%{lr}', 'strong-bad'),
  becomes('%{lr-}', 'bad.strong'),
  becomes('%{l1r-}', 'strong'),
  becomes('%{ir}.%{v}._spf.%{d2}', '3.2.0.192.in-addr._spf.s.example'),
  becomes('%{lr-}.lp._spf.%{d2}', 'bad.strong.lp._spf.s.example'),
  becomes('%{h}', 'mx.s.example'),
  becomes('%{c} %{i}', '192.0.2.3 192.0.2.3'),
  becomes('%{p}', 'mx.mail.s.example'),
  becomes('%{p}', 'unknown', { zones: { 'mx.mail.s.example': { A: ['198.51.100.1'] } } }),
  becomes('%{ir}.%{v}', `3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6`, {
    ip: '2001:db8::3',
  }),
  becomes('100%% sure%_of%-it', '100% sure of%20it'),
  becomes('%{L}', 'jack%26jill%3Dup', { from: 'jack&jill=up@mail.s.example' }),
  becomes('Macro: %{l}.', 'Macro: Macro Error.', { from: 'Macro Error@mail.s.example' }),
  becomes('%{l+-/=}', 'a.b.c.d', { from: 'a+b-c=d@mail.s.example' }),
];

const macros: readonly SpfCase[] = [
  of('7.1', 'a percent sign before a parenthesis', '-exists:%(ir).s.example ?all', 'permerror'),
  of('7.1', 'the same in the midst of a name', 'exists:foo%(ir).s.example ?all', 'permerror'),
  of('7.1', 'a percent sign before a dot', 'exists:foo%.s.example ?all', 'permerror'),
  of('7.1', 'a percent sign at the end', 'exists:foo.s.example% ?all', 'permerror'),
  of('7.1', 'a macro without an end', 'exists:%{d.s.example ?all', 'permerror'),
  of('7.1', 'a letter that is no macro', 'a:%{a}.s.example -all', 'permerror'),
  of('7.1', 'no labels at all', 'a:%{d0}.s.example -all', 'permerror'),
  of('7.2', 'a macro of explanations in a name', '-all exp=%{r}.s.example', 'permerror'),
  of('7.1', 'percent signs and blanks', 'a:p%%c%_%_s%-u.s.example -all', 'pass', {
    zones: { 'p%c  s%20u.s.example': { A: ['192.0.2.4'] } },
  }),
  of('7.3', 'the dot at the end of a name is none of it', 'redirect=%{d}.x.example.', 'pass', {
    zones: { 's.example.x.example': txt('v=spf1 include:permits.example. -all') },
  }),
  of('7.3', 'the name in HELO', 'a:%{h} -all', 'pass', { helo: 'client.example' }),
  of('7.1', 'an address literal in HELO', 'a:%{H} -all', 'fail', { helo: '[192.0.2.4]' }),
  of('7.1', 'nonsense in HELO', 'a:%{H} -all', 'fail', { helo: "WHO'S THERE" }),
  of('7.3', 'split at a dash, and turned round', 'exists:%{i}.%{l2r-}.u.s.example -all', 'pass', {
    from: 'second-first-rest@s.example',
    zones: { '192.0.2.4.first.second.u.s.example': { A: ['127.0.0.2'] } },
  }),
  of('7.3', 'split at several characters', 'exists:%{l2r+-}.u.s.example -all', 'pass', {
    from: 'foo-bar+one+two@s.example',
    zones: { 'bar.foo.u.s.example': { A: ['127.0.0.2'] } },
  }),
  of('7.3', 'a name of more than 253 characters loses labels in front', undefined, 'pass', {
    from: `u@${'four.'.repeat(6)}s.example`,
    zones: {
      [`${'four.'.repeat(6)}s.example`]: txt(`v=spf1 exists:gone.%{o}${'.%{o}'.repeat(5)}.x.example -all`),
      [`${`${'four.'.repeat(6)}s.example.`.repeat(6)}x.example`]: { A: ['127.0.0.2'] },
    },
  }),
  of('7.3', 'a redirect keeps the sender, and has a domain of its own', 'redirect=r.example', 'fail', {
    zones: { 'r.example': txt('v=spf1 -all exp=why.example'), 'why.example': txt('%{o} %{d}') },
    says: 's.example r.example',
  }),
];

const times = (count: number, term: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => term(index)).join(' ');
const RING: FakeDnsZones = {
  'ring1.example': txt('v=spf1 include:ring2.example'),
  'ring2.example': txt('v=spf1 include:ring1.example'),
};
const EIGHT: FakeDnsZones = { 'eight.example': txt(`v=spf1 ${times(8, () => 'a:far.example')}`) };
const exchangers = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${index} m${index}.m.example`);
const mailHosts = (count: number): FakeDnsZones =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`m${index}.m.example`, { A: ['198.51.100.7'] }]),
  );

const limits: readonly SpfCase[] = [
  of('4.6.4', 'a redirect to itself', 'ip4:198.51.100.1 redirect=s.example', 'permerror'),
  of('4.6.4', 'includes in a ring', undefined, 'permerror', { zones: RING, from: 'u@ring1.example' }),
  of('4.6.4', 'ten questions', `${times(10, () => 'a:far.example')} ip4:192.0.2.4 -all`, 'pass'),
  of('4.6.4', 'eleven questions', `${times(11, () => 'a:far.example')} ip4:192.0.2.4 -all`, 'permerror'),
  of(
    '4.6.4',
    'ten questions of which nine in an include',
    'a:far.example include:eight.example ip4:192.0.2.4 -all',
    'pass',
    {
      zones: EIGHT,
    },
  ),
  of(
    '4.6.4',
    'eleven questions of which nine in an include',
    'a:far.example include:eight.example a:far.example ip4:192.0.2.4 -all',
    'permerror',
    { zones: EIGHT },
  ),
  of(
    '4.6.4',
    'eleven questions of all kinds',
    `${times(4, () => 'a:far.example mx:x.example')} exists:nowhere.example ptr:far.example include:forbids.example ip4:192.0.2.4 -all`,
    'permerror',
    { zones: { ...PTR, 'x.example': { A: ['198.51.100.1'], MX: ['0 x.example'] } } },
  ),
  of(
    '4.6.4',
    'ten questions of all kinds',
    `${times(3, () => 'a:far.example mx:x.example')} exists:nowhere.example ptr:far.example include:forbids.example exists:nowhere.example ip4:192.0.2.4 -all`,
    'pass',
    { zones: { ...PTR, 'x.example': { A: ['198.51.100.1'], MX: ['0 x.example'] } } },
  ),
  of(
    '4.6.4',
    'all and ip4 ask nothing',
    `${times(40, (index) => `ip4:198.51.100.${index + 1}`)} -all`,
    'fail',
  ),
  of('4.6.4', 'two names that are not there', 'a:n1.example a:n2.example ?all', 'neutral'),
  of('4.6.4', 'three names that are not there', 'a:n1.example a:n2.example a:n3.example ?all', 'permerror'),
  of(
    '4.6.4',
    'three names without the record',
    'mx:client.example mx:far.example mx:six.example ?all',
    'permerror',
  ),
  of('4.6.4', 'ten exchangers', undefined, 'fail', {
    zones: { 's.example': { TXT: ['v=spf1 mx -all'], MX: exchangers(10) }, ...mailHosts(10) },
  }),
  of('4.6.4', 'eleven exchangers', undefined, 'permerror', {
    zones: { 's.example': { TXT: ['v=spf1 mx -all'], MX: exchangers(11) }, ...mailHosts(11) },
  }),
  of('4.6.4', 'any number of addresses', 'a:many.example -all', 'pass', {
    zones: { 'many.example': { A: times(40, (index) => `192.0.2.${index + 1}`).split(' ') } },
  }),
  of('4.6.4', 'the eleventh name of a client', 'ptr:right.example -all', ['fail', 'pass'], {
    zones: {
      '192.0.2.4': { PTR: [...times(10, (index) => `p${index}.example`).split(' '), 'right.example'] },
      ...Object.fromEntries(
        times(10, (index) => `p${index}.example`)
          .split(' ')
          .map((name) => [name, { A: ['192.0.2.4'] }]),
      ),
      'right.example': { A: ['192.0.2.4'] },
    },
  }),
];

/** RFC 7208 appendix A: a small domain, and what its records would say of its hosts. */
const APPENDIX: FakeDnsZones = {
  'd.example': { A: ['192.0.2.10', '192.0.2.11'], MX: ['10 mail-a.d.example', '20 mail-b.d.example'] },
  'amy.d.example': { A: ['192.0.2.65'] },
  'bob.d.example': { A: ['192.0.2.66'] },
  'mail-a.d.example': { A: ['192.0.2.129'] },
  'mail-b.d.example': { A: ['192.0.2.130'] },
  'e.example': { MX: ['10 mail-c.e.example'] },
  'mail-c.e.example': { A: ['192.0.2.140'] },
  '192.0.2.10': { PTR: ['d.example'] },
  '192.0.2.11': { PTR: ['d.example'] },
  '192.0.2.65': { PTR: ['amy.d.example'] },
  '192.0.2.66': { PTR: ['bob.d.example'] },
  '192.0.2.129': { PTR: ['mail-a.d.example'] },
  '192.0.2.130': { PTR: ['mail-b.d.example'] },
  '192.0.2.140': { PTR: ['mail-c.e.example'] },
  '10.0.0.4': { PTR: ['bob.d.example'] },
};

const permits = (record: string, hosts: readonly number[]): readonly SpfCase[] =>
  [10, 11, 65, 66, 129, 130, 140].map((host) =>
    of('A', `${record} and host ${host}`, undefined, hosts.includes(host) ? 'pass' : 'fail', {
      ip: `192.0.2.${host}`,
      from: 'u@d.example',
      zones: {
        ...APPENDIX,
        'd.example': { ...(APPENDIX['d.example'] as object), TXT: [`v=spf1 ${record} -all`] },
      },
    }),
  );

const appendix: readonly SpfCase[] = [
  ...permits('a', [10, 11]),
  ...permits('a:d.example', [10, 11]),
  ...permits('a:e.example', []),
  ...permits('mx', [129, 130]),
  ...permits('mx:e.example', [140]),
  ...permits('mx mx:e.example', [129, 130, 140]),
  ...permits('mx/30 mx:e.example/30', [129, 130, 140]),
  ...permits('ptr', [10, 11, 65, 66, 129, 130]),
  ...permits('ip4:192.0.2.128/28', [129, 130, 140]),
  of('A.1', 'ptr of a client whose name leads elsewhere', undefined, 'fail', {
    ip: '10.0.0.4',
    from: 'u@d.example',
    zones: { ...APPENDIX, 'd.example': { ...(APPENDIX['d.example'] as object), TXT: ['v=spf1 ptr -all'] } },
  }),
  of('A.2', 'one policy for several domains', 'redirect=_spf.d.example', 'pass', {
    ip: '192.0.2.129',
    zones: { ...APPENDIX, '_spf.d.example': txt('v=spf1 mx:d.example -all') },
  }),
  of('A.3', 'a list of addresses in the DNS', 'exists:%{ir}._allowed.d.example -all', 'pass', {
    ip: '192.0.2.5',
    zones: { '5.2.0.192._allowed.d.example': { A: ['127.0.0.2'] } },
  }),
  of('A.4', 'several questions at once', '-include:ip4._spf.%{d} -include:ptr._spf.%{d} +all', 'fail', {
    zones: {
      'ip4._spf.s.example': txt('v=spf1 -ip4:192.0.2.0/24 +all'),
      'ptr._spf.s.example': txt('v=spf1 -ptr:s.example +all'),
    },
  }),
];

export const MODIFIER_CASES: readonly SpfCase[] = [
  ...modifiers,
  ...expansions,
  ...macros,
  ...limits,
  ...appendix,
];
