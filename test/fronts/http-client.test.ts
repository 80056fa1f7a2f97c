import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AddressRanges, NO_RANGES } from '../../host/config/address-ranges.ts';
import { clientOf, type HttpClient } from '../../host/fronts/http/http-client.ts';
import { amount } from '../amount.ts';
import { parseListen, printListen } from '../../host/intake/listen-spec.ts';

const PROXIES = AddressRanges.compile(['10.0.0.0/8', '192.0.2.1', 'unix']);

function from(address: string, path?: string): HttpClient {
  const peer = { address, port: 40_000, ...(path === undefined ? {} : { path }) };
  return { hops: ['tcp'], peer, remote: peer, local: { address: '10.0.0.9', port: 8025 } };
}

type Fields = Record<string, string>;
const seen = (headers: Fields, connection = from('10.0.0.1'), proxies = PROXIES): string =>
  clientOf({ headers }, connection, proxies).remote.address;

describe('who the client is', () => {
  test.each<[string, Fields]>([
    ['198.51.100.7', { 'x-forwarded-for': '198.51.100.7' }],
    ['198.51.100.7', { 'x-forwarded-for': '127.0.0.1, 198.51.100.7' }],
    ['198.51.100.7', { 'x-forwarded-for': 'no address at all, 198.51.100.7,10.1.1.1 , 192.0.2.1' }],
    ['198.51.100.7', { 'x-forwarded-for': '198.51.100.7:4711' }],
    ['2001:db8::7', { 'x-forwarded-for': '2001:db8::7' }],
    ['2001:db8::7', { 'x-forwarded-for': '[2001:db8::7]:4711' }],
    ['198.51.100.7', { 'x-forwarded-for': '::ffff:198.51.100.7' }],
    ['10.2.2.2', { 'x-forwarded-for': '10.2.2.2, 10.1.1.1' }],
    ['198.51.100.7', { forwarded: 'for=198.51.100.7' }],
    ['198.51.100.7', { forwarded: 'for=127.0.0.1;proto=https, For="198.51.100.7:4711";by=_a, for=10.1.1.1' }],
    ['2001:db8::7', { forwarded: 'host="a\\"b,c";for="[2001:db8::7]"' }],
    ['198.51.100.7', { forwarded: 'for=198.51.100.7', 'x-forwarded-for': '1.2.3.4, 198.51.100.7' }],
  ])('%s: %o', (address, headers) => {
    expect(seen(headers)).toBe(address);
  });

  test.each<[string, Fields]>([
    ['no name at all', {}],
    [
      'Client-IP, which no proxy of ours would write',
      { 'client-ip': '198.51.100.7', 'x-real-ip': '198.51.100.7' },
    ],
    ['no address', { 'x-forwarded-for': 'unknown' }],
    ['a hidden name', { forwarded: 'for=_secret' }],
    ['an element without a name', { forwarded: 'for=198.51.100.7, proto=https' }],
    ['an empty element', { 'x-forwarded-for': '198.51.100.7,' }],
    ['no address before our proxies', { 'x-forwarded-for': '198.51.100.7, junk, 10.1.1.1' }],
    ['an address in another notation', { 'x-forwarded-for': '0x7f.1' }],
    ['a zone', { 'x-forwarded-for': 'fe80::1%eth0' }],
    ['two names in one element', { forwarded: 'for=198.51.100.7;for=127.0.0.1' }],
    ['a quote without its end', { forwarded: 'for="198.51.100.7, for=127.0.0.1' }],
    ['fields that do not agree', { forwarded: 'for=127.0.0.1', 'x-forwarded-for': '198.51.100.7' }],
  ])('%s from a proxy is refused', (_, headers) => {
    expect(() => seen(headers)).toThrow(expect.objectContaining({ statusCode: 400 }));
  });

  test('what others say of themselves is not believed', () => {
    const headers = {
      'x-forwarded-for': '127.0.0.1',
      forwarded: 'for=127.0.0.1;proto=https',
      'x-forwarded-proto': 'https',
    };
    const connection = from('198.51.100.9');
    expect(clientOf({ headers }, connection, PROXIES)).toBe(connection);
    expect(clientOf({ headers }, connection, NO_RANGES)).toBe(connection);
  });

  test('without the list this host may name clients, and is one if it does not', () => {
    expect(seen({ 'x-forwarded-for': '198.51.100.7' }, from('127.0.0.1'), NO_RANGES)).toBe('198.51.100.7');
    expect(seen({}, from('127.0.0.1'), NO_RANGES)).toBe('127.0.0.1');
    expect(seen({ 'x-forwarded-for': '198.51.100.7' }, from('10.0.0.1'), NO_RANGES)).toBe('10.0.0.1');
  });

  test('on a Unix socket the word `unix` counts, and not the address it stands for', () => {
    const headers = { 'x-forwarded-for': '198.51.100.7' };
    const overUnix = from('127.0.0.1', '/run/http.sock');
    expect(seen(headers, overUnix)).toBe('198.51.100.7');
    expect(seen(headers, overUnix, NO_RANGES)).toBe('198.51.100.7');
    expect(seen(headers, overUnix, AddressRanges.compile(['127.0.0.1']))).toBe('127.0.0.1');
  });

  test('with a PROXY header it goes by the address in it: the client cannot name itself', () => {
    const behind = { ...from('10.0.0.1'), remote: { address: '198.51.100.9', port: 1 } };
    expect(seen({ 'x-forwarded-for': '127.0.0.1' }, behind)).toBe('198.51.100.9');
  });

  test.each<[string, Fields, object | undefined]>([
    ['nothing', {}, undefined],
    ['HTTP', { 'x-forwarded-proto': 'http' }, undefined],
    [
      'HTTPS',
      { 'x-forwarded-proto': 'https' },
      { by: 'proxy', version: 'TLS', cipher: 'unknown', verified: false },
    ],
    ['HTTPS somewhere before', { 'x-forwarded-proto': 'https, http' }, undefined],
    [
      'version and cipher',
      { 'x-forwarded-proto': 'https', 'x-ssl-protocol': 'TLSv1.3', 'x-ssl-cipher': 'TLS_AES_128_GCM_SHA256' },
      { by: 'proxy', version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', verified: false },
    ],
    [
      'names that are none',
      { 'x-forwarded-proto': 'https', 'x-ssl-protocol': 'a\tb', 'x-ssl-cipher': '(null)' },
      { by: 'proxy', version: 'TLS', cipher: 'unknown', verified: false },
    ],
    ['a cipher without HTTPS', { 'x-ssl-protocol': 'TLSv1.3' }, undefined],
  ])('TLS that ended in front: %s', (_, fields, tls) => {
    const headers = { 'x-forwarded-for': '198.51.100.7', ...fields };
    expect(clientOf({ headers }, from('10.0.0.1'), PROXIES).tls).toEqual(tls);
  });

  test('TLS in Forwarded counts with the element that names the client', () => {
    const tlsOf = (forwarded: string): unknown =>
      clientOf({ headers: { forwarded } }, from('10.0.0.1'), PROXIES).tls;
    expect(tlsOf('for=198.51.100.7;proto=https, for=10.1.1.1;proto=http')).toMatchObject({ by: 'proxy' });
    expect(tlsOf('for=127.0.0.1;proto=https, for=198.51.100.7;proto=http')).toBeUndefined();
  });
});

describe('a listener for HTTP', () => {
  test.each([
    'http://127.0.0.1:8025 upgrade=smtp',
    'http://[::1]:8025 proxy=required proxy-from=10.0.0.0/8 upgrade=smtp websocket=yes connect=yes',
    'http+unix:/run/http.sock inject=raw,kumo,json',
    'http://127.0.0.1:8025 nginx-auth=port=2525',
    'http://127.0.0.1:8025 nginx-auth=port=2525,tls-port=2526,host=::1',
  ])('%s is printed as it was written', (text) => {
    expect(printListen(parseListen(text))).toBe(text);
  });

  test('says what it offers', () => {
    expect(
      parseListen('http://127.0.0.1:8025 upgrade=smtp inject=json,raw nginx-auth=port=25,tls-port=26'),
    ).toEqual({
      kind: 'tcp',
      address: '127.0.0.1',
      port: 8025,
      startsWithTls: false,
      http: {
        upgrade: true,
        websocket: false,
        connect: false,
        inject: ['raw', 'json'],
        nginxAuth: { port: 25, tlsPort: 26 },
      },
    });
  });

  test.each([
    ['http://127.0.0.1:8025', 'it offers nothing'],
    ['http://127.0.0.1:8025 upgrad=smtp', 'did you mean upgrade?'],
    ['http://127.0.0.1:8025 upgrade=websocket', '"upgrade=websocket" is not understood (upgrade=smtp)'],
    ['http://127.0.0.1:8025 websocket=no', '"websocket=no" is not understood'],
    ['http://127.0.0.1:8025 upgrade=smtp tls=implicit', '"tls=implicit" is not understood'],
    ['http://127.0.0.1:8025 inject=mime', '"inject=mime" is not understood'],
    ['http://127.0.0.1:8025 nginx-auth=2525', '"nginx-auth=2525" is not understood'],
    ['http://127.0.0.1:8025 nginx-auth=port=0', 'out of range'],
    ['http://127.0.0.1:8025 nginx-auth=port=25,host=1:2', 'is no IP address'],
    [
      'https://127.0.0.1:8025 upgrade=smtp',
      'it must start with tcp://, unix:, fd:, fdname:, stdin: or http://',
    ],
    ['tcp://127.0.0.1:25 upgrade=smtp', '"upgrade=smtp" is not understood'],
  ])('%s is refused: %s', (text, problem) => {
    expect(() => parseListen(text)).toThrow(problem);
  });
});

test('whatever a proxy passes on, the client has an address or is refused', () => {
  const piece = fc.constantFrom(
    ...[
      'for=',
      '198.51.100.7',
      '10.1.1.1',
      '[2001:db8::7]',
      ':4711',
      '"',
      '\\',
      ',',
      ';',
      ' ',
      '=',
      'proto=https',
      'unknown',
      'é',
      '%',
    ],
  );
  const field = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
    fc.string(),
  );
  const headers = fc.record({ 'x-forwarded-for': field, forwarded: field }, { requiredKeys: [] });
  fc.assert(
    fc.property(headers, (fields) => {
      let found: unknown;
      try {
        found = seen(fields);
      } catch (error) {
        expect(error).toMatchObject({ statusCode: 400 });
        return;
      }
      expect(isIP(String(found))).toBeGreaterThan(0);
    }),
    { numRuns: amount(2_000, 100_000) },
  );
});
