import type { Connect, Files } from '../../../bindings/plugin/index.ts';
import type { HopTlsFiles, TlsDemand } from './hop-options.ts';

/** The authorities of a whole system have less than a megabyte. */
const MAX_PEM_OCTETS = 16_777_216;

/** The demand with what the files hold. Throws with the path if one can't be read, or if they don't fit together. */
export function withTlsFiles(
  demand: TlsDemand,
  paths: HopTlsFiles | undefined,
  { files, connect }: { readonly files: Files; readonly connect: Connect },
): TlsDemand {
  if (paths === undefined) return demand;
  const { authorities, certificate, key } = paths;
  if ((certificate === undefined) !== (key === undefined))
    throw new Error('a certificate and its key have to be given together');
  const textOf = (path: string): string => {
    const text = files.readNow(path, { maxOctets: MAX_PEM_OCTETS });
    if (!text.includes('-----BEGIN ')) throw new Error(`${path}: holds nothing in PEM`);
    return text;
  };
  const read: Pick<TlsDemand, 'authorities' | 'certificate' | 'key'> = {
    ...(authorities !== undefined && { authorities: textOf(authorities) }),
    ...(certificate !== undefined && { certificate: textOf(certificate) }),
    ...(key !== undefined && { key: textOf(key) }),
  };
  try {
    connect.check(read);
  } catch (cause) {
    const named = [authorities, certificate, key].filter((path) => path !== undefined).join(', ');
    throw new Error(`${named}: ${(cause as Error).message}`, { cause });
  }
  return { ...demand, ...read };
}
