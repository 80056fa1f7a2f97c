import { expect, test } from 'vitest';
import { addressOctets } from '../../bindings/lists/client-ranges.ts';
import { plainName, reversedDigits, reverseName } from '../../bindings/wire/index.ts';

test('names have one form for comparison', () => {
  expect(plainName('MX.Example.')).toBe('mx.example');
  expect(plainName('mx.example')).toBe('mx.example');
  expect(plainName('.')).toBe('');
});

test('addresses are turned round by octets, or by nibbles. RFC 3596 section 2.5, RFC 5782 section 2.4', () => {
  const v4 = addressOctets('192.0.2.9')!;
  const v6 = addressOctets('2001:db8::567:89ab')!;
  expect(reverseName(v4)).toBe('9.2.0.192.in-addr.arpa');
  expect(reversedDigits(v4)).toBe('9.2.0.192');
  const nibbles = 'b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2';
  expect(reverseName(v6)).toBe(`${nibbles}.ip6.arpa`);
  expect(reversedDigits(v6)).toBe(nibbles);
});
