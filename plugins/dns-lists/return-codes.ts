/** What the addresses in a list's answer mean. RFC 5782 section 2.3, and the codes by which operators say that they do not answer. */

/** By the last octet of 127.255.255.x. */
const REFUSALS: Readonly<Record<string, string>> = {
  '252': 'the name of the list is misspelt',
  '254': 'it does not answer questions that come through a public resolver',
  '255': 'it was asked too often',
};

/**
 * Why `codes` are no answer of a list; undefined if they are one. One bad address spoils the whole answer: whoever mixes it with
 * codes is not the list, or the list is not in order, and no client is to suffer for that.
 */
export function codeProblem(codes: readonly string[]): string | undefined {
  for (const code of codes) {
    if (!code.startsWith('127.')) return `answered ${code}, which is no code of a list`;
    if (code.startsWith('127.255.255.'))
      return `answered ${code}: ${REFUSALS[code.slice(12)] ?? 'it does not answer'}`;
    if (code === '127.0.0.1') return `answered ${code}: it does not answer`;
  }
  return codes.length === 0 ? 'answered nothing' : undefined;
}
