/** RFC 7672 section 3, case by case, on certificates OpenSSL made. */

import { describe, expect, test } from 'vitest';
import { publicKeyOf } from '../../../plugins/queue/mx/certificates.ts';
import { judgeByDane, usableRecords } from '../../../plugins/queue/mx/dane.ts';
import type { TlsaRecord } from '../../../bindings/plugin/resolver.ts';
import { issue, tlsa, type Issued } from './certificates.ts';

const NAMES = ['mx.a.example', 'a.example'];
const root = issue('root', { isAuthority: true });
const middle = issue('middle', { by: root, isAuthority: true });
const leaf = issue('mx', { by: middle, names: ['mx.a.example'] });
const forDomain = issue('mx', { by: root, names: ['a.example'] });
const forWildcard = issue('mx', { by: root, names: ['*.a.example'] });
const forOther = issue('mx', { by: root, names: ['mx.other.example'] });
const forPart = issue('mx.a.example', { by: root, names: ['m*.a.example'] });
const forDepths = issue('mx', { by: root, names: ['*.example'] });
const byCommonName = issue('mx.a.example', { by: root });
const old = issue('mx', { by: root, names: ['mx.a.example'], isExpired: true });
const oldMiddle = issue('old middle', { by: root, isAuthority: true, isExpired: true });
const underOld = issue('mx', { by: oldMiddle, names: ['mx.a.example'] });
const noAuthority = issue('no authority', { by: root });
const underNoAuthority = issue('mx', { by: noAuthority, names: ['mx.a.example'] });
const forClients = issue('mx', { by: root, names: ['mx.a.example'], usage: 'clientAuth' });
const stranger = issue('root', { isAuthority: true });
const selfSigned = issue('anything', { isExpired: true });

const judge = (records: readonly TlsaRecord[], chain: readonly Issued[]) =>
  judgeByDane(
    usableRecords(records),
    {
      chain: chain.map(({ der }) => der),
    },
    NAMES,
    Date.now(),
  );

describe('accepted', () => {
  const rests = ['0 0', '0 1', '0 2', '1 0', '1 1', '1 2'];
  test.each(rests)('3 %s of the own certificate', (rest) => {
    expect(judge([tlsa(`3 ${rest}`, leaf)], [leaf, middle])).toBeUndefined();
  });
  test.each(rests)('2 %s of an authority in the chain', (rest) => {
    expect(judge([tlsa(`2 ${rest}`, middle)], [leaf, middle, root])).toBeUndefined();
    expect(judge([tlsa(`2 ${rest}`, root)], [leaf, middle, root])).toBeUndefined();
  });
  test.each<[string, readonly TlsaRecord[], readonly Issued[]]>([
    ['DANE-EE of an expired certificate with another name', [tlsa('3 1 1', selfSigned)], [selfSigned]],
    ['DANE-EE of one for clients', [tlsa('3 1 1', forClients)], [forClients]],
    ['DANE-TA with a certificate for the domain of the mailboxes', [tlsa('2 0 1', root)], [forDomain, root]],
    ['DANE-TA with a wildcard', [tlsa('2 0 1', root)], [forWildcard, root]],
    ['DANE-TA with nothing but a common name', [tlsa('2 0 1', root)], [byCommonName, root]],
    ['a whole authority in the DNS that is not sent', [tlsa('2 0 0', middle)], [leaf]],
    ['a whole key in the DNS that is not sent', [tlsa('2 1 0', middle)], [leaf]],
    ['the next key beside that of today', [tlsa('3 1 1', stranger), tlsa('3 1 1', leaf)], [leaf]],
    [
      'DANE-TA though DANE-EE does not match',
      [tlsa('3 1 1', stranger), tlsa('2 0 1', root)],
      [forDomain, root],
    ],
    ['what can be used beside what cannot', [tlsa('1 1 1', stranger), tlsa('3 1 1', leaf)], [leaf]],
  ])('%s', (_, records, chain) => {
    expect(judge(records, chain)).toBeUndefined();
  });
});

describe('refused', () => {
  const MISMATCH = 'validation-failure';
  test.each<[string, string, readonly TlsaRecord[], readonly Issued[]]>([
    ['another certificate', MISMATCH, [tlsa('3 0 1', stranger)], [leaf, middle, root]],
    ['another key', MISMATCH, [tlsa('3 1 2', stranger)], [leaf, middle, root]],
    ['DANE-EE of an issuer', MISMATCH, [tlsa('3 0 1', middle)], [leaf, middle, root]],
    ['DANE-TA of the own certificate', MISMATCH, [tlsa('2 0 1', leaf)], [leaf, middle, root]],
    ['an authority that is not in the chain', MISMATCH, [tlsa('2 0 1', stranger)], [leaf, middle, root]],
    ['a namesake of the authority that signed', MISMATCH, [tlsa('2 0 1', stranger)], [forDomain, stranger]],
    ['a chain with a gap', MISMATCH, [tlsa('2 0 1', root)], [leaf, root]],
    ['an authority that is not sent', MISMATCH, [tlsa('2 0 1', root)], [leaf, middle]],
    ['DANE-TA, another name', 'certificate-host-mismatch', [tlsa('2 0 1', root)], [forOther, root]],
    [
      'DANE-TA, a star for part of a label',
      'certificate-host-mismatch',
      [tlsa('2 0 1', root)],
      [forPart, root],
    ],
    ['DANE-TA, a star for two labels', 'certificate-host-mismatch', [tlsa('2 0 1', root)], [forDepths, root]],
    ['DANE-TA, an expired certificate', 'certificate-expired', [tlsa('2 0 1', root)], [old, root]],
    ['DANE-TA, an expired issuer', 'certificate-expired', [tlsa('2 0 1', root)], [underOld, oldMiddle, root]],
    ['a published authority that has expired', MISMATCH, [tlsa('2 0 0', oldMiddle)], [underOld]],
    [
      'an issuer that is no authority',
      MISMATCH,
      [tlsa('2 0 1', root)],
      [underNoAuthority, noAuthority, root],
    ],
    ['a published issuer that is no authority', MISMATCH, [tlsa('2 0 0', noAuthority)], [underNoAuthority]],
    ['DANE-TA, a certificate for clients', MISMATCH, [tlsa('2 0 1', root)], [forClients, root]],
    ['a weak digest beside a strong one', MISMATCH, [tlsa('3 1 2', stranger), tlsa('3 1 1', leaf)], [leaf]],
    ['no certificate at all', MISMATCH, [tlsa('3 1 1', leaf)], []],
  ])('%s', (_, result, records, chain) => {
    expect(judge(records, chain)?.result).toBe(result);
  });

  test('a chain of octets that are no certificates', () => {
    const chain = [Buffer.from('x'), Buffer.alloc(0)];
    const fault = judgeByDane([tlsa('2 0 1', root)], { chain }, NAMES, Date.now());
    expect(fault?.result).toBe('validation-failure');
  });
});

describe('records nobody can use', () => {
  const data = Buffer.alloc(32, 1);
  test.each<[string, TlsaRecord]>([
    ['PKIX-TA', tlsa('0 0 1', root)],
    ['PKIX-EE', tlsa('1 1 1', leaf)],
    ['an unknown usage', { usage: 4, selector: 0, matching: 1, data }],
    ['an unknown selector', { usage: 3, selector: 2, matching: 1, data }],
    ['an unknown matching type', { usage: 3, selector: 1, matching: 3, data }],
    ['a digest that is too short', { usage: 3, selector: 1, matching: 2, data }],
    ['a digest that is empty', { usage: 3, selector: 1, matching: 1, data: Buffer.alloc(0) }],
    ['a certificate that is none', { usage: 2, selector: 0, matching: 0, data }],
    ['a key that is none', { usage: 3, selector: 1, matching: 0, data }],
  ])('%s', (_, record) => {
    expect(usableRecords([record])).toEqual([]);
  });
});

describe('the key inside a certificate', () => {
  test('is found octet by octet', () => {
    for (const { der, publicKey } of [root, leaf, selfSigned]) expect(publicKeyOf(der)).toEqual(publicKey);
  });

  test('is missing from what is no certificate', () => {
    for (let length = 0; length < leaf.der.length; length += 7)
      expect(publicKeyOf(leaf.der.subarray(0, length))).toBeUndefined();
    const lengths = [[0x80], [0x84, 0xff, 0xff, 0xff, 0xff], [0x85, 1, 1, 1, 1, 1]];
    for (const length of lengths) expect(publicKeyOf(Buffer.from([0x30, ...length]))).toBeUndefined();
  });
});
