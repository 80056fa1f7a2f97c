/** Which outlet a recipient's mail goes to, by a list of patterns. */

import type { Address } from '../wire/address.ts';
import { canonicalEntry } from '../wire/domain-name.ts';
import { ConfigProblem, type Place, type PlacedLine } from './placed-line.ts';

export interface Route<O> {
  readonly pattern: string;
  /** The outlet as the line names it. Routes with the same text share one. */
  readonly spec: string;
  readonly place: Place;
  readonly outlet: O;
}

/** `*`, a domain, a domain with a dot in front for everything below it, a mailbox, an address literal. */
const PATTERN = /^(?:\*|\.?[^\s@.*/][^\s@*/]*|[^\s@]+@[^\s@*/]+|postmaster)$/u;

/** Routes to outlets, whatever those are: `O`. */
export class RouteTable<O> {
  readonly #routes: ReadonlyMap<string, Route<O>>;

  private constructor(routes: ReadonlyMap<string, Route<O>>) {
    this.#routes = routes;
  }

  /**
   * Lines `PATTERN OUTLET`. Throws a `ConfigProblem` for a line that cannot be read or says again what one before it
   * said, an `AggregateError` for several, and, with `file`, for a list without any. `open` is asked once for each outlet.
   */
  static parse<O>(
    lines: readonly PlacedLine[],
    file: Place,
    open: (spec: string, place: Place) => O,
  ): RouteTable<O> {
    const routes = new Map<string, Route<O>>();
    const outlets = new Map<string, O>();
    const problems: ConfigProblem[] = [];
    for (const line of lines) {
      const problem = problemIn(line, routes);
      if (problem !== undefined) {
        problems.push(problem);
        continue;
      }
      const { key, pattern, spec } = partsOf(line);
      const outlet = outlets.get(spec) ?? open(spec, line.place);
      outlets.set(spec, outlet);
      routes.set(key!, { pattern, spec, place: line.place, outlet });
    }
    const [first, ...others] = problems;
    if (first !== undefined) throw others.length === 0 ? first : new AggregateError(problems, first.message);
    if (routes.size === 0)
      throw new ConfigProblem(file, 'there is no route', 'add a line such as `* OUTLET`');
    return new RouteTable(routes);
  }

  /**
   * The most specific route: of the mailbox, of the domain, of the nearest domain above it, and last `*`. Case and the
   * spelling of the domain do not count. Undefined if there is none. The bare `<postmaster>` goes by `postmaster`, else by `*`.
   */
  find(address: Address): Route<O> | undefined {
    const { canonicalDomain: domain } = address;
    const mailbox = address.canonicalMailbox.toLowerCase();
    if (domain === undefined || domain === '') return this.#routes.get(mailbox) ?? this.#routes.get('*');
    const exact = this.#routes.get(mailbox) ?? this.#routes.get(domain);
    if (exact !== undefined) return exact;
    for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1)) {
      const above = this.#routes.get(domain.slice(dot));
      if (above !== undefined) return above;
    }
    return this.#routes.get('*');
  }

  /** Every outlet once, by its text. */
  outlets(): ReadonlyMap<string, O> {
    return new Map([...this.#routes.values()].map(({ spec, outlet }) => [spec, outlet]));
  }
}

function partsOf({ text }: PlacedLine) {
  const [, pattern = '', rest = ''] = /^(\S+)\s*(.*)$/su.exec(text.trim()) ?? [];
  return { pattern, spec: rest.trim().replace(/\s+/g, ' '), key: canonicalEntry(pattern) };
}

/** Why a line is no further route; undefined if it is one. */
function problemIn(line: PlacedLine, routes: ReadonlyMap<string, Route<unknown>>): ConfigProblem | undefined {
  const { place } = line;
  const { key, pattern, spec } = partsOf(line);
  if (key === undefined || !PATTERN.test(pattern)) {
    const remedy = 'write `*`, `example.org`, `.example.org` for what is below it, or `user@example.org`';
    return new ConfigProblem(place, `\`${pattern}\` is no pattern of recipients`, remedy);
  }
  if (spec === '')
    return new ConfigProblem(place, `${pattern} has no outlet`, 'such as `smtp-forward 10.0.0.5 25`');
  const before = routes.get(key);
  if (before === undefined) return undefined;
  return new ConfigProblem(place, `${pattern} has a route in line ${before.place.line ?? '?'} already`);
}
