/** Certificates of a test: authorities, and what they issue, made by OpenSSL. */

import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsaRecord } from '../../../bindings/plugin/resolver.ts';
import { PATIENCE_MS } from '../../patience.ts';

export interface Issued {
  /** PEM, its own certificate alone. */
  readonly certificate: string;
  readonly key: string;
  readonly der: Buffer;
  /** The public key in DER. */
  readonly publicKey: Buffer;
}

interface IssueOptions {
  /** Undefined: it vouches for itself. */
  readonly by?: Issued;
  readonly names?: readonly string[];
  readonly isAuthority?: boolean;
  /** Instead of one that is valid for a day. */
  readonly isExpired?: boolean;
  readonly usage?: string;
}

let count = 0;

export function issue(subject: string, options: IssueOptions = {}): Issued {
  const folder = mkdtempSync(join(tmpdir(), 'policy-certificates-'));
  try {
    return issueIn(folder, subject, options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function issueIn(folder: string, subject: string, options: IssueOptions): Issued {
  const { by, names = [], isAuthority = false, isExpired = false, usage } = options;
  const path = (ending: string): string => join(folder, ending);
  count++;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  writeFileSync(path('key'), key);
  const extensions = [
    `basicConstraints=critical,CA:${isAuthority ? 'TRUE' : 'FALSE'}`,
    ...(names.length > 0 ? [`subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`] : []),
    ...(usage === undefined ? [] : [`extendedKeyUsage=${usage}`]),
  ];
  writeFileSync(path('ext'), extensions.join('\n'));
  const run = (...words: string[]): void =>
    void execFileSync('openssl', words, { stdio: 'pipe', timeout: PATIENCE_MS });
  run('req', '-new', '-key', path('key'), '-subj', `/CN=${subject}`, '-out', path('csr'));
  const signer = by === undefined ? ['-signkey', path('key')] : signerFiles(by, path);
  run(
    ...['x509', '-req', '-in', path('csr'), '-extfile', path('ext'), '-days', isExpired ? '-1' : '1'],
    ...[...signer, '-set_serial', String(1_000 + count), '-out', path('crt')],
  );
  const certificate = readFileSync(path('crt'), 'utf8');
  const parsed = new X509Certificate(certificate);
  const publicKey = parsed.publicKey.export({ type: 'spki', format: 'der' });
  return { certificate, key, der: parsed.raw, publicKey };
}

function signerFiles(by: Issued, path: (ending: string) => string): string[] {
  writeFileSync(path('ca'), by.certificate);
  writeFileSync(path('cakey'), by.key);
  return ['-CA', path('ca'), '-CAkey', path('cakey')];
}

/** The record `usage selector matching` that stands for a certificate. */
export function tlsa(words: string, { der, publicKey }: Pick<Issued, 'der' | 'publicKey'>): TlsaRecord {
  const [usage = 0, selector = 0, matching = 0] = words.split(' ').map(Number);
  const selected = selector === 0 ? der : publicKey;
  const digest = matching === 1 ? 'sha256' : 'sha512';
  const data = matching === 0 ? selected : createHash(digest).update(selected).digest();
  return { usage, selector, matching, data };
}
