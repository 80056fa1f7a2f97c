import { mkdirSync, renameSync, truncateSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConstantDatabase } from '../../host/config/constant-database.ts';
import { ConfigError } from '../../host/errors/error-classes.ts';
import { hashOf, makeDatabase } from './make-database.ts';
import { open, put, scratch } from './scratch.ts';

describe('a constant database', () => {
  test('gives the data of every key and nothing for others', () => {
    const records = Array.from({ length: 2_000 }, (_, n) => [`host${n}.example`, `data ${n}`] as const);
    const database = new ConstantDatabase(makeDatabase(records));
    for (const [key, data] of records) expect(database.get(Buffer.from(key))?.toString()).toBe(data);
    for (let n = 0; n < 2_000; n++) expect(database.get(Buffer.from(`other${n}.example`))).toBeUndefined();
  });

  test('gives the first of several records with one key, empty keys and empty data', () => {
    const octets = makeDatabase([['a', '1'], ['a', '2'], ['', 'empty'], ['b', '']]); // prettier-ignore
    const database = new ConstantDatabase(octets);
    expect(['a', '', 'b'].map((key) => database.get(Buffer.from(key))?.toString())).toEqual([
      '1',
      'empty',
      '',
    ]);
  });

  test('a file cut short at any octet is refused: what is missing must not count as not listed', () => {
    const whole = makeDatabase([
      ['a.example', 'x'],
      ['b.example', ''],
    ]);
    expect(new ConstantDatabase(whole).get(Buffer.from('b.example'))?.toString()).toBe('');
    for (let length = 0; length < whole.length; length++) {
      expect(() => new ConstantDatabase(whole.subarray(0, length)), String(length)).toThrow(/is damaged/);
    }
  });

  test('a file without its header, which cdbmake writes last, is refused', () => {
    const octets = makeDatabase([['a.example', 'x']]).fill(0, 0, 2_048);
    expect(() => new ConstantDatabase(octets)).toThrow('no hash table, but something behind the header');
  });

  test('a record whose octets have not arrived is refused', () => {
    const octets = makeDatabase([['a.example', 'x']]).fill(0, 2_048, 2_066);
    expect(() => new ConstantDatabase(octets)).toThrow('a record at 2048');
  });

  test('an empty database is in order, whatever its header says about where nothing is', () => {
    expect(new ConstantDatabase(makeDatabase([])).get(Buffer.from('a'))).toBeUndefined();
    expect(new ConstantDatabase(Buffer.alloc(2_048)).get(Buffer.from('a'))).toBeUndefined();
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
        let database: ConstantDatabase;
        try {
          database = new ConstantDatabase(octets);
        } catch (error) {
          expect((error as Error).message).toContain('the constant database is damaged');
          return;
        }
        database.get(key);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['key', 0, 0xffff_ffff],
    ['data', 4, 0xffff_ffff],
    ['data', 4, 4_000],
  ])('a %s longer than the file is refused and not cut to fit', (_what, at, length) => {
    const octets = makeDatabase([['a', '1']]);
    octets.writeUInt32LE(length, 2048 + at);
    expect(() => new ConstantDatabase(octets)).toThrow('a record at 2048');
  });

  test('a table that leads to one record again and again does not take long', () => {
    const octets = Buffer.alloc(1_048_576);
    const slots = 100_000;
    const key = octets.subarray(2_056, 2_056 + 200_000).fill('k');
    octets.writeUInt32LE(key.length, 2_048);
    const hash = hashOf(key);
    const entry = (hash & 255) * 8;
    octets.writeUInt32LE(204_800, entry);
    octets.writeUInt32LE(slots, entry + 4);
    for (let slot = 0; slot < slots; slot++) {
      octets.writeUInt32LE(hash, 204_800 + slot * 8);
      octets.writeUInt32LE(2_048, 204_800 + slot * 8 + 4);
    }
    expect(() => new ConstantDatabase(octets)).toThrow('a record at 2048');
  });

  test('a table without an empty slot ends the search', () => {
    const octets = makeDatabase([['a', '1']]);
    const entry = (hashOf(Buffer.from('a')) & 255) * 8;
    const table = octets.readUInt32LE(entry);
    octets.copy(octets, table + 8, table, table + 8);
    octets.copy(octets, table, table + 8, table + 16);
    const other = Buffer.from(otherKeyInTableOf('a'));
    expect(new ConstantDatabase(octets).get(other)).toBeUndefined();
  });
});

/** Another key that is looked for in the same hash table. */
function otherKeyInTableOf(key: string): string {
  const table = hashOf(Buffer.from(key)) & 255;
  for (let n = 0; ; n++) if ((hashOf(Buffer.from(`k${n}`)) & 255) === table) return `k${n}`;
}

describe('map', () => {
  test('looks a key up in NAME.cdb, wherever the first one is', () => {
    const directory = put(scratch(), { 'morercpthosts.cdb': makeDatabase([['a.example', ''], ['é', 'ü']]) }); // prettier-ignore
    const { config } = open([scratch(), directory]);
    expect(config.map('morercpthosts', 'a.example')).toBe('');
    expect(config.map('morercpthosts', 'é')).toBe('ü');
    expect(config.map('morercpthosts', 'b.example')).toBeUndefined();
    expect(config.map('morerelayclients', 'a.example')).toBeUndefined();
  });

  test('a damaged file is refused with its name and what to do', () => {
    const directory = put(scratch(), { 'm.cdb': 'not a database' });
    const { config } = open([directory]);
    expect(() => config.map('m', 'a')).toThrow(
      `${directory}/m.cdb: the constant database is damaged (it is shorter than its own header, in 14 octets) ` +
        `(make it again beside the old one and rename it into its place)`,
    );
    expect(() => config.map('m', 'b')).toThrow(ConfigError);
  });

  test('one that is cut short while the daemon runs leaves what was read before', () => {
    const whole = makeDatabase([['a.example', '']]);
    const directory = put(scratch(), { 'm.cdb': whole });
    const { config, log } = open([directory]);
    expect(config.map('m', 'a.example')).toBe('');
    truncateSync(`${directory}/m.cdb`, whole.length - 1);
    config.reread();
    expect(config.map('m', 'a.example')).toBe('');
    expect(log.errors).toHaveLength(1);
    expect(log.errors[0]).toMatch(/m\.cdb: the constant database is damaged .*; what was read before stays$/);
    put(directory, { 'new.cdb': makeDatabase([['b.example', '']]) });
    renameSync(`${directory}/new.cdb`, `${directory}/m.cdb`);
    config.reread();
    expect([config.map('m', 'a.example'), config.map('m', 'b.example')]).toEqual([undefined, '']);
  });

  test('one that is there and can not be read is not a missing one', () => {
    const directory = scratch();
    mkdirSync(`${directory}/m.cdb`);
    const { config } = open([directory]);
    expect(() => config.map('m', 'a')).toThrow("m.cdb: can't be read (EISDIR)");
  });
});
