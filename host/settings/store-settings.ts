/** Where the state of plugins is kept. */

import { parseStoreLocation, type StoreLocation } from './store-location.ts';
import { directoryPath, text } from './setting-kinds.ts';

const AT_START = 'start, SIGHUP';

export const STORE_SETTINGS = {
  /** Undefined: the embedded store in `storeDirectory`. */
  store: text<StoreLocation | undefined>(
    {
      file: 'store',
      about:
        'Where plugins keep what outlives a connection: `lmdb:DIRECTORY`, or `redis://HOST:PORT/DATABASE` for several machines.',
      takesEffect: AT_START,
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
      form: 'path',
      otherwise: '`qpsmtpd-store-UID` beside `spool_dir`',
    },
    directoryPath,
    () => undefined,
  ),
};
