import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeQuestion, parseAnswer } from '../../host/dns/wire-message.ts';
import { decodeName, encodeName } from '../../host/dns/wire-name.ts';
import { encodeAnswer, type Said } from './zone-server.ts';

/** Header and question, without the OPT record. */
const questionFor = (name: string, type: Parameters<typeof encodeQuestion>[2], id = 7): Buffer =>
  encodeQuestion(id, name, type)!.subarray(0, -11);

const answerTo = (name: string, type: Parameters<typeof encodeQuestion>[2], said: Said): Buffer =>
  encodeAnswer(questionFor(name, type), said);

describe('names', () => {
  test('are read back as they were written, in lower case', () => {
    expect(decodeName(encodeName('MX.Example.org.')!, 0)).toEqual({ name: 'mx.example.org', end: 16 });
  });

  test.each(['', '.', 'a..b', `${'a'.repeat(64)}.example`, 'a.'.repeat(130), 'a b.example', 'mü.example'])(
    '%j cannot be asked',
    (name) => {
      expect(encodeName(name)).toBeUndefined();
    },
  );

  test('a compression pointer leads back', () => {
    const message = Buffer.concat([encodeName('example.org')!, Buffer.of(2, 0x6d, 0x78, 0xc0, 0)]);
    expect(decodeName(message, 13)).toEqual({ name: 'mx.example.org', end: 18 });
  });

  test.each<[string, Buffer]>([
    ['to itself', Buffer.of(0xc0, 0)],
    ['ahead', Buffer.of(0xc0, 2, 0)],
    ['in a circle', Buffer.of(1, 0x61, 0xc0, 0)],
    ['out of the message', Buffer.of(0xc1, 0xff)],
  ])('a pointer %s is refused', (_, message) => {
    expect(() => decodeName(message, 0)).toThrow(RangeError);
  });

  test('a name that grows beyond 255 octets by pointers is refused', () => {
    const label = Buffer.concat([Buffer.of(63), Buffer.alloc(63, 0x61)]);
    const message = Buffer.concat([label, label, label, label, Buffer.of(0)]);
    expect(() => decodeName(message, 0)).toThrow('too long');
  });

  test('a dot inside a label is no border of labels', () => {
    expect(decodeName(Buffer.of(3, 0x61, 0x2e, 0x62, 0), 0).name).toBe('a\\046b');
  });
});

describe('questions', () => {
  test('ask for recursion and for word about DNSSEC', () => {
    const question = encodeQuestion(0x1234, 'example.org', 'TLSA')!;
    expect(question.toString('hex')).toBe(
      '12340120' +
        '0001000000000001' +
        '076578616d706c65036f726700' +
        '00340001' +
        '000029' +
        '04d0' +
        '00008000' +
        '0000',
    );
  });
});

describe('answers', () => {
  test('hold records of all types', () => {
    const said: Said = {
      isSecure: true,
      ttlSeconds: 60,
      records: [
        ['CNAME a.example', 'b.example'],
        ['MX b.example', '10 mx.b.example'],
        ['A b.example', '192.0.2.1'],
        ['AAAA b.example', '2001:db8:0:0:0:0:0:1'],
        ['TXT b.example', 'x'.repeat(300)],
        ['TLSA b.example', { usage: 3, selector: 1, matching: 1, data: Buffer.alloc(32, 5) }],
      ],
    };
    const answer = parseAnswer(answerTo('a.example', 'MX', said));
    expect(answer).toMatchObject({ id: 7, isAuthenticated: true, isTruncated: false, code: 0 });
    expect(answer?.question).toEqual({ name: 'a.example', type: 15 });
    expect(answer?.records.map(({ data }) => data)).toEqual([
      'b.example',
      { preference: 10, exchange: 'mx.b.example' },
      '192.0.2.1',
      '2001:db8:0:0:0:0:0:1',
      'x'.repeat(300),
      { usage: 3, selector: 1, matching: 1, data: Buffer.alloc(32, 5) },
    ]);
    expect(answer?.records.every(({ ttlSeconds }) => ttlSeconds === 60)).toBe(true);
  });

  const whole = answerTo('a.example', 'MX', { records: [['MX a.example', '10 mx.a.example']] });

  test('that break off anywhere are none', () => {
    for (let length = 0; length < whole.length; length++)
      expect(parseAnswer(whole.subarray(0, length)), `${length} octets`).toBeUndefined();
    expect(parseAnswer(whole)?.records).toHaveLength(1);
  });

  test('that are questions, or to several questions, are none', () => {
    expect(parseAnswer(encodeQuestion(1, 'a.example', 'A')!)).toBeUndefined();
    const several = Buffer.from(whole);
    several.writeUInt16BE(2, 4);
    expect(parseAnswer(several)).toBeUndefined();
  });

  test('a record whose length and content disagree spoils the answer', () => {
    const data = encodeAnswer(questionFor('a.example', 'A'), { records: [['A a.example', '192.0.2.1']] });
    data.writeUInt16BE(3, data.length - 6);
    expect(parseAnswer(data)).toBeUndefined();
  });

  test('any octets are read or refused, never thrown at', () => {
    const octets = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(octets, (message) => {
        parseAnswer(Buffer.from(message));
      }),
    );
    const spoils = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(spoils, (changes) => {
        const message = Buffer.from(whole);
        for (const [at, octet] of changes) message[at] = octet;
        const answer = parseAnswer(message);
        expect(answer === undefined || answer.records.length <= 256).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
