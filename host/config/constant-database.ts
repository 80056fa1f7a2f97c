/**
 * A constant database in the format of D. J. Bernstein's cdb, the form qmail keeps large maps in (`rcpthosts` that
 * outgrew a text file, for one). Layout, all numbers 32-bit little-endian: 256 pairs (position, slots) of hash
 * tables; records (key length, data length, key, data); hash tables of pairs (hash, position of the record).
 */

const TABLES = 256;
const PAIR_OCTETS = 8;
const HEADER_OCTETS = TABLES * PAIR_OCTETS;

export class ConstantDatabase {
  readonly #octets: Buffer;

  /**
   * Reads from `octets`, which must not change from now on. All of them are checked here, once: throws an Error that says
   * what is damaged. A file that is still being copied would otherwise answer that it has no such key.
   */
  constructor(octets: Buffer) {
    this.#octets = octets;
    const problem = problemOf(octets);
    if (problem === undefined) return;
    throw new Error(`the constant database is damaged (${problem}, in ${octets.length} octets)`);
  }

  /** The data of the first record with this key: a view of the file's octets. Undefined if there is none. */
  get(key: Uint8Array): Buffer | undefined {
    const octets = this.#octets;
    const hash = hashOf(key);
    const entry = (hash % TABLES) * PAIR_OCTETS;
    const table = octets.readUInt32LE(entry);
    const slots = octets.readUInt32LE(entry + 4);
    if (slots === 0) return undefined;
    const first = (hash >>> 8) % slots;
    for (let probe = 0; probe < slots; probe++) {
      const slot = table + ((first + probe) % slots) * PAIR_OCTETS;
      const record = octets.readUInt32LE(slot + 4);
      if (record === 0) return undefined;
      if (octets.readUInt32LE(slot) !== hash) continue;
      const data = record + PAIR_OCTETS + octets.readUInt32LE(record);
      const end = data + octets.readUInt32LE(record + 4);
      if (octets.subarray(record + PAIR_OCTETS, data).equals(key)) return octets.subarray(data, end);
    }
    return undefined;
  }
}

/** A database without records. */
export const emptyDatabase = new ConstantDatabase(Buffer.alloc(HEADER_OCTETS));

function problemOf(octets: Buffer): string | undefined {
  if (octets.length < HEADER_OCTETS) return 'it is shorter than its own header';
  // Tables and records may not overlap, so a file that passes takes time in proportion to its size.
  const left = { slotOctets: octets.length, keyOctets: octets.length };
  for (let table = 0; table < TABLES; table++) {
    const problem = problemOfTable(octets, table, left);
    if (problem !== undefined) return problem;
  }
  // The header is written last: without it there are records that no table leads to.
  const isEmpty = left.slotOctets === octets.length;
  return isEmpty && octets.length > HEADER_OCTETS
    ? 'no hash table, but something behind the header'
    : undefined;
}

interface Left {
  slotOctets: number;
  keyOctets: number;
}

function problemOfTable(octets: Buffer, table: number, left: Left): string | undefined {
  const start = octets.readUInt32LE(table * PAIR_OCTETS);
  const slots = octets.readUInt32LE(table * PAIR_OCTETS + 4);
  if (slots === 0) return undefined;
  const end = start + slots * PAIR_OCTETS;
  left.slotOctets -= end - start;
  if (start < HEADER_OCTETS || end > octets.length || left.slotOctets < 0)
    return `a hash table of ${slots} slots at ${start}`;
  for (let slot = start; slot < end; slot += PAIR_OCTETS) {
    const record = octets.readUInt32LE(slot + 4);
    const hash = octets.readUInt32LE(slot);
    if (record !== 0 && (hash % TABLES !== table || !isRecord(octets, record, hash, left)))
      return `a record at ${record}`;
  }
  return undefined;
}

/** The key is hashed again: what lies at the position may be anything where a part of the file has not arrived yet. */
function isRecord(octets: Buffer, record: number, hash: number, left: Left): boolean {
  if (record < HEADER_OCTETS || record + PAIR_OCTETS > octets.length) return false;
  const keyLength = octets.readUInt32LE(record);
  const data = record + PAIR_OCTETS + keyLength;
  left.keyOctets -= keyLength;
  if (data + octets.readUInt32LE(record + 4) > octets.length || left.keyOctets < 0) return false;
  return hashOf(octets.subarray(record + PAIR_OCTETS, data)) === hash;
}

function hashOf(key: Uint8Array): number {
  let hash = 5_381;
  for (let index = 0; index < key.length; index++) hash = (((hash << 5) + hash) ^ key[index]!) >>> 0;
  return hash;
}
