/** Octets as text that can be read and typed: the notation of the golden files. */

const NAMED: Readonly<Record<string, number>> = { r: 0x0d, n: 0x0a, t: 0x09, 0: 0, '\\': 0x5c };
const SHORTEST_RUN = 24;
const MAX_PERIOD = 20;

/**
 * Reads `\r`, `\n`, `\t`, `\0`, `\\`, `\xNN` and `\{N:text}` (the text N times over). Line breaks in the file mean
 * nothing, so that long inputs can be wrapped.
 */
export function parseOctets(text: string): Uint8Array {
  const flat = text.replaceAll('\n', '');
  const octets: number[] = [];
  for (let at = 0; at < flat.length; at++) {
    const letter = flat[at]!;
    if (letter !== '\\') {
      octets.push(...Buffer.from(letter));
      continue;
    }
    const next = flat[++at] ?? '';
    const named = NAMED[next];
    if (named !== undefined) octets.push(named);
    else if (next === 'x') {
      octets.push(Number.parseInt(flat.slice(at + 1, at + 3), 16));
      at += 2;
    } else if (next === '{') {
      const close = flat.indexOf('}', at);
      const colon = flat.indexOf(':', at);
      const part = parseOctets(flat.slice(colon + 1, close));
      for (let times = Number(flat.slice(at + 1, colon)); times > 0; times--)
        for (const o of part) octets.push(o);
      at = close;
    } else throw new Error(`unknown escape \\${next}`);
  }
  return Uint8Array.from(octets);
}

/** The reverse, in quotes; what repeats often enough as `\{N:text}`. */
export function quoteOctets(octets: Uint8Array): string {
  let text = '"';
  for (let at = 0; at < octets.length;) {
    const { period, times } = findRun(octets, at);
    const part = [...octets.subarray(at, at + period)].map(escapeOctet).join('');
    text += times === 1 ? part : `\\{${times}:${part}}`;
    at += period * times;
  }
  return `${text}"`;
}

/** The shortest text at `at` that repeats over at least `SHORTEST_RUN` octets, or one octet once. */
function findRun(octets: Uint8Array, at: number): { period: number; times: number } {
  for (let period = 1; period <= MAX_PERIOD; period++) {
    let same = 0;
    while (at + same + period < octets.length && octets[at + same] === octets[at + same + period]) same++;
    const times = 1 + Math.floor(same / period);
    if (times * period >= SHORTEST_RUN && times > 2) return { period, times };
  }
  return { period: 1, times: 1 };
}

function escapeOctet(octet: number): string {
  for (const [letter, value] of Object.entries(NAMED)) if (value === octet) return `\\${letter}`;
  if (octet >= 0x20 && octet < 0x7f) return String.fromCharCode(octet);
  return `\\x${octet.toString(16).padStart(2, '0')}`;
}
