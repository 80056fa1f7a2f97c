/** The header field Forwarded. RFC 7239 section 4. */

import { HttpRefusal } from './http-refusal.ts';

/** What one proxy says of the request it got. */
export interface ForwardedElement {
  /** `for`: whom it got the request from, without quotes; empty if it does not say. */
  readonly node: string;
  /** The scheme of the request: `https`. */
  readonly proto?: string | undefined;
}

/** A pair: a token, and a token or quoted string. RFC 9110 section 5.6. */
const PAIR =
  /^[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z:[\]-]+)|"((?:[^"\\]|\\.)*)")[ \t]*/;

/**
 * The elements of the field, first proxy first; undefined if there is no such field. Throws an `HttpRefusal` for what does
 * not have its form: where an element ends could be read in two ways. Addresses without quotes are taken as most proxies write
 * them, against the grammar.
 */
export function readForwarded(
  field: string | readonly string[] | undefined,
): readonly ForwardedElement[] | undefined {
  if (field === undefined) return undefined;
  const elements: Map<string, string>[] = [new Map()];
  let rest = String(field);
  for (;;) {
    const pair = PAIR.exec(rest);
    if (pair === null) throw malformed();
    const [whole, name = '', token, quoted = ''] = pair;
    const key = name.toLowerCase();
    const element = elements.at(-1)!;
    // Each parameter at most once: of two, somebody else might believe the other.
    if (element.has(key)) throw malformed();
    element.set(key, token ?? quoted.replace(/\\(.)/g, '$1'));
    rest = rest.slice(whole.length);
    if (rest === '') break;
    if (rest.startsWith(',')) elements.push(new Map());
    else if (!rest.startsWith(';')) throw malformed();
    rest = rest.slice(1);
  }
  return elements.map((element) => ({ node: element.get('for') ?? '', proto: element.get('proto') }));
}

const malformed = (): HttpRefusal => new HttpRefusal(400, 'the field Forwarded is malformed');
