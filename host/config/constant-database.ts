/**
 * A constant database in the format of D. J. Bernstein's cdb, the form qmail keeps large maps in (`rcpthosts` that
 * outgrew a text file, for one). Layout, all numbers 32-bit little-endian: 256 pairs (position, slots) of hash
 * tables; records (key length, data length, key, data); hash tables of pairs (hash, position of the record).
 */

const HEADER_OCTETS = 2_048;
const PAIR_OCTETS = 8;

export class ConstantDatabase {
  readonly #octets: Buffer;
  readonly #complain: (problem: string) => void;
  #complained = false;

  /**
   * Reads from `octets`, which must not change from now on. Every position in them is checked before it is used: a
   * damaged or hostile file finds nothing, and `complain` hears of it once.
   */
  constructor(octets: Buffer, complain: (problem: string) => void) {
    this.#octets = octets;
    this.#complain = complain;
  }

  /** The data of the first record with this key: a view of the file's octets. Undefined if there is none. */
  get(key: Uint8Array): Buffer | undefined {
    const octets = this.#octets;
    if (octets.length < HEADER_OCTETS) return this.#damaged('it is shorter than its own header');
    const hash = hashOf(key);
    const entry = (hash & 255) * PAIR_OCTETS;
    const table = octets.readUInt32LE(entry);
    const slots = octets.readUInt32LE(entry + 4);
    if (slots === 0) return undefined;
    if (table + slots * PAIR_OCTETS > octets.length)
      return this.#damaged(`a hash table of ${slots} slots at ${table}`);
    const first = (hash >>> 8) % slots;
    for (let probe = 0; probe < slots; probe++) {
      const slot = table + ((first + probe) % slots) * PAIR_OCTETS;
      const record = octets.readUInt32LE(slot + 4);
      if (record === 0) return undefined;
      if (octets.readUInt32LE(slot) !== hash) continue;
      if (record + PAIR_OCTETS > octets.length) return this.#damaged(`a record at ${record}`);
      const data = record + PAIR_OCTETS + octets.readUInt32LE(record);
      const end = data + octets.readUInt32LE(record + 4);
      if (end > octets.length) return this.#damaged(`a record from ${record} to ${end}`);
      if (octets.subarray(record + PAIR_OCTETS, data).equals(key)) return octets.subarray(data, end);
    }
    return undefined;
  }

  #damaged(what: string): undefined {
    if (this.#complained) return;
    this.#complained = true;
    this.#complain(`the constant database is damaged (${what}, in ${this.#octets.length} octets)`);
  }
}

/** A database without records. */
export const emptyDatabase = new ConstantDatabase(Buffer.alloc(HEADER_OCTETS), () => undefined);

function hashOf(key: Uint8Array): number {
  let hash = 5_381;
  for (let index = 0; index < key.length; index++) hash = (((hash << 5) + hash) ^ key[index]!) >>> 0;
  return hash;
}
