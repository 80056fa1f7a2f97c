/** The context OpenSSL needs for a handshake: certificates, versions and ciphers in one object. */

import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { KeyPair } from './key-pair.ts';
import type { TlsVersions } from '../settings/tls-settings.ts';

/** Under another name, for the folders that may not touch `tls`. */
export type TlsContext = SecureContext;

/** Settings for every certificate. */
export interface TlsPolicy {
  readonly versions: TlsVersions;
  /** OpenSSL's cipher list. */
  readonly ciphers: string;
  /** PEM: authorities whose clients are told apart; undefined: clients are not asked for certificates. */
  readonly clientAuthorities: string | undefined;
}

/** Suites of TLS 1.3. A list without any would turn TLS 1.3 off, which an operator that writes `HIGH` does not mean. */
const TLS_1_3 = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';
/** Suites without a certificate or without encryption are no protection; `HIGH` and `ALL` contain some. */
const NEVER = '!aNULL:!eNULL';
/** OpenSSL allows a client to ask for new handshakes without end, each of which costs the server most. */
const { SSL_OP_NO_RENEGOTIATION } = constants as typeof constants & { SSL_OP_NO_RENEGOTIATION: number };

/** Throws OpenSSL's error if it cannot use one of the parts. */
export function makeTlsContext({ chain, key, dhparam }: KeyPair, policy: TlsPolicy): TlsContext {
  const { versions, ciphers, clientAuthorities } = policy;
  const suites = /(^|:)TLS_/.test(ciphers) ? ciphers : `${TLS_1_3}:${ciphers}`;
  return createSecureContext({
    cert: chain,
    key,
    dhparam: dhparam ?? 'auto',
    ciphers: `${suites}:${NEVER}`,
    honorCipherOrder: true,
    minVersion: versions.minimum,
    maxVersion: versions.maximum,
    // Resumption across listeners with different rules is refused by this name.
    sessionIdContext: 'qpsmtpd',
    secureOptions: SSL_OP_NO_RENEGOTIATION,
    // An empty list is no list: without it the system's authorities would vouch for clients.
    ...(clientAuthorities === undefined ? {} : { ca: clientAuthorities }),
  });
}
