/** Fetches the policy of a domain from its web server. RFC 8461 section 3.3. */

import type { Http } from '../../../bindings/plugin/index.ts';
import { standsForHost } from './certificates.ts';

export interface StsFetchOptions {
  readonly http: Pick<Http, 'request'>;
  /** The addresses of a policy host that may be connected to; rejects if there are none. */
  readonly addresses: (host: string) => Promise<readonly string[]>;
  /** Undefined: 443. */
  readonly port?: number | undefined;
  /** PEM, in place of the system's authorities. */
  readonly authorities?: string | undefined;
  /** From the look-up of the name to the last octet: a slow server must not hold up the mail. Undefined: 60,000. */
  readonly timeoutMs?: number | undefined;
}

const MAX_OCTETS = 65_536;
const TIMEOUT_MS = 60_000;
const HTTPS_PORT = 443;

/** Resolves with the text of the policy; rejects with why it could not be had. */
export async function fetchStsPolicy(
  domain: string,
  { http, addresses, port = HTTPS_PORT, authorities, timeoutMs = TIMEOUT_MS }: StsFetchOptions,
): Promise<string> {
  const host = `mta-sts.${domain}`;
  const url = new URL(`https://${host}:${port}/.well-known/mta-sts.txt`);
  // A name with a slash or a colon in it would lead to another server.
  if (url.hostname !== host) throw new Error(`${host} is no name of a web server`);
  const { status, headers, body } = await http.request({
    method: 'GET',
    url,
    headers: { host, accept: 'text/plain' },
    timeoutMs,
    maxOctets: MAX_OCTETS,
    // A user who can plant a redirect on any page of the host could plant a policy with it.
    maxRedirects: 0,
    addresses,
    tls: {
      authorities,
      nameProblem: (certificate) =>
        standsForHost(certificate, host, 'never') ? undefined : `its certificate stands for no ${host}`,
    },
  });
  if (status !== 200) throw new Error(`answered ${status}`);
  const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  // A host where users may put up pages of their own serves those as something else. RFC 8461 section 3.2.
  if (type !== 'text/plain') throw new Error('is no text/plain');
  return body.toString('utf8');
}
