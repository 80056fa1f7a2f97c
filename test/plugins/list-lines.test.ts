import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseListLine } from '../../plugins/dns-lists/list-line.ts';
import { parseCodeFilter } from '../../plugins/dns-lists/return-codes.ts';

describe('lines as qpsmtpd has them', () => {
  test.each([
    ['zen.example', 'zen.example', undefined],
    ['Zen.Example.', 'zen.example', undefined],
    ['bücher.example', 'xn--bcher-kva.example', undefined],
    ['rbl.example:Listed, see http://x.example/?%IP%', 'rbl.example', 'Listed, see http://x.example/?%IP%'],
    ['abuse.example does not support abuse@domain', 'abuse.example', 'does not support abuse@domain'],
    ['abuse.example \t see: this', 'abuse.example', 'see: this'],
  ])('%s', (line, zone, text) => {
    expect(parseListLine(line)).toEqual({ zone, filter: undefined, weight: 1, text, options: {} });
  });
});

describe('lines with more', () => {
  test('codes, weight, options and a text', () => {
    const line = parseListLine('zen.example=127.0.0.[2..11]*-2 family=both test=no key=a_b-c.d :key is it');
    expect(line).toMatchObject({
      zone: 'zen.example',
      weight: -2,
      text: 'key is it',
      options: { family: 'both', test: 'no', key: 'a_b-c.d' },
    });
    expect(['127.0.0.1', '127.0.0.2', '127.0.0.11', '127.0.0.12'].map(line.filter!)).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  test.each([
    ['zen.example*3', 3, undefined],
    ['zen.example*3:why', 3, 'why'],
    ['zen.example*3 key=abc:why', 3, 'why'],
    ['zen.example*3 key=abc why not', 3, 'why not'],
    ['zen.example=127.0.0.2 :see=this', 1, 'see=this'],
  ])('%s', (text, weight, said) => {
    expect(parseListLine(text)).toMatchObject({ weight, text: said });
  });

  test("a file of one's own", () => {
    expect(parseListLine('own.example*2 file=/a,/b format=ip4set :Listed here')).toMatchObject({
      zone: 'own.example',
      weight: 2,
      text: 'Listed here',
      options: { file: '/a,/b', format: 'ip4set' },
    });
  });

  test.each([
    [':text', '`` is no zone'],
    ['zen..example', '`zen..example` is no zone'],
    ['zen.exam!ple', 'is no zone of a list (write a name of the DNS'],
    ['zen.example=127.0.0.300', 'is no filter of return codes (write an address'],
    ['zen.example=127.0.0.[5..2]', 'is no filter'],
    ['zen.example=127.0.0', 'is no filter'],
    ['zen.example=', 'is no filter'],
    ['zen.example=192.0.2.1', 'begin with 127'],
    ['zen.example=127.0.0.1', 'they do not answer'],
    ['zen.example=127.255.255.[252..255]', 'they do not answer'],
    ['zen.example*0', '`*0` is no weight (write *2'],
    ['zen.example*heavy', 'is no weight'],
    ['zen.example*1000001', 'is no weight'],
    ['zen.example familly=6', 'unknown option `familly`, did you mean `family`? (it takes key, key-file'],
    ['zen.example see=http', 'a text that looks like one begins with a colon'],
    ['zen.example family=5', 'write 4, 6 or both'],
    ['zen.example test=no test=no', 'is given twice'],
    ['zen.example key=a key-file=/x', 'leave one of them out'],
    ['own.example file=/x', 'the file of own.example has no format (write format=ip4set'],
    ['own.example format=ip4set', 'own.example has a format and no file (write file=PATH)'],
    ['own.example file=/x format=ip4', 'write one of ip4set, ip4trie, ip6trie, ip6tset, dnset'],
    ['own.example file=/x,,/y format=dnset', 'write the path of a zone file, or several with commas'],
    ['own.example file=/x format=dnset test=no', 'option `test` is for lists in the DNS'],
    ['own.example file=/x format=dnset key=a', 'option `key` is for lists in the DNS'],
  ])('%s is refused', (line, problem) => {
    expect(() => parseListLine(line)).toThrow(problem);
  });

  test.each([
    'zen.example key=topse!cret',
    'zen.example:key=topsecret',
    'zen.example: Key=topsecret',
    'zen.example key = topsecret',
    'zen.example key topsecret',
    'zen.example Key=topsecret',
    'zen.example test=no key =topsecret',
    'zen.example key=topsecret key=topsecret',
  ])('no error shows a key: %s', (line) => {
    let message = '';
    try {
      parseListLine(line);
    } catch (cause) {
      ({ message } = cause as Error);
    }
    expect(message).not.toBe('');
    expect(message).not.toContain('topse');
  });
});

test('a filter matches the codes that each of its numbers and ranges names, and no others', () => {
  const octet = fc.integer({ min: 0, max: 255 });
  const range = fc.tuple(octet, octet).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  const place = fc.array(range, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(place, place, octet, octet, (third, last, c, d) => {
      const print = (ranges: readonly (readonly [number, number])[]): string =>
        `[${ranges.map(([from, to]) => (from === to ? `${from}` : `${from}..${to}`)).join(';')}]`;
      const isIn = (ranges: readonly (readonly [number, number])[], value: number): boolean =>
        ranges.some(([from, to]) => value >= from && value <= to);
      const matches = parseCodeFilter(`127.0.${print(third)}.${print(last)}`);
      expect(matches(`127.0.${c}.${d}`)).toBe(isIn(third, c) && isIn(last, d));
      expect(matches(`127.1.${c}.${d}`)).toBe(false);
    }),
  );
});

test('any text is a line or a mistake, and a mistake beside a key never shows the key', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', ' ', ':', '*', '=', ' test=no '),
      (text, joint) => {
        for (const line of [
          text,
          `zen.example key=topsecret${joint}${text}`,
          `${text}${joint} key=topsecret`,
        ])
          try {
            parseListLine(line);
          } catch (cause) {
            expect(cause).toBeInstanceOf(Error);
            expect((cause as Error).message).not.toContain('topsecret');
          }
      },
    ),
  );
});
