/** The file with what a hop wants to know before it takes mail. */

import type { Files } from '../../../bindings/plugin/index.ts';

export interface HopLogin {
  readonly user: string;
  /** Undefined if there is a token. */
  readonly password: string | undefined;
  /** For XOAUTH2. */
  readonly token: string | undefined;
  /** The only mechanism to use, in upper case; undefined: the best that is offered. */
  readonly mechanism: string | undefined;
}

const KEYS = ['user', 'password', 'token', 'mechanism'] as const;
type Key = (typeof KEYS)[number];

/**
 * Reads lines `user NAME`, `password SECRET` or `token TOKEN`, and perhaps `mechanism NAME`; `#` begins a comment line. Throws
 * with the path and what to do if something is wrong; the message never quotes the file.
 */
export function readLoginFile(path: string, files: Pick<Files, 'readSecret'>): HopLogin {
  const fail = (problem: string): never => {
    throw new Error(`${path}: ${problem}`);
  };
  const found = new Map<Key, string>();
  for (const [index, line] of files.readSecret(path).split(/\r?\n/).entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const [, key = '', value = ''] = /^(\S+)\s+(\S.*)$/.exec(line.trim()) ?? [];
    const known = KEYS.find((name) => name === key);
    if (known === undefined || found.has(known) || /[\u0000-\u001f\u007f]/.test(value)) {
      return fail(
        `line ${index + 1}: there has to be one each of \`user\`, \`password\` or \`token\`, \`mechanism\``,
      );
    }
    found.set(known, value);
  }
  const user = found.get('user') ?? fail('there is no line `user NAME`');
  const password = found.get('password');
  const token = found.get('token');
  if ((password === undefined) === (token === undefined)) {
    return fail('there has to be a line `password SECRET` or a line `token TOKEN`');
  }
  return { user, password, token, mechanism: found.get('mechanism')?.toUpperCase() };
}
