/** Writes MaxMind databases small enough for a test. MaxMind DB File Format Specification, version 2.0. */

export type MmdbValue = string | number | { readonly [key: string]: MmdbValue };

const SEPARATOR_OCTETS = 16;
const MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
const RECORD_BITS = 24;

/** A database with one record for each IPv4 network (`24.24.24.0/24`); networks must not lie in each other. */
export function makeMmdb(type: string, networks: Readonly<Record<string, MmdbValue>>): Buffer {
  /** Two branches a node: another node, the offset of data, or nothing. */
  const nodes: (number | { readonly data: number } | undefined)[][] = [[undefined, undefined]];
  const blocks: Buffer[] = [];
  let dataOctets = 0;
  for (const [network, value] of Object.entries(networks)) {
    const [address = '', length = '32'] = network.split('/');
    const bits = address
      .split('.')
      .map(Number)
      .map((octet) => octet.toString(2).padStart(8, '0'))
      .join('');
    const path = [...bits.slice(0, Number(length))].map(Number);
    const last = path.pop()!;
    let at = 0;
    for (const bit of path) {
      if (nodes[at]![bit] === undefined) nodes[at]![bit] = nodes.push([undefined, undefined]) - 1;
      at = nodes[at]![bit] as number;
    }
    nodes[at]![last] = { data: dataOctets };
    const block = encode(value);
    blocks.push(block);
    dataOctets += block.length;
  }
  const tree = nodes.flatMap((branches) =>
    branches.map((branch) => {
      const record = Buffer.alloc(RECORD_BITS / 8);
      const target =
        branch === undefined
          ? nodes.length
          : typeof branch === 'number'
            ? branch
            : nodes.length + SEPARATOR_OCTETS + branch.data;
      record.writeUIntBE(target, 0, RECORD_BITS / 8);
      return record;
    }),
  );
  const metadata = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000,
    database_type: type,
    description: { en: 'test' },
    ip_version: 4,
    node_count: nodes.length,
    record_size: RECORD_BITS,
  });
  return Buffer.concat([...tree, Buffer.alloc(SEPARATOR_OCTETS), ...blocks, MARKER, metadata]);
}

function encode(value: MmdbValue): Buffer {
  if (typeof value === 'string')
    return Buffer.concat([control(2, Buffer.byteLength(value)), Buffer.from(value)]);
  if (typeof value === 'number') {
    if (!Number.isInteger(value) || value < 0) {
      const double = Buffer.alloc(8);
      double.writeDoubleBE(value);
      return Buffer.concat([control(3, 8), double]);
    }
    const octets = Buffer.alloc(4);
    octets.writeUInt32BE(value);
    return Buffer.concat([control(6, 4), octets]);
  }
  const entries = Object.entries(value);
  return Buffer.concat([
    control(7, entries.length),
    ...entries.flatMap(([key, inner]) => [encode(key), encode(inner)]),
  ]);
}

/** Type and size; no test has anything above 284 octets. */
const control = (type: number, size: number): Buffer =>
  size < 29 ? Buffer.from([(type << 5) | size]) : Buffer.from([(type << 5) | 29, size - 29]);
