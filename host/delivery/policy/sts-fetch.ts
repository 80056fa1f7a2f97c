/** Fetches the policy of a domain from its web server. RFC 8461 section 3.3. */

import { request, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { QpsmtpdError } from '../../errors/error-classes.ts';
import { standsForHost } from './certificate-names.ts';
import { lookUpReachable } from './reachable-lookup.ts';

/** Where policies come from, if not from port 443 of the host that the domain names, under the system's authorities. */
export interface StsOrigin {
  readonly address: string;
  readonly port: number;
  /** PEM. */
  readonly authorities: string;
}

const MAX_OCTETS = 65_536;
const TIMEOUT_MS = 60_000;

/** Resolves with the text of the policy; rejects with why it could not be had. */
export function fetchStsPolicy(domain: string, origin?: StsOrigin, timeoutMs = TIMEOUT_MS): Promise<string> {
  return new Promise((resolve, reject) => {
    // Covers everything from the look-up of the name to the last octet: a slow server must not hold up the mail.
    const signal = AbortSignal.timeout(timeoutMs);
    const fail = (cause: unknown): void =>
      reject(signal.aborted ? fault(`no answer in ${timeoutMs} ms`) : cause);
    request({ ...placeOf(domain, origin), signal }, (response) => {
      response.on('error', fail);
      readPolicy(response).then(resolve, (cause: unknown) => {
        response.destroy();
        fail(cause);
      });
    })
      .on('error', fail)
      .end();
  });
}

function placeOf(domain: string, origin: StsOrigin | undefined): RequestOptions {
  const host = `mta-sts.${domain}`;
  return {
    host: origin?.address ?? host,
    port: origin?.port ?? 443,
    lookup: lookUpReachable,
    // The certificate has to stand for this name, wherever the connection leads to.
    servername: host,
    checkServerIdentity: (_, { raw }) =>
      standsForHost(raw, host, 'never') ? undefined : fault(`its certificate stands for no ${host}`),
    headers: { host, accept: 'text/plain' },
    path: '/.well-known/mta-sts.txt',
    agent: false,
    minVersion: 'TLSv1.2',
    ...(origin === undefined ? {} : { ca: origin.authorities }),
  };
}

async function readPolicy(response: IncomingMessage): Promise<string> {
  // Redirects are not followed: whoever can plant one on any page of the host could plant a policy.
  if (response.statusCode !== 200) throw fault(`answered ${response.statusCode ?? 'nothing'}`);
  const type = (response.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  // A host where users may put up pages of their own serves those as something else. RFC 8461 section 3.2.
  if (type !== 'text/plain') throw fault('is no text/plain');
  const chunks: Buffer[] = [];
  let octets = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    octets += chunk.length;
    if (octets > MAX_OCTETS) throw fault(`has more than ${MAX_OCTETS} octets`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const fault = (text: string): QpsmtpdError => new QpsmtpdError('Q_DELIVERY', text);
