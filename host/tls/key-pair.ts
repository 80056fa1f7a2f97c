/** A certificate and its key, read from files and checked against each other. */

import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { realpathSync, statSync } from 'node:fs';
import { ConfigError } from '../errors/error-classes.ts';
import { foldersAbove } from '../errors/system-trouble.ts';

/** The files of one certificate, as absolute paths. */
export interface KeyPairFiles {
  /** PEM: the server's own certificate first, then those that lead to an authority. */
  readonly certificate: string;
  /** PEM; the same file as `certificate` if it holds both. */
  readonly key: string;
  /** PEM: further certificates of the chain. */
  readonly authorities?: string | undefined;
  /** PEM: parameters for DHE with TLS 1.2; without them a suitable group is chosen. */
  readonly dhparam?: string | undefined;
}

/** A pair that fits together. */
export interface KeyPair {
  readonly files: KeyPairFiles;
  /** The whole chain, in PEM. */
  readonly chain: string;
  readonly key: string;
  readonly dhparam: string | undefined;
  /** Names it stands for, in lower case; `*.example.com` stands for one label. RFC 6125 section 6.4.3. */
  readonly names: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** The text of a file; throws a `ConfigError`. */
export type ReadText = (path: string) => string;

/** Reads and checks a pair; throws a `ConfigError` with the file and what to do about it. */
export function readKeyPair(files: KeyPairFiles, read: ReadText): KeyPair {
  const { certificate: certificateFile, key: keyFile, authorities, dhparam } = files;
  const own = read(certificateFile);
  const key = read(keyFile);
  const certificates = parseCertificates(certificateFile, own);
  const privateKey = parseKey(keyFile, key);
  const [leaf] = certificates;
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new ConfigError(
      { file: certificateFile },
      `the certificate does not belong to the key in ${keyFile}`,
      'name a certificate and the key it was issued for',
    );
  }
  const more = authorities === undefined ? [] : parseCertificates(authorities, read(authorities));
  return {
    files,
    chain: [...certificates, ...linksOf(more, certificates)].map(String).join(''),
    key,
    dhparam: dhparam === undefined ? undefined : requireParameters(dhparam, read(dhparam)),
    names: namesOf(leaf),
    expiresAt: Date.parse(leaf.validTo),
  };
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

type Certificates = readonly [X509Certificate, ...X509Certificate[]];

/** The certificates of a PEM file. */
export function parseCertificates(file: string, text: string): Certificates {
  const [first, ...rest] = (text.match(PEM_CERTIFICATE) ?? []).map((block) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw new ConfigError({ file }, `a certificate in it can't be read: ${String(cause)}`);
    }
  });
  if (first !== undefined) return [first, ...rest];
  throw new ConfigError({ file }, 'holds no certificate', 'it takes PEM: -----BEGIN CERTIFICATE-----');
}

function parseKey(file: string, text: string): KeyObject {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    throw new ConfigError(
      { file },
      'the key is protected by a passphrase, and nobody is there to type it',
      'write it out with `openssl pkey` and let only the daemon read it',
    );
  }
  try {
    return createPrivateKey(text);
  } catch {
    throw new ConfigError({ file }, 'holds no private key', 'it takes PEM: -----BEGIN PRIVATE KEY-----');
  }
}

/** OpenSSL goes on without parameters it can't find. */
function requireParameters(file: string, text: string): string {
  if (/-----BEGIN (X9\.42 )?DH PARAMETERS-----/.test(text)) return text;
  throw new ConfigError({ file }, 'holds no DH parameters', 'it takes PEM: -----BEGIN DH PARAMETERS-----');
}

/** What is worth sending of the authorities: not what the chain has already, and no root, which clients have or do not trust. */
function linksOf(
  authorities: readonly X509Certificate[],
  chain: readonly X509Certificate[],
): X509Certificate[] {
  const known = new Set(chain.map(({ fingerprint256 }) => fingerprint256));
  return authorities.filter(
    (authority) => !known.has(authority.fingerprint256) && authority.issuer !== authority.subject,
  );
}

/** The DNS names of a certificate; one from before subject alternative names has its common name only. */
function namesOf({ subjectAltName, subject }: X509Certificate): readonly string[] {
  const names = [...(subjectAltName ?? '').matchAll(/(?:^|, )DNS:([^,"]+)/g)].map(([, name]) => name!);
  const common = /^CN=(\S+)$/m.exec(subject)?.[1];
  const chosen = names.length === 0 && common !== undefined ? [common] : names;
  return chosen.map((name) => name.toLowerCase());
}

/**
 * Warns of a private key that everybody may read: anybody who has it can pose as this server, and read what it was sent. Undefined
 * if the key is closed to others. The rights of a group are the operator's choice, as in Debian's
 * group ssl-cert, and a directory above that others may not enter closes the file too.
 */
export function openKeyWarning(path: string): string | undefined {
  try {
    const real = realpathSync(path);
    if ((statSync(real).mode & 0o006) === 0) return undefined;
    if (foldersAbove(real).some((folder) => (statSync(folder).mode & 0o001) === 0)) return undefined;
  } catch {
    // The code that reads the key says what is wrong with it.
    return undefined;
  }
  return `${path}: every user of this host may read or write the private key (chmod o= ${path})`;
}
