/**
 * The settings of TLS. They count where the plugin `tls` is loaded.
 *
 * The file `tls_protocols`: versions of TLS as qpsmtpd names them.
 */

import { allLines, directoryPath, seconds, text } from './setting-kinds.ts';

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** The versions that are spoken, from the lowest to the highest. */
export interface TlsVersions {
  readonly minimum: TlsVersion;
  readonly maximum: TlsVersion;
}

export const DEFAULT_VERSIONS: TlsVersions = { minimum: 'TLSv1.2', maximum: 'TLSv1.3' };

const SPOKEN: ReadonlyMap<string, TlsVersion> = new Map([
  ['TLSV1_2', 'TLSv1.2'],
  ['TLSV12', 'TLSv1.2'],
  ['TLSV1.2', 'TLSv1.2'],
  ['TLSV1_3', 'TLSv1.3'],
  ['TLSV13', 'TLSv1.3'],
  ['TLSV1.3', 'TLSv1.3'],
]);
/** Every version the library has, by OpenSSL's old name. */
const WHATEVER = new Set(['SSLV23', 'SSLV2/3']);
const BROKEN = new Set(['SSLV2', 'SSLV3', 'TLSV1', 'TLSV1_0', 'TLSV1.0', 'TLSV1_1', 'TLSV11', 'TLSV1.1']);

/**
 * Reads `SSLv23:!SSLv2:!SSLv3`, `TLSv1_2:TLSv1_3` and the like. Throws an Error that says why for a version that is not
 * spoken any more: RFC 8996 forbids TLS 1.0 and 1.1, and RFC 7568 SSL 3, because what they encrypt can be read.
 */
export function parseVersions(text: string): TlsVersions {
  const wanted = new Set<TlsVersion>();
  const unwanted = new Set<TlsVersion>();
  let isAnyWanted = false;
  for (const part of text.split(/[:,\s]+/).filter((each) => each !== '')) {
    const isExcluded = part.startsWith('!');
    const name = (isExcluded ? part.slice(1) : part).toUpperCase();
    const version = SPOKEN.get(name);
    if (version !== undefined) (isExcluded ? unwanted : wanted).add(version);
    else if (WHATEVER.has(name) && !isExcluded) isAnyWanted = true;
    else refuseUnlessExcluded(part, name, isExcluded);
  }
  const all: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3'];
  const left = all.filter(
    (version) => (isAnyWanted || wanted.size === 0 || wanted.has(version)) && !unwanted.has(version),
  );
  const [minimum] = left;
  const maximum = left.at(-1);
  if (minimum === undefined || maximum === undefined)
    throw new Error(`'${text}' leaves no version; TLSv1_2 and TLSv1_3 are spoken`);
  return { minimum, maximum };
}

function refuseUnlessExcluded(part: string, name: string, isExcluded: boolean): void {
  if (!BROKEN.has(name)) {
    throw new Error(`'${part}' is no version of TLS; TLSv1_2 and TLSv1_3 are spoken`);
  }
  if (isExcluded) return;
  throw new Error(
    `'${part}' asks for a version that can be broken and is not spoken (RFC 8996, RFC 7568); ` +
      'leave the file out for TLS 1.2 and 1.3',
  );
}

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
