/** The settings of TLS. They count where the plugin `tls` is loaded. */

import { DEFAULT_VERSIONS, parseVersions } from './tls-protocols.ts';
import { allLines, directoryPath, seconds, text } from './setting-kinds.ts';

const AT_START = 'start, SIGHUP';

function cipherList(ciphers: string): string {
  // OpenSSL says which ciphers it knows; here only texts that are no list are refused.
  if (!/^[!-~]+$/.test(ciphers))
    throw new Error(`'${ciphers}' is no list of ciphers: names joined by colons`);
  return ciphers;
}

export const TLS_SETTINGS = {
  tlsHandshakeTimeoutMs: seconds({
    file: 'tls_handshake_timeout',
    about: 'Time a client may take for a whole TLS handshake; then it is cut off.',
    takesEffect: 'next handshake',
    otherwise: 30,
    min: 1,
    max: 600,
  }),
  tlsVersions: text(
    {
      file: 'tls_protocols',
      about:
        "Versions of TLS in qpsmtpd's ciphers; 1.2 and 1.3 are all there is, `TLSv1_3` leaves only the latter.",
      takesEffect: AT_START,
      form: '`TLSv1_2`, `TLSv1_3`, `SSLv23:!SSLv3` and the like',
      otherwise: 'TLS 1.2 and 1.3',
    },
    parseVersions,
    () => DEFAULT_VERSIONS,
  ),
  tlsCiphers: text(
    {
      file: 'tls_ciphers',
      about:
        "OpenSSL's cipher list for TLS 1.2; suites whose names begin with `TLS_` replace those of TLS 1.3.",
      takesEffect: AT_START,
      form: 'cipher list',
      otherwise: '`HIGH`',
    },
    cipherList,
    () => 'HIGH',
  ),
  /** Undefined: clients are not asked for certificates. */
  tlsClientCa: text<string | undefined>(
    {
      file: 'tls_client_ca',
      about:
        'File with the authorities of client certificates, in PEM; clients are asked for one if it is set.',
      takesEffect: AT_START,
      form: 'path',
      otherwise: 'none',
    },
    directoryPath,
    () => undefined,
  ),
  tlsCertificates: allLines({
    file: 'tls_certificates',
    about: 'Further certificates, one a line with its key; each is for the names in it.',
    takesEffect: AT_START,
    form: 'CERTIFICATE KEY',
  }),
};
