/** Constant databases for tests, written here so that reader and writer do not share their mistakes. */

/** The hash of cdb. */
export const hashOf = (key: Buffer): number => key.reduce((hash, octet) => ((hash * 33) ^ octet) >>> 0, 5381);

/** Writes a constant database the way cdbmake does: tables twice as large as they need to be. */
export function makeDatabase(records: readonly (readonly [string, string])[]): Buffer {
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
