/** Where a service is, and whether a message may go there. */

import { isLoopback } from '../../../bindings/lists/client-ranges.ts';
import { QpsmtpdError } from '../../../host/errors/error-classes.ts';

/** The two schemes of a protocol, with their colons. */
export interface Schemes {
  readonly plain: string;
  readonly encrypted: string;
}

export interface ServiceUrl {
  readonly url: URL;
  /** Name or address, without brackets. */
  readonly host: string;
  /** Undefined: the scheme's own. */
  readonly port: number | undefined;
  readonly isEncrypted: boolean;
  /** What is sent can't be read on the way: TLS, or the way never leaves this host. */
  readonly isPrivate: boolean;
  /** Host and port, for the log: path and query of a webhook are secrets often enough. */
  readonly label: string;
}

/**
 * Reads a URL from a plugin's line; throws with a remedy. Without TLS only this host may be reached, unless
 * `isPlainAllowed`: anybody on the way could read the mail and the password, and use the latter.
 */
export function readServiceUrl(text: string, schemes: Schemes, isPlainAllowed: boolean): ServiceUrl {
  const url = parse(text);
  const isEncrypted = url.protocol === schemes.encrypted;
  if (!isEncrypted && url.protocol !== schemes.plain) {
    throw refusal(`begin it with ${schemes.encrypted}//`);
  }
  if (url.username !== '' || url.password !== '') {
    throw refusal('put user and password into the file that `secrets` names, which others can not read');
  }
  if (url.hash !== '') throw refusal('leave out what begins with #');
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host === '') throw refusal('name a host');
  const isHere = host === 'localhost' || isLoopback(host);
  if (!isEncrypted && !isHere && !isPlainAllowed) {
    throw refusal(`without TLS only for loopback: use ${schemes.encrypted}//, or say \`insecure yes\``);
  }
  const port = url.port === '' ? undefined : Number(url.port);
  const label = port === undefined ? host : `${host}:${port}`;
  return { url, host, port, isEncrypted, isPrivate: isEncrypted || isHere, label };
}

function parse(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw refusal('write it as scheme://host:port/path');
  }
}

/** The URL itself is not repeated: its query may be a password. */
const refusal = (remedy: string): QpsmtpdError =>
  new QpsmtpdError('Q_PLUGIN_OPTION', `url: can't be used (${remedy})`);
