import { QpsmtpdError } from '../../../host/errors/error-classes.ts';
import { readSecrets } from '../web/secret-file.ts';

/** Octets of a signing key that can't be guessed; Standard Webhooks asks for 24. */
const MIN_KEY_OCTETS = 16;
/** How Standard Webhooks writes a key: the rest is base64. */
const ENCODED = /^whsec_([A-Za-z0-9+/]+={0,2})$/;

export interface WebhookCredentials {
  /** Value of the Authorization field. RFC 7617. */
  readonly authorization: string | undefined;
  readonly signingKey: Buffer | undefined;
}

/** Reads `username`, `password` and `signing_key`; without a file there are none. */
export function readCredentials(path: string | undefined): WebhookCredentials {
  if (path === undefined) return { authorization: undefined, signingKey: undefined };
  const secrets = readSecrets(path, ['username', 'password', 'signing_key']);
  const { username, password, signing_key: key } = secrets;
  if ((username === undefined) !== (password === undefined)) {
    throw new QpsmtpdError(
      'Q_PLUGIN_OPTION',
      `secrets: ${path} has one of username and password (write both)`,
    );
  }
  if (username?.includes(':') === true) {
    throw new QpsmtpdError(
      'Q_PLUGIN_OPTION',
      `secrets: ${path}: a colon in username (RFC 7617 has none there)`,
    );
  }
  const basic =
    username === undefined ? undefined : Buffer.from(`${username}:${password}`).toString('base64');
  return {
    authorization: basic === undefined ? undefined : `Basic ${basic}`,
    signingKey: key === undefined ? undefined : readKey(path, key),
  };
}

function readKey(path: string, text: string): Buffer {
  const encoded = ENCODED.exec(text)?.[1];
  const key = encoded === undefined ? Buffer.from(text) : Buffer.from(encoded, 'base64');
  if (key.length >= MIN_KEY_OCTETS) return key;
  throw new QpsmtpdError(
    'Q_PLUGIN_OPTION',
    `secrets: the signing_key of ${path} is too short (${MIN_KEY_OCTETS} octets or more)`,
  );
}
