/** The one form of a domain's name in comparisons. RFC 5890 section 2.3.2.1, RFC 3492. */

import { domainToASCII, domainToUnicode } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Address } from '../../bindings/wire/address.ts';
import { canonicalDomain, canonicalEntry, unicodeDomain } from '../../bindings/wire/domain-name.ts';
import { amount } from '../amount.ts';

describe('the canonical form', () => {
  test.each([
    ['example.org', 'example.org'],
    ['EXAMPLE.Org.', 'example.org'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['BÜCHER.example', 'xn--bcher-kva.example'],
    ['bu\u0308cher.example', 'xn--bcher-kva.example'],
    ['XN--BCHER-KVA.example.', 'xn--bcher-kva.example'],
    // Not transitional: these are two domains.
    ['faß.example', 'xn--fa-hia.example'],
    ['fass.example', 'fass.example'],
    ['ＡＢＣ。example', 'abc.example'],
    ['[192.0.2.1]', '[192.0.2.1]'],
    ['[IPv6:2001:DB8:0::1]', '[ipv6:2001:db8::1]'],
    ['a_b.example', 'a_b.example'],
    ['', ''],
    ['.', undefined],
    ['a..', undefined],
    ['ü..example', undefined],
    // A URL would read these as an address, a port, an escape and a path.
    ['１２７.1', undefined],
    ['ü:80', undefined],
    ['ü%41.example', undefined],
    ['ü/x', undefined],
    ['ü？x', undefined],
    ['\u00ad', undefined],
    [`${'ü'.repeat(60)}.example`, undefined],
    ['a.'.repeat(128), undefined],
    [`${'a.'.repeat(127)}a`, `${'a.'.repeat(127)}a`],
  ])('of %j is %j', (name, canonical) => {
    expect(canonicalDomain(name)).toBe(canonical);
  });

  test('is what the DNS is asked for, made once and for all, and can be turned back', () => {
    const letters = fc.string({ unit: fc.constantFrom(...'abzAZ09-üÜßéеДжあ例字ﾊ\u0308ﬁ'), maxLength: 12 });
    fc.assert(
      fc.property(fc.array(letters, { minLength: 1, maxLength: 4 }), (labels) => {
        const name = labels.join('.');
        const canonical = canonicalDomain(name);
        fc.pre(canonical !== undefined);
        if (/[^\u0000-\u007f]/.test(name)) expect(canonical).toBe(domainToASCII(name).replace(/\.$/, ''));
        expect(canonicalDomain(canonical)).toBe(canonical);
        const unicode = unicodeDomain(canonical);
        expect(canonicalDomain(unicode)).toBe(canonical);
        if (/[^\u0000-\u007f]/.test(name)) expect(unicode).toBe(domainToUnicode(canonical));
      }),
      { numRuns: amount(500, 2_000), seed: 3492 },
    );
  });

  test.each([
    'xn--',
    'xn---',
    'xn--99999999999',
    'xn--abc-',
    'xn--\u0131',
    'xn--a',
    'xn--zzzzzzzzzzzzzzz9',
    'xn--bcher-KVA',
  ])('of %s, which is no A-label of ours, stays text', (label) => {
    expect(unicodeDomain(label)).toBe(label);
  });

  test('is found in list entries of every shape', () => {
    expect(canonicalEntry('Müller@BÜCHER.example.')).toBe('müller@xn--bcher-kva.example');
    expect(canonicalEntry('mu\u0308ller@x')).toBe('müller@x');
    expect(canonicalEntry('@bücher.example')).toBe('@xn--bcher-kva.example');
    expect(canonicalEntry('.bücher.example')).toBe('.xn--bcher-kva.example');
    expect(canonicalEntry('*')).toBe('*');
    expect(canonicalEntry('a@１２７.1')).toBeUndefined();
  });
});

describe('addresses', () => {
  test('are equal in every spelling of the domain, and keep the one they came in', () => {
    const address = new Address('A', 'Bücher.Example');
    expect(address.equals(new Address('A', 'XN--BCHER-KVA.example'))).toBe(true);
    expect(address.equals(new Address('a', 'bücher.example'))).toBe(false);
    expect(address.toString()).toBe('<A@Bücher.Example>');
    expect(address.canonicalMailbox).toBe('A@xn--bcher-kva.example');
    expect(new Address('mu\u0308ller', 'x').equals(new Address('müller', 'x'))).toBe(true);
    expect(new Address('a', '１２７.1').equals(new Address('a', '127.0.0.1'))).toBe(false);
    expect(Address.null.canonicalMailbox).toBe('');
  });
});
