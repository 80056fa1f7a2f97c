/** Base64 as AUTH carries it, and the text inside. RFC 4648 section 4. */

/**
 * The octets, or undefined for anything that is not base64 to the last bit. Buffer.from alone skips what it does not
 * know, and two readers could then see different credentials in one line.
 */
export function decodeBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0) return undefined;
  const octets = Buffer.from(text, 'base64');
  return octets.toString('base64') === text ? octets : undefined;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of UTF-8 octets, or undefined if they are something else. */
export function decodeText(octets: Uint8Array): string | undefined {
  try {
    return utf8.decode(octets);
  } catch {
    return undefined;
  }
}
