/** Clients that are not greylisted. */

import { addressNumber, compilePattern, type Pattern } from '../../bindings/lists/index.ts';
import {
  fingerprint,
  geoCountry,
  type Connection,
  type Fingerprint,
  type Setup,
} from '../../bindings/plugin/index.ts';
import { canonicalDomain } from '../../bindings/wire/domain-name.ts';

type Exemption = (connection: Connection) => string | undefined;

/** Why a client is not greylisted, if it is not: asked for every message, so all that can be is made ready here. */
export function exemptions(
  setup: Setup<unknown>,
  { p0f, geoip }: { readonly p0f?: string | undefined; readonly geoip?: string | undefined },
): Exemption {
  const isMeant = p0f === undefined ? undefined : compileSystems(p0f);
  const countries = new Set(geoip?.toLowerCase().split(','));
  const excluded = excludedHosts(setup);
  return ({ notes, remoteHost, remoteIp }) => {
    if (isMeant !== undefined) {
      const system = notes.get(fingerprint);
      if (system === undefined) return 'p0f info missing';
      if (!isMeant(system)) return 'no p0f match';
    }
    const country = notes.get(geoCountry)?.toLowerCase();
    if (country !== undefined && countries.has(country)) return `geoip country match (${country})`;
    return excluded.has(remoteIp, remoteHost) ? 'excluded host' : undefined;
  };
}

/** The hosts in the files that `greylist_exclude_files` lists. */
function excludedHosts({ config, log, services }: Setup<unknown>): HostList {
  const lines = config.lines('greylist_exclude_files').flatMap((path) => {
    const found = services.files.keep(path).lines;
    if (found === undefined) log.warn(`Couldn't open greylist exclude file ${path}`);
    return found ?? [];
  });
  return new HostList(lines);
}

/** Hosts as greylist_exclude_files have them, one entry a line: an address, a name, or a `/pattern/` of names. */
class HostList {
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

type Test = (system: Fingerprint) => boolean;

/**
 * Compiles pairs of field and value. One that matches is enough: `genre`, `link` and `detail` by a pattern without regard
 * to case, `uptime` if it is less, `distance` if it is more. What p0f does not know matches nothing. Throws an Error
 * that quotes a pair it does not understand.
 */
function compileSystems(option: string): Test {
  const parts = option.split(',');
  const tests = parts.flatMap((kind, index) =>
    index % 2 === 0 ? [compileTerm(kind, parts[index + 1] ?? '')] : [],
  );
  return (system) => tests.some((test) => test(system));
}

function compileTerm(kind: string, value: string): Test {
  const number = /^\d{1,9}$/.test(value) ? Number(value) : undefined;
  if (kind === 'distance' && number !== undefined) return ({ distance }) => distance > number;
  if (kind === 'uptime' && number !== undefined) return ({ uptime }) => uptime > 0 && uptime < number;
  if ((kind !== 'genre' && kind !== 'link' && kind !== 'detail') || value === '') {
    throw new Error(
      `\`${kind},${value}\` is none of genre,TEXT link,TEXT detail,TEXT uptime,NUMBER distance,NUMBER`,
    );
  }
  const pattern = compilePattern(value, { ignoreCase: true });
  return (system) => (system[kind] ?? '') !== '' && pattern.test(system[kind] ?? '');
}
