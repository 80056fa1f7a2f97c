/** The domains and addresses that a text names: each once, and a choice of them if there are more than can be asked about. */

import { parse } from 'tldts';
import { HostNameScan, type HostNamePlace } from '../../bindings/wire/index.ts';
import { urlHosts } from './url-host.ts';

export interface CollectionOptions {
  /** Domains and addresses, and names below the domains. */
  readonly maxNames: number;
  readonly wantsAddresses: boolean;
  /** In A-labels: these domains, and what is below them, are left out. */
  readonly isLeftOut: (domain: string) => boolean;
  /** A number in [0, 1). */
  readonly random: () => number;
}

/** A URL in the query of a URL may be escaped once for each. */
const MAX_UNESCAPING = 3;
/** Different spellings that are looked at: no honest message has as many. */
const MAX_SPELLINGS = 20_000;
/** Names below domains that are kept: a spelling may have more than a hundred of them. */
const MAX_BELOW = 20_000;
const ESCAPES = /%([\da-f]{2})/gi;

export class HostCollection {
  /** Something was passed over, and what. */
  exceeded: string | undefined = undefined;
  readonly #options: CollectionOptions;
  /** Spellings that were found and not looked at yet. */
  #found: [name: string, place: HostNamePlace][] = [];
  readonly #spellings = new Set<string>();
  readonly #domains = new Map<string, Set<string>>();
  readonly #addresses = new Set<string>();
  #below = 0;
  #unescaping = 0;
  readonly #scan = new HostNameScan((name, place) => this.add(name, place));

  constructor(options: CollectionOptions) {
    this.#options = options;
  }

  /** Takes what a `HostNameScan` has found. Cheap: to look at it is for `settle`. */
  add(name: string, place: HostNamePlace): void {
    const spelling = place === 'text' ? name : `${place} ${name}`;
    if (this.#spellings.has(spelling)) return;
    if (this.#spellings.size >= MAX_SPELLINGS) this.exceeded ??= `${MAX_SPELLINGS} spellings of host names`;
    else {
      this.#spellings.add(spelling);
      this.#found.push([name, place]);
    }
  }

  /** Looks at some of what was added. False: there is more. */
  settle(count: number): boolean {
    for (const [name, place] of this.#found.splice(0, count)) this.#look(name, place);
    return this.#found.length === 0;
  }

  /** True once nothing more would be looked at. */
  get isFull(): boolean {
    return this.exceeded !== undefined;
  }

  /** All names that could be asked about. */
  get found(): number {
    return this.#domains.size + this.#addresses.size + this.#below;
  }

  /**
   * Domains and addresses first, in the order of the text; then what stands below the domains, as deep as the text has it. Chance
   * decides if there are too many: were it the first ones, a sender could hide a name behind others.
   */
  names(): readonly string[] {
    const { maxNames, random } = this.#options;
    const first = [...this.#domains.keys(), ...this.#addresses];
    const kept = Math.min(this.#below, Math.floor(maxNames * SHARE_BELOW));
    const chosen = choose(first, maxNames - kept, random);
    const groups = [...this.#domains.values()].filter(({ size }) => size > 0).map((names) => [...names]);
    return [...chosen, ...chooseFairly(groups, maxNames - chosen.length, random)];
  }

  #look(name: string, place: HostNamePlace): void {
    if (name.includes('%')) this.#unescape(name, place);
    else
      for (const host of urlHosts(name, place, (host) => domainOf(host) !== undefined)) {
        if (host.kind === 'name') this.#addName(host.name);
        else if (this.#options.wantsAddresses) this.#addresses.add(host.address);
      }
  }

  /** What escapes stand for is text in which names are found as anywhere. */
  #unescape(name: string, place: HostNamePlace): void {
    if (this.#unescaping === MAX_UNESCAPING) return;
    const text = name.replace(ESCAPES, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    );
    if (text === name) return;
    const before = this.#found;
    this.#found = [];
    this.#unescaping++;
    this.#scan.write(Buffer.from(place === 'url' ? `//${text}` : text, 'latin1'));
    this.#scan.end();
    this.settle(Number.POSITIVE_INFINITY);
    this.#unescaping--;
    this.#found = before;
  }

  /** qpsmtpd asks about each name from the host up to its domain, and so do we. */
  #addName(host: string): void {
    const domain = domainOf(host);
    if (domain === undefined) return;
    let name = host;
    for (; name !== domain; name = parentOf(name)) if (this.#options.isLeftOut(name)) return;
    if (this.#options.isLeftOut(domain)) return;
    let names = this.#domains.get(domain);
    if (names === undefined) this.#domains.set(domain, (names = new Set()));
    for (name = host; name !== domain; name = parentOf(name)) {
      if (names.has(name) || this.#below >= MAX_BELOW) return;
      names.add(name);
      this.#below++;
    }
  }
}

/** What is kept for names below domains, however many domains there are: hosts of customers are listed by their own name. */
const SHARE_BELOW = 0.25;

/** `count` of `all`, in the same order, each with the same chance. */
function choose<T>(all: readonly T[], count: number, random: () => number): readonly T[] {
  let missing = count;
  return all.length <= count
    ? all
    : all.filter((_, index) => {
        const isChosen = random() * (all.length - index) < missing;
        if (isChosen) missing--;
        return isChosen;
      });
}

/** Each group has the same share, and those with few names leave the rest of theirs to the others. */
function chooseFairly(
  groups: readonly (readonly string[])[],
  count: number,
  random: () => number,
): readonly string[] {
  if (groups.reduce((sum, { length }) => sum + length, 0) <= count) return groups.flat();
  const asked = [...choose(groups, count, random)].sort((a, b) => a.length - b.length);
  let left = count;
  return asked.flatMap((group, index) => {
    const chosen = choose(group, Math.floor(left / (asked.length - index)), random);
    left -= chosen.length;
    return chosen;
  });
}

/** The domain somebody has registered; undefined for `index.html` and `std.cout`, which end in no public suffix. */
function domainOf(host: string): string | undefined {
  const { domain, isIcann } = parse(host, PARSING);
  return isIcann === true && domain !== null ? domain : undefined;
}

/** The host is known to be one. */
const PARSING = { detectIp: false, extractHostname: false, validateHostname: false } as const;

const parentOf = (name: string): string => name.slice(name.indexOf('.') + 1);
