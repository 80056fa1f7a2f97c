/** A service at a URL: where it is, whether a message may go there, and what proves that we may bring it. */

import { isLoopback } from '../../../bindings/lists/index.ts';
import type { Files } from '../../../bindings/plugin/index.ts';

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
const refusal = (remedy: string): Error => new Error(`url: can't be used (${remedy})`);

/** PEM of the authorities that a service is trusted by; undefined if no file is named: the system's. */
export const readAuthorities = (files: Files, path: string | undefined): string | undefined =>
  path === undefined ? undefined : files.readNow(path, { maxOctets: MAX_AUTHORITIES_OCTETS });

/** All authorities that systems come with are a fifth of that. */
const MAX_AUTHORITIES_OCTETS = 1_048_576;

/**
 * Reads `key=value` lines of a file with passwords and keys; blank ones and those with `#` in front are comments. Without a
 * file there are none. Errors name the file and never what it holds.
 */
export function readSecrets<K extends string>(
  files: Files,
  path: string | undefined,
  keys: readonly K[],
): Partial<Record<K, string>> {
  if (path === undefined) return {};
  const refuse = (problem: string, remedy: string): never => {
    throw new Error(`secrets: ${path} ${problem} (${remedy})`);
  };
  const secrets: Partial<Record<K, string>> = {};
  files
    .readSecret(path)
    .split('\n')
    .map((line) => line.trim())
    .forEach((line, index) => {
      if (line === '' || line.startsWith('#')) return;
      const equals = line.indexOf('=');
      const key = keys.find((known) => known === line.slice(0, equals).trim());
      const value = line.slice(equals + 1).trim();
      if (key === undefined)
        return refuse(`line ${index + 1} has no known key`, `it takes ${keys.join(', ')}`);
      if (value === '') return refuse(`line ${index + 1} has no value`, `write ${key}=VALUE`);
      if (/[\u0000-\u001f\u007f]/.test(value))
        return refuse(`line ${index + 1} has control characters`, 'none');
      if (secrets[key] !== undefined) return refuse(`has ${key} twice`, 'leave one of them out');
      secrets[key] = value;
    });
  return secrets;
}

/** A login has both, or there is none. */
export function checkLogin(
  path: string | undefined,
  { username, password }: { readonly username?: string; readonly password?: string },
): void {
  if ((username === undefined) !== (password === undefined))
    throw new Error(`secrets: ${path} has one of username and password (write both)`);
}
