/** What the addresses in a list's answer mean. RFC 5782 section 2.3, and the codes by which operators say that they do not answer. */

/** Addresses by which a list does not answer, besides the rest of 127.255.255.x. */
const REFUSALS: Readonly<Record<string, string>> = {
  '127.0.0.1': 'it does not answer',
  '127.0.1.255': 'it has domains, and no addresses',
  '127.255.255.252': 'the name of the list is misspelt',
  '127.255.255.254': 'it does not answer questions that come through a public resolver',
  '127.255.255.255': 'it was asked too often',
};

/**
 * Why `codes` are no answer of a list; undefined if they are one. One bad address spoils the whole answer: it comes from somebody
 * else than the list, or from a list that is not in order, and no client is to suffer for that.
 */
export function codeProblem(codes: readonly string[]): string | undefined {
  for (const code of codes) {
    if (!code.startsWith('127.')) return `answered ${code}, which is no code of a list`;
    if (isRefusal(code)) return `answered ${code}: ${REFUSALS[code] ?? 'it does not answer'}`;
  }
  return codes.length === 0 ? 'answered nothing' : undefined;
}

const isRefusal = (code: string): boolean =>
  code.startsWith('127.255.255.') || code === '127.0.0.1' || code === '127.0.1.255';

/** True for the codes that count. */
export type CodeFilter = (code: string) => boolean;

const HOW = 'write an address such as 127.0.0.2, with [2..11] or [2;4;10..11] in place of a number';

/**
 * `127.0.0.2`, `127.0.0.[2..11]`, `127.0.[0;1].[4;10..11]`, as in Postfix's postscreen. Throws an Error with the remedy for anything
 * else, and for what is never a listing.
 */
export function parseCodeFilter(text: string): CodeFilter {
  const parts = /^(\d+|\[[^\]]*\])\.(\d+|\[[^\]]*\])\.(\d+|\[[^\]]*\])\.(\d+|\[[^\]]*\])$/.exec(text);
  const octets = parts?.slice(1).map(parseOctets) ?? [];
  if (octets.length === 0 || octets.includes(undefined))
    throw new Error(`\`${text}\` is no filter of return codes (${HOW})`);
  if (parts![1] !== '127')
    throw new Error(`\`${text}\` matches nothing: lists answer with addresses that begin with 127`);
  if (isRefusal(text) || text.startsWith('127.255.255.['))
    throw new Error(`\`${text}\` matches nothing: by that lists say that they do not answer`);
  return (code) => code.split('.').every((octet, index) => octets[index]!.has(Number(octet)));
}

/** The numbers that one place of a filter stands for; undefined for what is none. */
function parseOctets(text: string): ReadonlySet<number> | undefined {
  const ranges = text.replace(/^\[|\]$/g, '').split(';');
  const numbers = new Set<number>();
  for (const range of ranges) {
    const [, first, last = first] = /^(\d{1,3})(?:\.\.(\d{1,3}))?$/.exec(range) ?? [];
    if (first === undefined || Number(first) > Number(last) || Number(last) > 255) return undefined;
    for (let number = Number(first); number <= Number(last); number++) numbers.add(number);
  }
  return numbers;
}
