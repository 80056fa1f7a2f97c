/**
 * Where the state of plugins is kept.
 *
 * Where a store is: a directory of this machine, or a Redis server that several machines share.
 */

import { dirname, join } from 'node:path';
import { directoryPath, text } from './setting-kinds.ts';
import { requirePackage } from '../package/optional-package.ts';

export type StoreLocation =
  | { readonly kind: 'lmdb'; readonly directory: string }
  | { readonly kind: 'redis'; readonly url: string; readonly toJSON: () => string };

/**
 * Reads `lmdb:DIRECTORY` or `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]` (`rediss:` for TLS). Throws an Error otherwise,
 * and for Redis without its client package: here it is known which line asks for it.
 */
export function parseStoreLocation(text: string): StoreLocation {
  if (/^lmdb:./.test(text)) return { kind: 'lmdb', directory: directoryPath(text.slice('lmdb:'.length)) };
  if (!/^rediss?:\/\//.test(text)) {
    throw new Error(`'${maskPassword(text)}' is neither lmdb:DIRECTORY nor redis://HOST:PORT/DATABASE`);
  }
  checkUrl(text);
  requirePackage('@redis/client');
  return { kind: 'redis', url: text, toJSON: () => maskPassword(text) };
}

function checkUrl(text: string): void {
  const refuse = (problem: string): never => {
    throw new Error(`'${maskPassword(text)}' ${problem}; write redis://HOST:PORT/DATABASE`);
  };
  if (!URL.canParse(text)) refuse('is no URL');
  const { hostname, pathname, search, hash } = new URL(text);
  if (hostname === '') refuse('names no host');
  if (!/^(?:|\/\d{0,4})$/.test(pathname)) refuse('names a database that is no number');
  if (search !== '' || hash !== '') refuse('has more parts than are understood');
}

/** For logs and errors: a URL may hold a password. */
export const maskPassword = (text: string): string => text.replace(/\/\/\S*@/, '//***@');

export const printStoreLocation = (location: StoreLocation): string =>
  location.kind === 'lmdb' ? `lmdb:${location.directory}` : maskPassword(location.url);

/** What the settings say: the file `store`, else the directory of `store_dir`, else one beside the spool. */
export function storeLocationOf(settings: {
  readonly store: StoreLocation | undefined;
  readonly storeDirectory: string | undefined;
  readonly spoolDirectory: string;
}): StoreLocation {
  if (settings.store !== undefined) return settings.store;
  const beside = join(dirname(settings.spoolDirectory), `qpsmtpd-store-${process.getuid?.() ?? 'user'}`);
  return { kind: 'lmdb', directory: settings.storeDirectory ?? beside };
}

const AT_START = 'start, SIGHUP';

export const STORE_SETTINGS = {
  /** Undefined: the embedded store in `storeDirectory`. */
  store: text<StoreLocation | undefined>(
    {
      file: 'store',
      about:
        'Where plugins keep what outlives a connection: `lmdb:DIRECTORY`, or `redis://HOST:PORT/DATABASE` for several machines.',
      takesEffect: AT_START,
      isOfProcess: true,
      form: 'place of a store',
      otherwise: '`lmdb:` and `store_dir`',
    },
    parseStoreLocation,
    () => undefined,
  ),
  /** Undefined: beside the spool. */
  storeDirectory: text<string | undefined>(
    {
      file: 'store_dir',
      about: 'Directory of the embedded store, made with mode 0700 when a plugin first needs it.',
      takesEffect: AT_START,
      isOfProcess: true,
      form: 'path',
      otherwise: '`qpsmtpd-store-UID` beside `spool_dir`',
    },
    directoryPath,
    () => undefined,
  ),
};
