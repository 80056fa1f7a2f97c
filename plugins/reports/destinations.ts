/** Where reports go: the addresses that a domain has published, as far as those who get them agree. RFC 9990 section 4, RFC 8460 section 3. */

import { Address, type Resolver } from '../../bindings/plugin/index.ts';
import { canonicalDomain, isHostName } from '../../bindings/wire/index.ts';

/** More are not written to. RFC 9990 section 3.5 leaves the limit to who reports. */
const MAX_ADDRESSES = 5;

export interface Destinations {
  readonly addresses: readonly Address[];
  /** The answer of the DNS was a failure: they may be asked again later. */
  readonly isUncertain: boolean;
}

/** The mail addresses among the URIs of `rua`; an obsolete limit of size (`!10m`) is passed over. RFC 6068. */
export function mailAddressesOf(uris: readonly string[]): readonly Address[] {
  const found = uris.flatMap((uri) => {
    const [, path] = /^mailto:([^?!]+)/i.exec(uri.trim()) ?? [];
    const address = path === undefined ? undefined : addressOf(path);
    return address === undefined ? [] : [address];
  });
  return found.slice(0, MAX_ADDRESSES);
}

function addressOf(path: string): Address | undefined {
  try {
    const text = decodeURIComponent(path);
    const at = text.lastIndexOf('@');
    const domain = canonicalDomain(text.slice(at + 1));
    // Anybody could have this host ask others of its network: an address in brackets, or a name that is known inside alone.
    if (domain === undefined || !domain.includes('.') || !isHostName(domain)) return undefined;
    // A line end or a blank in it could begin a field of its own.
    if (at < 1 || !/^[!-~]+$/.test(text)) return undefined;
    return new Address(text.slice(0, at), domain);
  } catch {
    return undefined;
  }
}

/**
 * Those that want reports about `domain`: others than the domain itself have to say so in the DNS, or anybody could have reports sent
 * to a victim (RFC 9990 section 4). `isRelated`: both are of one organisation.
 */
export async function agreedAddresses(
  domain: string,
  uris: readonly string[],
  dns: Pick<Resolver, 'txt'>,
  isRelated: (a: string, b: string) => boolean,
): Promise<Destinations> {
  let isUncertain = false;
  const addresses: Address[] = [];
  for (const address of mailAddressesOf(uris)) {
    const host = address.domain.toLowerCase();
    if (isRelated(host, domain)) {
      addresses.push(address);
      continue;
    }
    const answer = await dns.txt(`${domain}._report._dmarc.${host}`);
    if (answer.status === 'failed') isUncertain = true;
    if (answer.status !== 'found') continue;
    const record = answer.records.find((text) => /^v\s*=\s*DMARC1\s*(?:;|$)/.test(text));
    if (record === undefined) continue;
    const [, instead] = /;\s*rua\s*=([^;]+)/i.exec(record) ?? [];
    if (instead === undefined) addresses.push(address);
    // Another host than the one that has been asked would be a way around the question.
    else
      addresses.push(
        ...mailAddressesOf(instead.split(',')).filter((other) => other.domain === address.domain),
      );
  }
  return { addresses: withoutRepeats(addresses), isUncertain };
}

const withoutRepeats = (addresses: readonly Address[]): readonly Address[] => [
  ...new Map(addresses.map((address) => [address.toString(), address])).values(),
];
