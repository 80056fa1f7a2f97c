/** Lists of hosts as greylist_exclude_files have them, one entry a line: an address, a name, or a `/pattern/` of names. */

import { addressNumber } from './address-number.ts';
import { canonicalDomain } from '../wire/domain-name.ts';
import { compilePattern, type Pattern } from './pattern.ts';

export class HostList {
  readonly #exact = new Set<string>();
  readonly #patterns: Pattern[] = [];

  /** What follows a `#` is a comment, blanks do not count. Throws if a pattern can't be compiled, naming it. */
  constructor(lines: Iterable<string>) {
    for (const line of lines) {
      const entry = line.replace(/#.*/s, '').replace(/\s/g, '');
      const source = /^\/(.*)\/$/.exec(entry)?.[1];
      if (source !== undefined) this.#patterns.push(compilePattern(source));
      else if (entry !== '') this.#exact.add(addressNumber(entry) ?? canonicalDomain(entry) ?? entry);
    }
  }

  has(address: string, name: string): boolean {
    return (
      this.#exact.has(addressNumber(address) ?? address) ||
      this.#exact.has(canonicalDomain(name) ?? '') ||
      this.#patterns.some((pattern) => pattern.test(name))
    );
  }
}
