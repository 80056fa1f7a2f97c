/** Netstrings: the length in decimal digits, a colon, so many octets, a comma. */

/** A short one as a whole. */
export const netstring = (text: string): Buffer => {
  const octets = Buffer.from(text, 'utf8');
  return Buffer.concat([Buffer.from(`${octets.length}:`), octets, Buffer.from(',')]);
};

/** Octets of a netstring around `length` octets. */
export const netstringOctets = (length: number): number => String(length).length + 2 + length;

/** The content of the one netstring `octets` begin with; undefined if more has to come. */
export function readNetstring(octets: Buffer, maxOctets: number): string | 'garbage' | undefined {
  const colon = octets.indexOf(':');
  const digits = octets.toString('latin1', 0, colon === -1 ? 10 : colon);
  if (!/^\d{0,9}$/.test(digits) || (colon !== -1 && digits === '')) return 'garbage';
  if (colon === -1) return octets.length >= 10 ? 'garbage' : undefined;
  const length = Number(digits);
  if (length > maxOctets) return 'garbage';
  const end = colon + 1 + length;
  if (octets.length <= end) return undefined;
  return octets[end] === COMMA ? octets.toString('utf8', colon + 1, end) : 'garbage';
}

const COMMA = 44;
