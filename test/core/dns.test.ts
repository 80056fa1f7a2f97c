import dnsPacket, { type Answer, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DNS_MALFORMED, ReferenceCore, WasmCore, type Core } from '../../bindings/core.ts';
import { amount } from '../amount.ts';
import { reply } from './dns-replies.ts';
import { readSamples } from './golden.ts';
import { observeDns } from './observe.ts';
import { poisonInput } from './poison.ts';
import { renderDns } from './render.ts';

const wasm = new WasmCore();
const reference = new ReferenceCore();

describe.each([wasm, reference] as readonly Core[])('$name core: replies of the DNS', (core) => {
  const samples = readSamples('dns.md');
  it.each(samples)('$title', ({ input, expected }) => {
    expect(renderDns(core, input)).toBe(expected);
  });

  it.each(samples.filter(({ expected }) => expected !== 'malformed'))(
    '$title: cut off anywhere it says less, or that it is broken',
    ({ input }) => {
      const whole = observeDns(core, input)!;
      for (let length = 0; length < input.length; length++) {
        const cut = observeDns(core, input.subarray(0, length));
        if (cut === undefined) continue;
        expect(cut.records).toEqual(whole.records);
      }
    },
  );

  it('a message longer than any that TCP can carry is cut off', () => {
    const { input } = samples[0]!;
    const long = new Uint8Array(70_000);
    long.set(input);
    expect(observeDns(core, long)).toEqual(observeDns(core, input));
  });

  it('a name of 127 labels in 300 records, and pointers through all of them', () => {
    const octets = [0, 1, 0x81, 0x80, 0, 1, 1, 44, 0, 0, 0, 0];
    for (let at = 0; at < 127; at++) octets.push(1, 0xff);
    octets.push(0, 0, 1, 0, 1);
    for (let at = 0; at < 300; at++) {
      const place = 0xc000 + 12 + 2 * (at % 127);
      octets.push(place >> 8, place & 0xff, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12);
    }
    const found = observeDns(core, Uint8Array.from(octets))!;
    expect(found.records).toHaveLength(256);
    expect(found.names).toHaveLength(127);
    expect(found.names[0]).toBe(Array(127).fill('\\255').join('.'));
  });

  it.each([
    [32, ['a']],
    [33, undefined],
  ])('a name of %s pointers one after the other', (pointers, names) => {
    const octets = [0, 1, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0x61, 0, 0, 1, 0, 1];
    // Their record is of a type that is not known: nobody reads them there.
    octets.push(0xc0, 12, 0, 99, 0, 1, 0, 0, 0, 9, 0, 2 * (pointers - 1));
    let last = 12;
    for (let at = 1; at < pointers; at++) last = octets.push(0xc0, last) - 2;
    octets.push(0xc0, last, 0, 2, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, last);
    expect(observeDns(core, Uint8Array.from(octets))?.names).toEqual(names);
  });
});

describe('replies of the DNS', () => {
  it('the compiled core and the reference say the same', () => {
    let sound = 0;
    fc.assert(
      fc.property(reply, fc.nat(64), (message, turn) => {
        poisonInput(wasm, message.length, turn);
        const found = observeDns(wasm, message);
        expect(found).toEqual(observeDns(reference, message));
        if (found !== undefined) sound++;
      }),
      { seed: 1035, numRuns: amount(2_000, 20_000) },
    );
    expect(sound).toBeGreaterThan(amount(200, 2_000));
  });

  it('and what dns-packet says of what it has written', () => {
    fc.assert(
      fc.property(packet, (sent) => {
        const message = dnsPacket.encode(sent);
        expect(asDnsPacket(wasm, message)).toEqual(answersOf(sent));
      }),
      { seed: 1035, numRuns: amount(500, 5_000) },
    );
  });
});

const hostName = fc
  .array(fc.stringMatching(/^[a-z0-9_]([a-z0-9-]{0,20}[a-z0-9])?$/), { minLength: 1, maxLength: 5 })
  .map((labels) => labels.join('.'));
const ttl = fc.nat(0x7fffffff);

const answer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({ type: fc.constant('A' as const), name: hostName, ttl, data: fc.ipV4() }),
  fc.record({
    type: fc.constantFrom('CNAME' as const, 'PTR' as const, 'NS' as const),
    name: hostName,
    ttl,
    data: hostName,
  }),
  fc.record({
    type: fc.constant('MX' as const),
    name: hostName,
    ttl,
    data: fc.record({ preference: fc.nat(0xffff), exchange: hostName }),
  }),
  fc.record({
    type: fc.constant('TXT' as const),
    name: hostName,
    ttl,
    data: fc.array(fc.uint8Array({ maxLength: 255 }).map(Buffer.from), { minLength: 1, maxLength: 3 }),
  }),
);

const packet: fc.Arbitrary<Packet> = fc
  .tuple(fc.nat(0xffff), hostName, fc.array(answer, { maxLength: 12 }))
  .map(([id, name, answers]) => ({
    type: 'response',
    id,
    flags: 0x0180,
    questions: [{ type: 'A', name }],
    answers,
  }));

/** The parts of a packet that the core gives back, in dns-packet's own words. */
const answersOf = ({ answers = [] }: Packet): unknown[] =>
  answers.map((each) => {
    const { type, name, ttl, data } = each as { type: string; name: string; ttl: number; data: unknown };
    return { type, name, ttl, data };
  });

const TYPE_NAMES = ['A', 'NS', 'CNAME', 'PTR', 'MX', 'TXT'] as const;
const TYPE_NUMBERS: readonly number[] = [1, 2, 5, 12, 15, 16];

function asDnsPacket(core: Core, message: Buffer): unknown[] {
  expect(core.dns(message)).not.toBe(DNS_MALFORMED);
  return observeDns(core, message)!.records.map(([type, owner, seconds, from, to, value, target]) => ({
    type: TYPE_NAMES[TYPE_NUMBERS.indexOf(type!)],
    name: core.dnsName(owner!),
    ttl: seconds,
    data: dataOf(core, type!, message.subarray(from, to), value!, target!),
  }));
}

function dataOf(core: Core, type: number, data: Buffer, value: number, target: number): unknown {
  if (type === 1) return [value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff].join('.');
  if (type === 15) return { preference: value, exchange: core.dnsName(target) };
  if (type !== 16) return core.dnsName(target);
  const strings: Buffer[] = [];
  for (let at = 0; at < data.length; at += 1 + data[at]!)
    strings.push(data.subarray(at + 1, at + 1 + data[at]!));
  return strings;
}
