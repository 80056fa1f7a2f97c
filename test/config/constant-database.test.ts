import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConstantDatabase } from '../../host/config/constant-database.ts';
import { open, put, scratch } from './scratch.ts';

const hashOf = (key: Buffer): number => key.reduce((hash, octet) => ((hash * 33) ^ octet) >>> 0, 5381);

/** Writes a constant database the way cdbmake does: tables twice as large as they need to be. */
function makeDatabase(records: readonly (readonly [string, string])[]): Buffer {
  const header = Buffer.alloc(2048);
  const parts: Buffer[] = [header];
  const tables: { hash: number; at: number }[][] = Array.from({ length: 256 }, () => []);
  let end = header.length;
  const append = (part: Buffer): void => {
    parts.push(part);
    end += part.length;
  };
  const pair = (first: number, second: number): Buffer => {
    const octets = Buffer.alloc(8);
    octets.writeUInt32LE(first, 0);
    octets.writeUInt32LE(second, 4);
    return octets;
  };
  for (const [key, data] of records) {
    const [k, d] = [Buffer.from(key), Buffer.from(data)];
    const hash = hashOf(k);
    tables[hash & 255]!.push({ hash, at: end });
    append(Buffer.concat([pair(k.length, d.length), k, d]));
  }
  tables.forEach((entries, index) => {
    const slots: Buffer[] = Array.from({ length: entries.length * 2 }, () => pair(0, 0));
    for (const { hash, at } of entries) {
      let slot = (hash >>> 8) % slots.length;
      while (slots[slot]!.readUInt32LE(4) !== 0) slot = (slot + 1) % slots.length;
      slots[slot] = pair(hash, at);
    }
    pair(end, slots.length).copy(header, index * 8);
    append(Buffer.concat(slots));
  });
  return Buffer.concat(parts);
}

describe('a constant database', () => {
  test('gives the data of every key and nothing for others', () => {
    const records = Array.from({ length: 2_000 }, (_, n) => [`host${n}.example`, `data ${n}`] as const);
    const database = new ConstantDatabase(makeDatabase(records), expect.unreachable);
    for (const [key, data] of records) expect(database.get(Buffer.from(key))?.toString()).toBe(data);
    for (let n = 0; n < 2_000; n++) expect(database.get(Buffer.from(`other${n}.example`))).toBeUndefined();
  });

  test('gives the first of several records with one key, empty keys and empty data', () => {
    const octets = makeDatabase([['a', '1'], ['a', '2'], ['', 'empty'], ['b', '']]); // prettier-ignore
    const database = new ConstantDatabase(octets, expect.unreachable);
    expect(['a', '', 'b'].map((key) => database.get(Buffer.from(key))?.toString())).toEqual([
      '1',
      'empty',
      '',
    ]);
  });

  test('a file cut short at any octet finds the record or nothing, and never throws', () => {
    const whole = makeDatabase([['a.example', 'x']]);
    let damaged = 0;
    for (let length = 0; length < whole.length; length++) {
      const database = new ConstantDatabase(whole.subarray(0, length), () => damaged++);
      database.get(Buffer.from('a.example'));
      expect(database.get(Buffer.from('a.example'))).toBeUndefined();
    }
    // Each but the last few says so, once: the record's table is cut off up to its own end.
    expect(damaged).toBe(whole.length);
  });

  test('lies in positions and lengths are never followed out of the file', () => {
    const key = Buffer.from('a.example');
    const whole = makeDatabase([['a.example', 'x']]);
    const position = fc.integer({ min: 0, max: whole.length - 4 });
    const lies = fc.array(fc.tuple(position, fc.integer({ min: 0, max: 0xffffffff })), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(lies, (changes) => {
        const octets = Buffer.from(whole);
        for (const [at, value] of changes) octets.writeUInt32LE(value, at);
        let complaints = 0;
        const database = new ConstantDatabase(octets, () => complaints++);
        const data = database.get(key);
        database.get(key);
        expect(complaints).toBeLessThanOrEqual(1);
        if (complaints === 1) expect(data).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['key', 0, 0xffff_ffff],
    ['data', 4, 0xffff_ffff],
    ['data', 4, 4_000],
  ])('a %s longer than the file is reported and not cut to fit', (_what, at, length) => {
    const octets = makeDatabase([['a', '1']]);
    octets.writeUInt32LE(length, 2048 + at);
    let complaints = 0;
    const database = new ConstantDatabase(octets, () => complaints++);
    expect(database.get(Buffer.from('a'))).toBeUndefined();
    expect(complaints).toBe(1);
  });

  test('a table without an empty slot ends the search', () => {
    const octets = makeDatabase([['a', '1']]);
    const entry = (hashOf(Buffer.from('a')) & 255) * 8;
    octets.writeUInt32LE(1, entry + 4);
    const table = octets.readUInt32LE(entry);
    octets.writeUInt32LE(1, table);
    octets.writeUInt32LE(2048, table + 4);
    expect(new ConstantDatabase(octets, expect.unreachable).get(Buffer.from('a'))).toBeUndefined();
  });
});

describe('map', () => {
  test('looks a key up in NAME.cdb, wherever the first one is', () => {
    const directory = put(scratch(), { 'morercpthosts.cdb': makeDatabase([['a.example', ''], ['é', 'ü']]) }); // prettier-ignore
    const { config } = open([scratch(), directory]);
    expect(config.map('morercpthosts', 'a.example')).toBe('');
    expect(config.map('morercpthosts', 'é')).toBe('ü');
    expect(config.map('morercpthosts', 'b.example')).toBeUndefined();
    expect(config.map('morerelayclients', 'a.example')).toBeUndefined();
  });

  test('a damaged file is named once', () => {
    const directory = put(scratch(), { 'm.cdb': 'not a database' });
    const { config, log } = open([directory]);
    expect([config.map('m', 'a'), config.map('m', 'b')]).toEqual([undefined, undefined]);
    expect(log.errors).toEqual([
      `${directory}/m.cdb: the constant database is damaged (it is shorter than its own header, in 14 octets)`,
    ]);
  });
});
