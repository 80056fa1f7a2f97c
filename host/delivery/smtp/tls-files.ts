import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { HopTlsFiles, TlsDemand } from '../../../bindings/plugin/hop-services.ts';
import { QpsmtpdError } from '../../errors/error-classes.ts';

/** The demand with what the files hold. Throws with the path if one can't be read, or if they don't fit together. */
export function withTlsFiles(demand: TlsDemand, files: HopTlsFiles | undefined): TlsDemand {
  if (files === undefined) return demand;
  const { authorities, certificate, key } = files;
  if ((certificate === undefined) !== (key === undefined)) {
    throw new QpsmtpdError('Q_CONFIG', 'a certificate and its key have to be given together');
  }
  const read: Partial<TlsDemand> = {
    ...(authorities !== undefined && { authorities: textOf(authorities) }),
    ...(certificate !== undefined && { certificate: textOf(certificate) }),
    ...(key !== undefined && { key: textOf(key) }),
  };
  try {
    createSecureContext({ ca: read.authorities, cert: read.certificate, key: read.key });
  } catch (cause) {
    const named = [authorities, certificate, key].filter((path) => path !== undefined).join(', ');
    throw new QpsmtpdError('Q_CONFIG', `${named}: ${(cause as Error).message}`, { cause });
  }
  return { ...demand, ...read };
}

function textOf(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new QpsmtpdError('Q_CONFIG', `${path}: can't be read (${code})`, { cause });
  }
  if (!text.includes('-----BEGIN ')) throw new QpsmtpdError('Q_CONFIG', `${path}: holds nothing in PEM`);
  return text;
}
