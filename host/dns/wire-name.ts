/** Domain names as they stand in DNS messages. RFC 1035 sections 3.1 and 4.1.4. */

const MAX_LABEL_OCTETS = 63;
const MAX_NAME_OCTETS = 255;
/** The two highest bits of a length octet say that the rest of the name stands elsewhere. */
const POINTER = 0xc0;

/** A name that was read, and where the octets after it begin. */
export interface PlacedName {
  /** In lower case, without the final dot; octets that are no plain text as `\DDD`. */
  readonly name: string;
  readonly end: number;
}

/** The name in wire form; undefined for what cannot be asked: an empty or overlong label, more than 255 octets. */
export function encodeName(name: string): Buffer | undefined {
  const labels = (name.endsWith('.') ? name.slice(0, -1) : name).split('.');
  const parts = labels.map((label) => Buffer.from(label, 'latin1'));
  if (parts.some(({ length }) => length === 0 || length > MAX_LABEL_OCTETS)) return undefined;
  if (/[^!-~]/.test(name)) return undefined;
  const octets = Buffer.concat([...parts.flatMap((part) => [Buffer.of(part.length), part]), Buffer.of(0)]);
  return octets.length <= MAX_NAME_OCTETS ? octets : undefined;
}

/**
 * Reads the name at `start`. Throws a `RangeError` for what is none. A pointer may only lead backwards: one that leads to
 * itself or ahead would keep a reader busy without end.
 */
export function decodeName(message: Buffer, start: number): PlacedName {
  const labels: string[] = [];
  let octets = 1;
  let at = start;
  let end: number | undefined;
  let lowest = start;
  for (;;) {
    const length = message.readUInt8(at);
    if (length === 0) return { name: labels.join('.'), end: end ?? at + 1 };
    if ((length & POINTER) === POINTER) {
      const target = message.readUInt16BE(at) & 0x3fff;
      if (target >= lowest) throw new RangeError('a compression pointer does not lead backwards');
      end ??= at + 2;
      lowest = target;
      at = target;
      continue;
    }
    octets += length + 1;
    if (length > MAX_LABEL_OCTETS || octets > MAX_NAME_OCTETS) throw new RangeError('a name is too long');
    if (at + 1 + length > message.length) throw new RangeError('a label ends after the message');
    labels.push(printLabel(message.subarray(at + 1, at + 1 + length)));
    at += length + 1;
  }
}

/** A dot or a control character inside a label must not be taken for something else by a reader of the text. */
const printLabel = (label: Buffer): string =>
  label
    .toString('latin1')
    .toLowerCase()
    .replace(/[^!-[\]-~]|\./g, (octet) => `\\${octet.charCodeAt(0).toString().padStart(3, '0')}`);
