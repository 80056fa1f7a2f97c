/** Lists of domains as rcpthosts keeps them, one a line: `host`, or `.suffix` for everything below it. */

import { canonicalEntry } from '../wire/domain-name.ts';

export interface DomainListOptions {
  /** Gets a warning for each entry that no domain can have, and that is left out. */
  readonly log: { warn(text: string): void };
}

/** What has the name itself, without a look above it: a list, or a database. */
export interface DomainNames {
  has(name: string): boolean;
}

export class DomainList {
  readonly #names = new Set<string>();

  /** What follows the name on a line is no part of it. */
  constructor(lines: readonly string[], { log }: DomainListOptions) {
    for (const line of lines) {
      const name = canonicalEntry(line.trim().split(/\s/, 1)[0]!);
      if (name === undefined) log.warn(`entry \`${line}\` matches nothing: there can be no such domain`);
      else this.#names.add(name);
    }
  }

  /** `a.b.example`, in canonical form, is listed as itself, or below `.b.example` or `.example`. */
  has(domain: string): boolean {
    return isDomainIn(domain, this.#names);
  }
}

/** As `DomainList.has`, for entries that are kept elsewhere. */
export function isDomainIn(domain: string, names: DomainNames): boolean {
  if (names.has(domain)) return true;
  for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
    if (names.has(domain.slice(dot))) return true;
  }
  return false;
}
