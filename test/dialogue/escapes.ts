/** The escapes in which scripts and transcripts write octets: `\r`, `\n`, `\t`, `\\` and `\xHH`. */

const ESCAPE = /\\(?:x([0-9A-Fa-f]{2})|(.))/gs;

const NAMED: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '\\': '\\' };

/** The octets that an escaped text stands for; throws on an escape it does not know. */
export function unescapeOctets(text: string): Buffer {
  const plain = text.replace(ESCAPE, (whole, hex: string | undefined, name: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    const octet = name === undefined ? undefined : NAMED[name];
    if (octet === undefined) throw new SyntaxError(`unknown escape ${whole} in "${text}"`);
    return octet;
  });
  if (/\\$/.test(text.replace(ESCAPE, ''))) throw new SyntaxError(`"${text}" ends inside an escape`);
  return Buffer.from(plain, 'latin1');
}
