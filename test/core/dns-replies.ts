/** DNS replies for tests, sound or broken in a chosen place; names are compressed the way servers do it, or in odd ways. */
import fc from 'fast-check';

const label = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('a', 'mx', 'Example', 'com', 'org', 'x'.repeat(63), '2', '_25') },
  { weight: 1, arbitrary: fc.constantFrom('with.dot', 'back\\slash', '\0\xff', 'x'.repeat(64)) },
);
/** A name as its labels, and how many of the last ones a pointer may stand for. */
const name = fc.tuple(fc.array(label, { maxLength: 6 }), fc.nat(6));

const uint16 = fc.nat(0xffff);
const type = fc.constantFrom(1, 2, 5, 6, 12, 15, 16, 28, 33, 41, 52, 99);

const record = fc.record({
  owner: name,
  type,
  class: fc.constantFrom(1, 1, 1, 1, 3),
  ttl: fc.constantFrom(0, 60, 3600, 0x7fffffff, 0x80000000),
  target: name,
  octets: fc.uint8Array({ maxLength: 40 }),
  /** Added to the true length of the data. */
  lie: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1, -1, 200),
});
type TestRecord = typeof record extends fc.Arbitrary<infer T> ? T : never;

const uint16s = (...values: number[]): number[] =>
  values.flatMap((value) => [(value >> 8) & 0xff, value & 0xff]);

/** Writes names with pointers to earlier ones. */
class Writer {
  readonly octets: number[] = [];
  readonly #places = new Map<string, number>();

  name([labels, compressed]: readonly [readonly string[], number]): void {
    for (let at = 0; at < labels.length; at++) {
      const rest = labels.slice(at).join('/');
      const place = this.#places.get(rest);
      if (place !== undefined && labels.length - at <= compressed) {
        this.octets.push(...uint16s(0xc000 | place));
        return;
      }
      if (this.octets.length < 0x4000) this.#places.set(rest, this.octets.length);
      this.octets.push(labels[at]!.length & 0xff, ...Buffer.from(labels[at]!, 'latin1'));
    }
    this.octets.push(0);
  }

  record({ owner, type, class: cls, ttl, target, octets, lie }: TestRecord): void {
    this.name(owner);
    this.octets.push(...uint16s(type, cls, ttl >>> 16, ttl & 0xffff, 0));
    const start = this.octets.length;
    if (type === 15) this.octets.push(...uint16s(octets.length));
    if ([2, 5, 12, 15].includes(type)) this.name(target);
    else if (type === 6) {
      this.name(target);
      this.name(target);
      this.octets.push(...uint16s(0, 1, 0, 2, 0, 3, 0, 4, octets.length, 7));
    } else if (type === 16) this.octets.push(octets.length, ...octets, 0);
    else if (type === 1) this.octets.push(127, 0, 0, octets.length);
    else if (type === 28) this.octets.push(...Array.from({ length: 16 }, (_, at) => at));
    else this.octets.push(...octets);
    const length = Math.max(this.octets.length - start + lie, 0);
    [this.octets[start - 2], this.octets[start - 1]] = [length >> 8, length & 0xff];
  }
}

/** Mostly sound replies: flags, counts and lengths lie in some of them. */
export const reply: fc.Arbitrary<Uint8Array> = fc
  .record({
    id: uint16,
    flags: fc.constantFrom(0x8180, 0x8180, 0x8183, 0x81a0, 0x8380, 0x0100, 0x8980),
    question: name,
    type,
    answers: fc.array(record, { maxLength: 6 }),
    authorities: fc.array(record, { maxLength: 2 }),
    additionals: fc.array(record, { maxLength: 2 }),
    more: fc.constantFrom(0, 0, 0, 0, 1, 300),
    cut: fc.option(fc.nat(200), { freq: 6 }),
    changes: fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 2 }),
  })
  .map(({ id, flags, question, type, answers, authorities, additionals, more, cut, changes }) => {
    const writer = new Writer();
    const counts = uint16s(1, answers.length + more, authorities.length, additionals.length);
    writer.octets.push(...uint16s(id, flags), ...counts);
    writer.name(question);
    writer.octets.push(...uint16s(type, 1));
    for (const each of [...answers, ...authorities, ...additionals]) writer.record(each);
    const octets = Uint8Array.from(writer.octets);
    for (const [at, value] of changes) if (at < octets.length) octets[at] = value;
    return octets.subarray(0, cut ?? octets.length);
  });
