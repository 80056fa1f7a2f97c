import { createPrivateKey, X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { integer, objectIdentifier, octetString, time } from '../../bindings/wire/der.ts';
import { makeSelfSigned } from '../../host/tls/self-signed.ts';

const notBefore = new Date('2026-01-02T03:04:05Z');
const notAfter = new Date('2060-12-31T23:59:59Z');

test('the certificate stands for its names and addresses, signs itself, and belongs to its key', () => {
  const names = ['mx.example.com', '192.0.2.1', '2001:db8::1', '::', '1::', '1:2:3:4:5:6:7:8'] as const;
  const { certificate, key } = makeSelfSigned({ names: [...names], notBefore, notAfter });
  const parsed = new X509Certificate(certificate);
  expect(parsed.subject).toBe('CN=mx.example.com');
  expect(parsed.checkHost('mx.example.com')).toBe('mx.example.com');
  for (const address of names.slice(1)) expect(parsed.checkIP(address), address).toBe(address);
  expect(parsed.checkHost('other.example.com')).toBeUndefined();
  expect(parsed.verify(parsed.publicKey)).toBe(true);
  expect(parsed.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect(parsed.ca).toBe(false);
  expect(new Date(parsed.validFrom)).toEqual(notBefore);
  expect(new Date(parsed.validTo)).toEqual(notAfter);
});

test('two certificates have different keys and serial numbers', () => {
  const [one, two] = [1, 2].map(() => makeSelfSigned({ names: ['a.example'], notBefore, notAfter }));
  expect(new X509Certificate(one!.certificate).serialNumber).not.toBe(
    new X509Certificate(two!.certificate).serialNumber,
  );
  expect(one!.key).not.toBe(two!.key);
});

test('DER: lengths from 128 on, positive integers, arcs from 128 on, years from 2050 on', () => {
  expect(octetString(Buffer.alloc(127)).subarray(0, 2).toString('hex')).toBe('047f');
  expect(octetString(Buffer.alloc(128)).subarray(0, 3).toString('hex')).toBe('048180');
  expect(octetString(Buffer.alloc(256)).subarray(0, 4).toString('hex')).toBe('04820100');
  expect(integer(Buffer.of(0x80)).toString('hex')).toBe('02020080');
  expect(integer(Buffer.of(0, 0, 1)).toString('hex')).toBe('020101');
  expect(integer(Buffer.of(0)).toString('hex')).toBe('020100');
  expect(objectIdentifier('1.2.840.10045.4.3.2').toString('hex')).toBe('06082a8648ce3d040302');
  expect(time(new Date('2049-12-31T00:00:00Z')).subarray(2).toString()).toBe('491231000000Z');
  expect(time(new Date('2050-01-01T00:00:00Z')).subarray(2).toString()).toBe('20500101000000Z');
});
