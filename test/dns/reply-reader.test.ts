import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readAnswer } from '../../host/dns/reply-reader.ts';
import { encodeQuestion, type AskedType } from '../../host/dns/question.ts';
import { amount } from '../amount.ts';
import { reply } from '../core/dns-replies.ts';
import { core } from './asking.ts';
import { encodeAnswer, type Said } from './zone-server.ts';

const TYPES: readonly AskedType[] = ['A', 'AAAA', 'CNAME', 'MX', 'PTR', 'TLSA', 'TXT'];
const PLAIN = { hasEdns: false, mixesCase: false, wantsAuthenticity: false };

function read(name: string, type: AskedType, said: Said) {
  const message = encodeAnswer(encodeQuestion(name, type, PLAIN)!, said);
  return readAnswer(core, message, core.dns(message), name, type, said.isSecure === true);
}

test('each type has its form, after an alias that belongs to all', () => {
  const tlsa = { usage: 3, selector: 1, matching: 2, data: Buffer.alloc(64, 5) };
  const said: Said = {
    isSecure: true,
    ttlSeconds: 60,
    records: [
      ['CNAME a.example', 'b.example'],
      ['MX b.example', '10 mx.b.example'],
      ['A b.example', '203.0.113.1'],
      ['AAAA b.example', '2001:db8:0:0:0:0:0:1'],
      ['TXT b.example', 'x'.repeat(300)],
      ['PTR b.example', 'c.example'],
      ['TLSA b.example', tlsa],
    ],
  };
  const recordsOf = (type: AskedType) => {
    const { answer, keepMs } = read('a.example', type, said);
    expect(keepMs).toBe(60_000);
    expect(answer).toMatchObject({ status: 'found', isSecure: true });
    return answer.status === 'found' ? answer.records : [];
  };
  expect(TYPES.map(recordsOf)).toEqual([
    ['203.0.113.1'],
    ['2001:db8::1'],
    ['b.example'],
    [{ preference: 10, exchange: 'mx.b.example' }],
    ['c.example'],
    [tlsa],
    ['x'.repeat(300)],
  ]);
});

test('what a reader keeps does not change with the next reply', () => {
  const tlsa = { usage: 3, selector: 1, matching: 1, data: Buffer.alloc(32, 7) };
  const { answer } = read('a.example', 'TLSA', { records: [['TLSA a.example', tlsa]] });
  read('b.example', 'TXT', { records: [['TXT b.example', 'y'.repeat(1_000)]] });
  expect(answer).toMatchObject({ records: [tlsa] });
});

test('whatever the reply, there is an answer, with records of the type alone', () => {
  fc.assert(
    fc.property(reply, fc.constantFrom(...TYPES), (octets, type) => {
      const message = Buffer.from(octets);
      const count = core.dns(message);
      if (count < 0) return;
      const { answer, keepMs } = readAnswer(core, message, count, core.dnsName(0), type, false);
      expect(keepMs).toBeGreaterThanOrEqual(0);
      expect(keepMs).toBeLessThanOrEqual(3_600_000);
      if (answer.status !== 'found') return;
      expect(answer.records.length).toBeLessThanOrEqual(count);
      const isObject = type === 'MX' || type === 'TLSA';
      expect(answer.records.every((record) => (typeof record === 'object') === isObject)).toBe(true);
    }),
    { numRuns: amount(2_000, 200_000) },
  );
});
