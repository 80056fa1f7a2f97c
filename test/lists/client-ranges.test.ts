import { describe, expect, test } from 'vitest';
import {
  ClientRanges,
  canonicalIpAddress,
  isIpAddress,
  isLoopback,
  prefixKeys,
  shareNetwork,
} from '../../bindings/lists/index.ts';

function list(lines: readonly string[], takesOpenPrefixes = false) {
  const warnings: string[] = [];
  const ranges = new ClientRanges(lines, { takesOpenPrefixes, log: { warn: (text) => warnings.push(text) } });
  return { ranges, warnings };
}

describe('ClientRanges', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', '127.0.0.10', false],
    ['192.0.', '192.0.1.1', true],
    ['192.0.', '192.51.1.1', false],
    ['192.0.', '203.0.113.0', false],
    ['192.0.1.0/24', '192.0.1.1', true],
    ['192.0.0.0/24', '192.0.1.1', false],
    // First and last address of a network belong to it. RFC 4632 section 3.1.
    ['192.0.2.4/30', '192.0.2.3', false],
    ['192.0.2.4/30', '192.0.2.4', true],
    ['192.0.2.4/30', '192.0.2.7', true],
    ['192.0.2.4/30', '192.0.2.8', false],
    ['192.0.2.77/24', '192.0.2.1', true],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['192.0.2.1/32', '192.0.2.1', true],
    ['fdda:b13d:e431:ae06::/64', 'fdda:b13d:e431:ae06:00a1::', true],
    ['fdda:b13d:e431:be17::', 'fdda:b13d:e431:ae06:00a1::', false],
    ['2001:DB8::1', '2001:db8:0:0::1', true],
    ['2001:DB8::1/32', '2001:db8:ffff::', true],
    ['2001:db8:e431:ae06:', '2001:db8:e431:ae06::9', true],
    ['2001:db8:e431:ae06:', '2001:db8:e431:ae07::9', false],
    ['2001:0DB8', '2001:db8::1', true],
    ['2001:0DB8', '2001:db9::1', false],
    ['2001:0db8:00', '2001:db8:ff::1', true],
    ['2001:0db8:00', '2001:db8:1ff::1', false],
    ['::ffff:192.0.2.0/120', '192.0.2.9', true],
    ['192.0.2.9', '::ffff:192.0.2.9', true],
    ['::/0', '::1', true],
  ])('%s holds %s: %s', (entry, address, isListed) => {
    const { ranges, warnings } = list([entry]);
    expect(warnings).toEqual([]);
    expect(ranges.has(address)).toBe(isListed);
  });

  test('many ranges that touch and overlap act as one list', () => {
    const { ranges } = list([
      '10.0.0.0/25',
      '10.0.0.128/25',
      '10.0.0.7',
      '10.0.2.',
      '10.0.0.64/26',
      '9.255.255.255',
    ]);
    for (const inside of ['9.255.255.255', '10.0.0.0', '10.0.0.255', '10.0.2.0', '10.0.2.255']) {
      expect(ranges.has(inside), inside).toBe(true);
    }
    for (const outside of ['9.255.255.254', '10.0.1.0', '10.0.1.255', '10.0.3.0']) {
      expect(ranges.has(outside), outside).toBe(false);
    }
  });

  test.each([
    '192.0.2',
    '192.0.2.256',
    '010.1.1.1',
    '10.0.0.0/33',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
    'localhost',
    'cafe',
    'fe80::1%eth0',
    '*',
  ])('%s is left out with a warning that quotes it', (entry) => {
    const { ranges, warnings } = list([entry, '', '127.0.0.1']);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`\`${entry}\``);
    expect(ranges.has('127.0.0.1')).toBe(true);
    expect(ranges.has('192.0.2.1')).toBe(false);
  });

  test('an open prefix ends at a dot: 10.1 is not 10.10, and a whole address is not the beginning of others', () => {
    const { ranges, warnings } = list(['10.1', '192.0.2.1'], true);
    expect(warnings).toEqual([]);
    expect(['10.1.2.3', '192.0.2.1'].map((ip) => ranges.has(ip))).toEqual([true, true]);
    expect(['10.10.2.3', '10.100.0.1', '192.0.2.10', '192.0.2.100'].map((ip) => ranges.has(ip))).toEqual(
      new Array(4).fill(false),
    );
  });

  test('what is no address is on no list', () => {
    const { ranges } = list(['0.0.0.0/0', '::/0']);
    for (const text of ['', 'unknown', '1.2.3', '1.2.3.4.5', '1.2.3.4 '])
      expect(ranges.has(text), text).toBe(false);
  });
});

test('prefixKeys names an address as databases of relay clients do', () => {
  expect(prefixKeys('192.0.2.3')).toEqual(['192.0.2.3', '192.0.2.', '192.0.', '192.']);
  const keys = prefixKeys('2001:db8::1');
  expect(keys[0]).toBe('2001:db8::1');
  expect(keys).toContain('2001:0db8:0000:0000:0000:0000:0000:0001');
  expect(keys).toContain('2001:0db8');
  expect(keys).toContain('2001:db8:');
  expect(new Set(keys).size).toBe(keys.length);
  expect(prefixKeys('nonsense')).toEqual([]);
});

test.each([
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['192.0.2.1', '192.0.2.1'],
  ['mail.example', undefined],
])('the canonical form of %s', (text, canonical) => {
  expect(canonicalIpAddress(text)).toBe(canonical);
});

test('addresses are told from names, and networks compared', () => {
  for (const ip of ['1.0.0.0', '254.254.254.254', '255.255.255.255', '::1', '2001:db8::1']) {
    expect(isIpAddress(ip), ip).toBe(true);
  }
  for (const name of ['1.2.3', 'mail.example', '[192.0.2.1]', '1.2.3.4.', ':', '']) {
    expect(isIpAddress(name), name).toBe(false);
  }
  expect(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'].every(isLoopback)).toBe(true);
  expect(['128.0.0.1', '::2', 'localhost', ''].some(isLoopback)).toBe(false);
  expect(shareNetwork('192.0.2.1', '192.0.2.200', 24, 96)).toBe(true);
  expect(shareNetwork('192.0.2.1', '192.0.1.1', 24, 96)).toBe(false);
  expect(shareNetwork('2001:db8::1', '2001:db8::2', 24, 96)).toBe(true);
  expect(shareNetwork('2001:db8::1', '2001:db7::1', 24, 96)).toBe(false);
  expect(shareNetwork('192.0.2.1', '2001:db8::1', 24, 0)).toBe(false);
});
