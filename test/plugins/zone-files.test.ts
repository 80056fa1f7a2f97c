/** What zone files of rbldnsd say, line by line. rbldnsd itself is asked in test/integration/rbldnsd.test.ts. */

import { describe, expect, test } from 'vitest';
import { readZone } from '../../plugins/dns-lists/zone-files/zone-parser.ts';
import type { ZoneFormat } from '../../plugins/dns-lists/zone-files/zone-entries.ts';
import { Zone } from '../../plugins/dns-lists/zone-files/zone.ts';

const NOW = Date.UTC(2026, 5, 1);

const reading = (format: ZoneFormat, ...files: readonly string[]) =>
  readZone({ files: files.map((text) => Buffer.from(text)), format, nowMs: NOW, seed: 7 });

/** What is said about a subject: codes, then the text. `-` for what is not listed. */
function said(format: ZoneFormat, text: string | readonly string[], subject: string): string {
  const { zone } = reading(format, ...[text].flat());
  if (zone === undefined) return 'no zone';
  const entry = new Zone(zone).find(subject);
  if (entry === undefined) return '-';
  const shown = entry.text();
  return [entry.codes.join(), ...(shown === undefined ? [] : [shown])].join(' ');
}

describe('values', () => {
  const DEFAULT = ':127.0.0.9:default $ text\n';
  test.each([
    ['192.0.2.1', '127.0.0.2'],
    [`${DEFAULT}192.0.2.1`, '127.0.0.9 default 192.0.2.1 text'],
    [`${DEFAULT}192.0.2.1 :5`, '127.0.0.5 default 192.0.2.1 text'],
    [`${DEFAULT}192.0.2.1 :6:`, '127.0.0.6'],
    [`${DEFAULT}192.0.2.1 own text  `, '127.0.0.9 own text'],
    [`${DEFAULT}192.0.2.1 :127.1.2.3:  own $`, '127.1.2.3 own 192.0.2.1'],
    [`${DEFAULT}192.0.2.1:7:x`, '127.0.0.7 x'],
    [`${DEFAULT}192.0.2.1 :7 : x`, '127.0.0.7 x'],
    [`${DEFAULT}192.0.2.1 # comment`, '127.0.0.9 default 192.0.2.1 text'],
    [`${DEFAULT}192.0.2.1; comment`, '127.0.0.9 default 192.0.2.1 text'],
    [`${DEFAULT}192.0.2.1 :2:text # part of it`, '127.0.0.2 text # part of it'],
    // A default replaces the one before it as a whole.
    [`${DEFAULT}:3\n192.0.2.1`, '127.0.0.3'],
    [`192.0.2.1\n${DEFAULT}`, '127.0.0.2'],
    ['  :4:x\r\n\t192.0.2.1\r\n', '127.0.0.4 x'],
    ['192.0.2.1 café', '127.0.0.2 cafÃ©'],
  ])('%j', (text, answer) => {
    expect(said('ip4set', text, '192.0.2.1')).toBe(answer);
  });

  test.each([
    ':256:x',
    ':10.0.0.1:x',
    ':127.0.0.256:x',
    ':1.2:x',
    '::',
    ':: x',
    ':0:x',
    ':2x',
    ':2 text',
    ':',
  ])('no value: %s', (value) => {
    const { problems, zone } = reading('ip4set', `192.0.2.1 ${value}\n192.0.2.2`);
    expect(problems).toEqual([
      { file: 0, line: 1, text: expect.stringMatching(/^no value: `:127/) as string },
    ]);
    expect(new Zone(zone!).find('192.0.2.1')).toBeUndefined();
  });

  test.each([
    ['$1 one\n$1 uno\n192.0.2.1 a $1 b', 'a one b'],
    // Wherever it stands.
    ['192.0.2.1 a $1 b\n$1 late', 'a late b'],
    ['$1 see $2\n$2 two\n192.0.2.1 $1 $2', 'see $2 two'],
    ['192.0.2.1 $4 $ $$ $x $', '$4 192.0.2.1 $ 192.0.2.1x 192.0.2.1'],
    ['#$1 one\n192.0.2.1 $1', 'one'],
    [';$1 one\n192.0.2.1 $1', 'one'],
    [':$1 one\n192.0.2.1 $1', 'one'],
    ['$= See $= ($) $1\n$1 one\n192.0.2.1 t $ $1', 'See t $ $1 (192.0.2.1) one'],
    ['$= See $=\n192.0.2.1', 'See 192.0.2.1'],
    ['$= See $=\n192.0.2.1 :3:', 'See 192.0.2.1'],
    ['$= See $=\n192.0.2.1 =other $', 'other 192.0.2.1'],
    ['192.0.2.1 =other $= $', 'other $= 192.0.2.1'],
    [`192.0.2.1 ${'x'.repeat(250)}$`, `${'x'.repeat(250)}192.0`],
    [`192.0.2.1 ${'x'.repeat(300)}`, 'x'.repeat(255)],
  ])('text of %j', (text, expected) => {
    expect(said('ip4set', text, '192.0.2.1').replace('127.0.0.2 ', '').replace('127.0.0.3 ', '')).toBe(
      expected,
    );
  });

  test('one address, several entries', () => {
    const text = '192.0.2.1 :2:a\n192.0.2.1 :3:b\n192.0.2.1 :3:c\n192.0.2.1 :2:a';
    expect(said('ip4set', text, '192.0.2.1')).toBe('127.0.0.2,127.0.0.3 a');
  });

  test('defaults end with their file, an exclusion holds for all', () => {
    const files = [':5:own\n!192.0.2.1\n192.0.2.2', '192.0.2.1\n192.0.2.3'];
    expect(['1', '2', '3'].map((last) => said('ip4set', files, `192.0.2.${last}`))).toEqual([
      '-',
      '127.0.0.5 own',
      '127.0.0.2',
    ]);
  });
});

describe('directives', () => {
  test.each([
    ['$MAXRANGE4 /24\n192.0.0.0/16\n192.0.2.0/24', '127.0.0.2'],
    ['$maxrange4 256\n192.0.0.0/16 :3\n192.0.2.0/24', '127.0.0.2'],
    ['$MAXRANGE4 256\n192.0.2.0-192.0.3.0\n192.0.2.1', '127.0.0.2'],
    ['$SOA 0 ns.example. admin.example. 0 2h 2h 1w 1h\n$NS 1w ns.example\n$TTL 1h\n192.0.2.1', '127.0.0.2'],
    ['$TIMESTAMP 2026:05:31\n192.0.2.1', '127.0.0.2'],
    ['$TIMESTAMP 0 0\n192.0.2.1', '127.0.0.2'],
  ])('%j', (text, answer) => {
    expect(said('ip4set', text, '192.0.2.1')).toBe(answer);
  });

  test.each([
    ['$FOO x', 'no such directive'],
    ['$', 'no such directive'],
    ['#$foo', 'no such directive'],
    ['$1', '$1 has no text'],
    ['$MAXRANGE4 x', '$MAXRANGE4 takes a number of addresses, or the bits of a network: /24'],
    ['$MAXRANGE4 0', '$MAXRANGE4 takes a number of addresses, or the bits of a network: /24'],
    ['$MAXRANGE4 /33', '$MAXRANGE4 takes a number of addresses, or the bits of a network: /24'],
    ['$MAXRANGE4 /24\n$MAXRANGE4 /8', '$MAXRANGE4 can only become smaller'],
    ['$MAXRANGE4 /24\n10/8', 'the range is larger than $MAXRANGE4 allows'],
    ['$TIMESTAMP soon', '$TIMESTAMP takes yyyy:mm:dd:hh:mi:ss, and when the data expire'],
    ['$TIMESTAMP 2026:13:01', '$TIMESTAMP takes yyyy:mm:dd:hh:mi:ss, and when the data expire'],
    ['$TIMESTAMP 0 +1d', '$TIMESTAMP takes yyyy:mm:dd:hh:mi:ss, and when the data expire'],
    ['$DATASET ip4set x', 'sets of several formats in one file are not read: a file for each, please'],
  ])('left out: %j', (text, problem) => {
    const { entries, leftOut, problems } = reading('ip4set', `192.0.2.1\n${text}\n`);
    expect({ entries, leftOut }).toEqual({ entries: 1, leftOut: 1 });
    expect(problems).toEqual([{ file: 0, line: 1 + text.split('\n').length, text: problem }]);
  });

  test.each([
    ['$TIMESTAMP 2026:05:31 2026:06:02', false],
    ['$TIMESTAMP 20260531 +2d', false],
    ['$TIMESTAMP 2026-05-30-12:00 +1d', true],
    ['$TIMESTAMP 0 2026:05:31:23:59:59', true],
    ['$TIMESTAMP - 2026:05:31', true],
  ])('%s: too old is %s', (line, isExpired) => {
    expect(new Zone(reading('dnset', line).zone!).isExpired(NOW)).toBe(isExpired);
  });

  test('data of a time to come are none', () => {
    const { problems, zone } = reading('ip4set', '192.0.2.1\n$TIMESTAMP 2026:06:01:00:00:01\n192.0.2.2');
    expect(zone).toBeUndefined();
    expect(problems).toEqual([{ file: 0, line: 2, text: 'the data are of a time to come ($TIMESTAMP)' }]);
  });
});

describe('ip4set', () => {
  const IN = ['192.0.2.0', '192.0.2.255'];
  const OUT = ['192.0.1.255', '192.0.3.0', '2001:db8::1', 'example.org', '192.0.2', '192.0.2.1.1', ''];
  test.each([
    '192.0.2.0/24',
    '192.0.2',
    '192.0.2/24',
    '192.0.2.0-192.0.2.255',
    '192.0.2.0-255',
    '192.0.2-192.0.2',
  ])('%s', (entry) => {
    expect(IN.map((address) => said('ip4set', entry, address))).toEqual(['127.0.0.2', '127.0.0.2']);
    expect(OUT.map((address) => said('ip4set', entry, address))).toEqual(OUT.map(() => '-'));
  });

  test.each(['172.16.0.0-172.31.255.255', '172.16.0-172.31.255', '172.16-172.31', '172.16-31', '172.16/12'])(
    '%s',
    (entry) => {
      const addresses = ['172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'];
      expect(addresses.map((address) => said('ip4set', entry, address))).toEqual([
        '127.0.0.2',
        '127.0.0.2',
        '-',
        '-',
      ]);
    },
  );

  test('an IPv4 address inside an IPv6 one counts as IPv4', () => {
    expect(said('ip4set', '192.0.2.1', '::ffff:192.0.2.1')).toBe('127.0.0.2');
    expect(said('ip4trie', '192.0.2.0/25', '::ffff:192.0.2.1')).toBe('127.0.0.2');
  });

  test('both ends of the address space', () => {
    const text = '0.0.0.0/8 :3\n255.255.255.255 :4\n128/1 :5';
    expect(
      ['0.0.0.0', '0.255.255.255', '1.0.0.0', '255.255.255.254', '255.255.255.255'].map((address) =>
        said('ip4set', text, address),
      ),
    ).toEqual(['127.0.0.3', '127.0.0.3', '-', '127.0.0.5', '127.0.0.4']);
    expect(said('ip4set', '0.0.0.0-255.255.255.255', '203.0.113.7')).toBe('127.0.0.2');
  });

  test('the smallest network of whole octets answers, with all its entries', () => {
    const text = [
      '10/8 :8',
      '10.1/16 :16',
      '10.1.1.0/24 :24',
      '10.1.1.0/25 :25',
      '10.1.1.0-9 :9',
      '!10.1.1.200',
      '10.1.1.200 :200',
      '!10.1.2.0/26',
      '10.1.2.0/24 :3',
    ].join('\n');
    const answers = {
      '10.2.0.0': '127.0.0.8',
      '10.1.0.0': '127.0.0.16',
      '10.1.1.255': '127.0.0.24',
      '10.1.1.100': '127.0.0.25',
      '10.1.1.5': '127.0.0.25,127.0.0.9',
      '10.1.1.200': '-',
      '10.1.2.63': '-',
      '10.1.2.64': '127.0.0.3',
    };
    for (const [address, answer] of Object.entries(answers))
      expect(said('ip4set', text, address)).toBe(answer);
  });

  test.each([
    ['300.2.3.4', 'no address, network or range'],
    ['192.0.2.', 'no address, network or range'],
    ['192.0.2.0/33', 'no address, network or range'],
    ['192.0.2.0/', 'no address, network or range'],
    ['192.0.2.1-256', 'no address, network or range'],
    ['1-1.3.4', 'no address, network or range'],
    ['192.0.2.1-', 'no address, network or range'],
    ['192.0.2.5-4', 'the range ends before it begins'],
    ['192.0.2.1/24', 'the address is not the first one of its network'],
    ['192.1/8', 'the address is not the first one of its network'],
    ['0/0', 'a network of no bits is everything: write the range if that is meant'],
    ['192.0.2.1x', 'no entry of this format'],
    ['192.0.2.1,x', 'no entry of this format'],
    ['2001:db8::1', 'no entry of this format'],
    ['example.org', 'no entry of this format'],
    ['!', 'no entry of this format'],
  ])('left out: %s', (entry, problem) => {
    const { entries, problems } = reading('ip4set', `# a comment\n\n${entry}\n198.51.100.1`);
    expect(entries).toBe(1);
    expect(problems.map(({ line, text }) => `${line}: ${text}`)).toEqual([
      expect.stringMatching(entry.includes('2001:') ? /^3: no / : `3: ${problem}`) as string,
    ]);
  });

  test('a thousand entries for one address are enough', () => {
    const text = Array.from({ length: 1_100 }, (_, index) => `192.0.2.1 text ${index}`).join('\n');
    const { entries, leftOut, problems, zone } = reading('ip4set', text);
    expect({ entries, leftOut }).toEqual({ entries: 1_024, leftOut: 76 });
    expect(problems[0]).toEqual({
      file: 0,
      line: 1_025,
      text: 'more than 1024 entries for the same addresses',
    });
    const entry = new Zone(zone!).find('192.0.2.1');
    expect([entry?.codes, entry?.text()]).toEqual([['127.0.0.2'], 'text 0']);
  });
});

describe('tries', () => {
  test('ip4trie: the smallest network answers, of several lines for one the first', () => {
    const text = '10/8 :8\n10.1.1.0/25 :25\n!10.1.1.64/26\n10.1.1.70 :70\n10.1.1.0/25 :99\n0/0 :1';
    const answers = {
      '10.2.0.0': '127.0.0.8',
      '10.1.1.5': '127.0.0.25',
      '10.1.1.65': '-',
      '10.1.1.70': '127.0.0.70',
      '11.0.0.0': '127.0.0.1',
      '2001:db8::1': '-',
    };
    for (const [address, answer] of Object.entries(answers))
      expect(said('ip4trie', text, address)).toBe(answer);
    const { entries, problems } = reading('ip4trie', text);
    expect(entries).toBe(5);
    expect(problems).toEqual([{ file: 0, line: 5, text: 'the same network stands in a line before' }]);
  });

  test.each(['1', '192.0.2.1-5', '192.0.2.1/24'])('ip4trie, left out: %s', (entry) => {
    expect(reading('ip4trie', entry).zone).toBeUndefined();
  });

  const IPV6 = [
    ':127.0.1.2: See http://example.com/lookup?$',
    '2001:21ab:c000/36',
    '2001:21ab:def7:4242 :127.0.1.3: This one smells funny',
    '2605:6001:42::/52',
    '::1 # localhost',
    '!2605:6001:42::bead',
  ].join('\n');
  test.each([
    [
      '2001:21ab:cfff:ffff:ffff:ffff:ffff:ffff',
      '127.0.1.2 See http://example.com/lookup?2001:21ab:cfff:ffff:ffff:ffff:ffff:ffff',
    ],
    ['2001:21ab:d000::', '-'],
    ['2001:21ab:def7:4242:1::2', '127.0.1.3 This one smells funny'],
    ['2605:6001:42::beae', '127.0.1.2 See http://example.com/lookup?2605:6001:42::beae'],
    ['2605:6001:42::bead', '-'],
    ['2605:6001:42:1000::', '-'],
    ['::1', '127.0.1.2 See http://example.com/lookup?::1'],
    ['::2', '-'],
    ['192.0.2.1', '-'],
    ['example.org', '-'],
  ])('ip6trie: %s', (address, answer) => {
    expect(said('ip6trie', IPV6, address)).toBe(answer);
  });

  test('ip6trie: everything, and half of it', () => {
    expect(said('ip6trie', '::/0 :4', '2001:db8::1')).toBe('127.0.0.4');
    expect(said('ip6trie', '8000::/1 :5', 'ffff::')).toBe('127.0.0.5');
    expect(said('ip6trie', '8000::/1 :5', '7fff::')).toBe('-');
  });

  test.each([
    ['2001', 'a single group is no address: write /16 after it'],
    ['2001:', 'no address, network or range'],
    ['2001:db8:', 'no address, network or range'],
    ['12345::', 'no address, network or range'],
    ['2001:db8::1::2', 'no address, network or range'],
    ['1:2:3:4:5:6:7:8:9', 'no address, network or range'],
    ['1::2:3:4:5:6:7:8', 'no address, network or range'],
    ['2001:db8::/129', 'no address, network or range'],
    ['2001:db8::1/64', 'the address is not the first one of its network'],
    ['2001:db8::/31', undefined],
    ['2001:db8::/28', 'the address is not the first one of its network'],
    ['1:2:3:4:5:6:7::', undefined],
    ['2001:db8::/', 'no entry of this format'],
    ['::ffff:192.0.2.1', 'no entry of this format'],
  ])('ip6trie, %s: %s', (entry, problem) => {
    const { problems } = reading('ip6trie', entry);
    expect(problems[0]?.text).toBe(problem);
  });

  test('ip6tset: networks of 64 bits with the first default, and addresses that are not meant', () => {
    const text = '2001:db8:0:1 :9:not read\n!2001:db8:0:1::5\n:4:y $\n2001:db8:0:1\n:3:x $';
    expect(said('ip6tset', text, '2001:db8:0:1::1')).toBe('127.0.0.4 y 2001:db8:0:1::1');
    expect(said('ip6tset', text, '2001:db8:0:1::5')).toBe('-');
    expect(said('ip6tset', text, '2001:db8:0:2::1')).toBe('-');
    expect(reading('ip6tset', text)).toMatchObject({ entries: 3, leftOut: 0 });
  });

  test.each(['2001:db8:1', '2001:db8::', '2001:db8:1:2:3', '2001:db8:1:2/64', '!2001:db8:1:2'])(
    'ip6tset, left out: %s',
    (entry) => {
      expect(reading('ip6tset', entry).problems[0]?.text).toMatch(/of an ip6tset is/);
    },
  );
});

describe('dnset', () => {
  const text = [
    ':2:t $',
    'example.com.',
    '*.example.com :3:w $',
    '.Foo.org :4:f',
    '!bar.foo.org',
    '!*.baz.foo.org',
    'qux.baz.foo.org :5:q',
    'dup.org :2:a',
    'dup.org :3:b',
    '!dup2.org',
    'dup2.org',
    '.wild :6',
    '!.ex.wild',
    'y.ex.wild :7',
    '4.3.2.1',
    'bücher.example :8',
  ].join('\n');
  test.each([
    ['example.com', '127.0.0.2 t example.com'],
    ['www.example.com', '127.0.0.3 w example.com'],
    ['a.b.example.com', '127.0.0.3 w example.com'],
    ['xexample.com', '-'],
    ['com', '-'],
    ['foo.org', '127.0.0.4 f'],
    ['bar.foo.org', '-'],
    ['y.bar.foo.org', '127.0.0.4 f'],
    ['baz.foo.org', '127.0.0.4 f'],
    ['z.baz.foo.org', '-'],
    ['qux.baz.foo.org', '127.0.0.5 q'],
    ['z.qux.baz.foo.org', '-'],
    ['dup.org', '127.0.0.2,127.0.0.3 a'],
    ['dup2.org', '-'],
    ['wild', '127.0.0.6 t wild'],
    ['a.b.wild', '127.0.0.6 t wild'],
    ['ex.wild', '-'],
    ['x.ex.wild', '-'],
    ['y.ex.wild', '127.0.0.7 t y.ex.wild'],
    ['1.2.3.4', '127.0.0.2 t 4.3.2.1'],
    ['4.3.2.1', '-'],
    ['xn--bcher-kva.example', '127.0.0.8 t xn--bcher-kva.example'],
    ['', '-'],
    ['.', '-'],
  ])('%s', (name, answer) => {
    expect(said('dnset', text, name)).toBe(answer);
  });

  test.each([
    '.',
    '*',
    '*.',
    '..foo',
    'foo..bar',
    `${'x'.repeat(64)}.org`,
    `${'x.'.repeat(126)}xx`,
    'a\\046b.org',
  ])('left out: %s', (entry) => {
    expect(reading('dnset', entry).problems[0]?.text).toBe('no domain, `*.domain` or `.domain`');
  });

  test('names of any length are found again', () => {
    const longest = `${'x'.repeat(63)}.${'y'.repeat(63)}.${'z'.repeat(63)}.${'w'.repeat(61)}`;
    expect(said('dnset', `${longest}\n.a`, longest)).toBe('127.0.0.2');
    expect(said('dnset', '.a', `${'b.'.repeat(126)}a`)).toBe('127.0.0.2');
  });
});

test('a file is no zone if not one line of it can be read; an empty one lists nobody', () => {
  expect(reading('ip4set', 'a\nb\nc')).toMatchObject({ zone: undefined, entries: 0, leftOut: 3 });
  expect(reading('ip4set', '# nothing').zone).toBeDefined();
  expect(reading('ip4set', Buffer.alloc(1_000, 0xff).toString('latin1')).zone).toBeUndefined();
});

test('the first problems are kept, all are counted, with the lines of their files', () => {
  const bad = 'x\n'.repeat(4);
  const { leftOut, problems } = reading('ip4set', `${bad}192.0.2.1`, `\n${bad}`);
  expect(leftOut).toBe(8);
  expect(problems.map(({ file, line }) => [file, line])).toEqual([
    [0, 1],
    [0, 2],
    [0, 3],
    [0, 4],
    [1, 2],
  ]);
});
