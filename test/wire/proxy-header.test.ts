/** The PROXY header as proxies write it, cut at every octet, and as no proxy would write it. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32c, MAX_V2_OCTETS, readProxyHeader, V2_SIGNATURE } from '../../bindings/wire/proxy-header.ts';

const V4 = Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 0, 25]);
const V6 = Buffer.from(
  '20010db8000000000000000000000001' + '20010db8000000000000000000000019' + '9c400019',
  'hex',
);

const field = (type: number, value: Buffer | string): Buffer => {
  const octets = Buffer.from(value);
  return Buffer.concat([Buffer.from([type, octets.length >> 8, octets.length & 255]), octets]);
};
const version2 = (block: Buffer, { command = 0x21, family = 0x11 } = {}): Buffer =>
  Buffer.concat([V2_SIGNATURE, Buffer.from([command, family, block.length >> 8, block.length & 255]), block]);
const ssl = (client: number, verify: number, ...parts: readonly Buffer[]): Buffer =>
  field(0x20, Buffer.concat([Buffer.from([client, 0, 0, 0, verify]), ...parts]));
const v1 = (text: string): Buffer => Buffer.from(text, 'latin1');

function headerOf(octets: Buffer) {
  const reading = readProxyHeader(octets);
  if (reading.kind !== 'header') throw new Error(JSON.stringify(reading));
  return reading.header;
}
const faultOf = (octets: Buffer): string | undefined => {
  const reading = readProxyHeader(octets);
  return reading.kind === 'fault' ? reading.reason : undefined;
};

/** A header with everything in it, and its checksum where HAProxy puts it. */
function wholeHeader(): Buffer {
  const header = version2(
    Buffer.concat([
      V4,
      field(1, 'smtp'),
      field(2, 'mx.example'),
      field(3, Buffer.alloc(4)),
      field(5, 'uid-1'),
      ssl(7, 0, field(0x21, 'TLSv1.3'), field(0x22, 'client one'), field(0x23, 'TLS_AES_256_GCM_SHA384')),
      field(0xea, Buffer.from([1, 2, 3])),
    ]),
  );
  const at = header.indexOf(Buffer.from([3, 0, 4, 0, 0, 0, 0])) + 3;
  header.writeUInt32BE(crc32c(header), at);
  return header;
}

test('CRC-32C has the value of RFC 3720 appendix B.4', () => {
  expect(crc32c(Buffer.alloc(32)).toString(16)).toBe('8a9136aa');
  expect(crc32c(Buffer.from('123'), Buffer.from('456789')).toString(16)).toBe('e3069283');
});

describe('version 1', () => {
  test.each([
    ['PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n', '192.0.2.7', 40_000, '198.51.100.1', 25],
    ['PROXY TCP6 2001:DB8::1 2001:db8:0:0::19 1 65535\r\n', '2001:db8::1', 1, '2001:db8::19', 65_535],
    ['PROXY TCP6 ::ffff:192.0.2.7 ::1 0 25\r\n', '192.0.2.7', 0, '::1', 25],
  ])('%j', (text, address, port, local, localPort) => {
    const header = headerOf(v1(`${text}EHLO`));
    expect(header.ends).toEqual({
      source: { address, port },
      destination: { address: local, port: localPort },
    });
    expect(header).toMatchObject({ version: 1, isLocal: false, octets: text.length });
  });

  test.each(['PROXY UNKNOWN\r\n', 'PROXY UNKNOWN ffff::1 what ever 70000\r\n'])(
    '%j leaves the addresses of the socket',
    (text) => {
      expect(headerOf(v1(text))).toMatchObject({ isLocal: false, ends: undefined, octets: text.length });
    },
  );

  test.each([
    'PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 40000 25 \r\n',
    'PROXY TCP4  192.0.2.7 198.51.100.1 40000 25\r\n',
    'PROXY TCP4 192.0.2.07 198.51.100.1 40000 25\r\n',
    'PROXY TCP4 2001:db8::1 198.51.100.1 40000 25\r\n',
    'PROXY TCP6 192.0.2.7 198.51.100.1 40000 25\r\n',
    'PROXY TCP6 fe80::1%eth0 ::1 40000 25\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 040 25\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n',
    'PROXY TCP5 192.0.2.7 198.51.100.1 1 25\r\n',
    'PROXY \r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\n',
    'proxy TCP4 192.0.2.7 198.51.100.1 40000 25\r\n',
    'EHLO client.example\r\n',
    '\r\nEHLO client.example\r\n',
    `PROXY UNKNOWN ${'x'.repeat(200)}`,
  ])('%j is none', (text) => {
    const filled = text.endsWith('\r\n') || text.length > 107 ? text : text + ' '.repeat(107);
    expect(faultOf(v1(filled))).toBeTypeOf('string');
  });

  test('the longest line of the protocol has room', () => {
    const text = `PROXY UNKNOWN ${'f'.repeat(107 - 14 - 2)}\r\n`;
    expect(text).toHaveLength(107);
    expect(headerOf(v1(text)).octets).toBe(107);
  });
});

describe('version 2', () => {
  test('both ends, over IPv4, IPv6 and Unix sockets', () => {
    const ends = (octets: Buffer, family: number) => headerOf(version2(octets, { family })).ends;
    expect(ends(V4, 0x11)).toEqual({
      source: { address: '192.0.2.7', port: 40_000 },
      destination: { address: '198.51.100.1', port: 25 },
    });
    expect(ends(V6, 0x21)).toEqual({
      source: { address: '2001:db8::1', port: 40_000 },
      destination: { address: '2001:db8::19', port: 25 },
    });
    const paths = Buffer.alloc(216);
    paths.write('/run/client\x07', 0);
    paths.write('/run/proxy', 108);
    expect(ends(paths, 0x31)).toEqual({
      source: { address: '127.0.0.1', port: 0, path: '/run/client?' },
      destination: { address: '127.0.0.1', port: 0, path: '/run/proxy' },
    });
  });

  test('an IPv4 client of an IPv6 proxy is known by its IPv4 address', () => {
    const mapped = Buffer.from(V6);
    Buffer.from('00000000000000000000ffffc0000207', 'hex').copy(mapped);
    expect(headerOf(version2(mapped, { family: 0x21 })).ends?.source.address).toBe('192.0.2.7');
  });

  test('everything HAProxy can say of TLS', () => {
    const { fields, octets } = headerOf(Buffer.concat([wholeHeader(), Buffer.from('EHLO x\r\n')]));
    expect(octets).toBe(wholeHeader().length);
    expect(fields).toMatchObject({ alpn: 'smtp', serverName: 'mx.example', uniqueId: 'uid-1' });
    expect(fields.tls).toEqual({
      version: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      clientName: 'client one',
      isVerified: true,
    });
    expect(fields.unknown).toEqual([{ type: 0xea, value: Buffer.from([1, 2, 3]) }]);
  });

  test.each([
    ['no TLS', 0, 0, null],
    ['TLS without a certificate, which HAProxy calls verified', 1, 0, [undefined, false]],
    ['a certificate that was not verified', 3, 1, ['eve', false]],
    ['a verified certificate', 3, 0, ['eve', true]],
    ['a verified certificate of an earlier connection', 5, 0, ['eve', true]],
  ])('%s', (_, client, verify, expected) => {
    const { tls } = headerOf(version2(Buffer.concat([V4, ssl(client, verify, field(0x22, 'eve'))]))).fields;
    expect(tls && [tls.clientName, tls.isVerified]).toEqual(expected);
  });

  test('LOCAL and UNSPEC leave the addresses of the socket, whatever octets are left over', () => {
    for (const rest of [Buffer.alloc(0), V4, Buffer.from([1, 255, 255]), Buffer.alloc(300, 0xff)]) {
      expect(headerOf(version2(rest, { command: 0x20 }))).toMatchObject({ isLocal: true, ends: undefined });
      expect(headerOf(version2(rest, { command: 0x20, family: 0 }))).toMatchObject({ isLocal: true });
      expect(headerOf(version2(rest, { family: 0 }))).toMatchObject({ isLocal: false, ends: undefined });
    }
  });

  test('what a client has chosen and is no text is left out', () => {
    const { fields } = headerOf(
      version2(Buffer.concat([V4, field(2, 'mx\r\nRCPT'), field(5, Buffer.from([0xff, 1]))])),
    );
    expect(fields).toEqual({ uniqueId: 'ff01', unknown: [] });
  });

  test.each([
    ['version 3', version2(V4, { command: 0x31 })],
    ['command 2', version2(V4, { command: 0x22 })],
    ['datagrams', version2(V4, { family: 0x12 })],
    ['an unknown family', version2(V4, { family: 0x41 })],
    ['IPv4 addresses that are cut off', version2(V4.subarray(0, 11))],
    ['IPv6 addresses that are cut off', version2(V4, { family: 0x21 })],
    ['a field without its length', version2(Buffer.concat([V4, Buffer.from([2, 0])]))],
    ['a field longer than the header', version2(Buffer.concat([V4, Buffer.from([2, 0, 5, 1])]))],
    ['a short SSL field', version2(Buffer.concat([V4, field(0x20, 'abcd')]))],
    ['a lie within the SSL field', version2(Buffer.concat([V4, ssl(1, 0, Buffer.from([0x21, 0, 9, 65]))]))],
    ['two SSL fields', version2(Buffer.concat([V4, ssl(1, 0), ssl(0, 0)]))],
    ['two names', version2(Buffer.concat([V4, field(2, 'a'), field(2, 'b')]))],
    ['a CRC32C of three octets', version2(Buffer.concat([V4, field(3, 'abc')]))],
    ['a wrong CRC32C', version2(Buffer.concat([V4, field(3, 'abcd')]))],
    ['a unique id of 129 octets', version2(Buffer.concat([V4, field(5, 'x'.repeat(129))]))],
  ])('%s: a fault', (_, octets) => {
    expect(faultOf(octets)).toBeTypeOf('string');
  });

  test('64 KiB of fields are refused as soon as their length is known', () => {
    const head = Buffer.concat([V2_SIGNATURE, Buffer.from([0x21, 0x11, 0xff, 0xff])]);
    expect(faultOf(head)).toBe(`longer than ${MAX_V2_OCTETS} octets`);
    const most = Buffer.alloc(MAX_V2_OCTETS - 16 - V4.length - 3);
    expect(headerOf(version2(Buffer.concat([V4, field(4, most)]))).octets).toBe(MAX_V2_OCTETS);
  });

  test('any flipped bit under a checksum is noticed, or says what it says', () => {
    const header = wholeHeader();
    for (let bit = 0; bit < header.length * 8; bit++) {
      const flipped = Buffer.from(header);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const reading = readProxyHeader(flipped);
      // A flip can make another header of it: LOCAL, UNSPEC, or one whose checksum field has another type.
      if (reading.kind !== 'header') continue;
      const { isLocal, ends, fields } = reading.header;
      expect(isLocal || ends === undefined || fields.checksum === undefined, `bit ${bit}`).toBe(true);
    }
  });
});

describe('in pieces', () => {
  test.each([
    ['version 1', v1('PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n')],
    ['version 2', wholeHeader()],
    ['LOCAL', version2(Buffer.alloc(0), { command: 0x20, family: 0 })],
  ])('%s: every beginning asks for more, every end is left alone', (_, whole) => {
    for (let cut = 0; cut < whole.length; cut++)
      expect(readProxyHeader(whole.subarray(0, cut)), `${cut}`).toEqual({ kind: 'incomplete' });
    const followed = Buffer.concat([whole, Buffer.from('EHLO x\r\n')]);
    expect(headerOf(followed).octets).toBe(whole.length);
  });

  test('a client that speaks without a header is told by its first octets', () => {
    for (const text of ['EHLO', 'PROXX', '\r\n\r\nX', 'Q', '\n'])
      expect(faultOf(v1(text))).toBe('no PROXY header');
  });
});

test('whatever comes, the reader answers, reads nothing outside, and keeps to its limits', () => {
  const mutated = fc
    .tuple(
      fc.constantFrom(
        wholeHeader(),
        version2(V6, { family: 0x21 }),
        v1('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n'),
      ),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }),
      fc.nat(250),
    )
    .map(([octets, changes, end]) => {
      const copy = Buffer.from(octets);
      for (const [at, octet] of changes) copy[at % copy.length] = octet;
      return copy.subarray(0, end);
    });
  const any = fc.uint8Array({ maxLength: 300 }).map((octets) => Buffer.from(octets));
  fc.assert(
    fc.property(fc.oneof(mutated, any), (octets) => {
      const reading = readProxyHeader(octets);
      if (reading.kind === 'header') {
        expect(reading.header.octets).toBeLessThanOrEqual(octets.length);
        const { ends } = reading.header;
        for (const end of ends === undefined ? [] : [ends.source, ends.destination]) {
          expect(end.port).toBeGreaterThanOrEqual(0);
          expect(end.port).toBeLessThan(65_536);
        }
      } else if (reading.kind === 'incomplete') expect(octets.length).toBeLessThan(MAX_V2_OCTETS);
    }),
    { numRuns: 3_000 },
  );
});
