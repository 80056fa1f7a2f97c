/** AUTH at a hop, with the login of a file. RFC 4954 section 4. */

import type { Files } from '../../../bindings/plugin/index.ts';
import { decodeBase64 } from '../../../bindings/wire/base64.ts';
import type { HopConnection } from './hop-connection.ts';
import { HopFault, hopReplies, printReply } from './hop-replies.ts';
import { chooseMechanism, type HopLogin, type SaslClient } from './sasl-clients.ts';

/** Challenges of one exchange: no mechanism needs more than two. */
const MAX_TURNS = 4;

export interface LoginOptions {
  /** Reads the file, anew for each connection: tokens live for an hour. Throws with what is wrong with it. */
  readonly read: () => HopLogin;
  readonly allowsClear: boolean;
  readonly timeoutMs: number;
}

/** Rejects with a `HopFault` if the hop does not let us in. What was said is in no log. */
export async function logIn(
  connection: HopConnection,
  { read, allowsClear, timeoutMs }: LoginOptions,
): Promise<void> {
  const fail = (detail: string): never => {
    throw new HopFault('login', hopReplies.loginFailed, `AUTH: ${detail}`);
  };
  // Anybody on the way could read the password, or have STARTTLS vanish to get it (downgrade).
  if (!connection.isSecure && !allowsClear && connection.host.path === undefined) {
    return fail('no password is said in the clear');
  }
  const login = readAnew(read, fail);
  const offered = (connection.extensions.get('AUTH') ?? '').toUpperCase().split(/ +/);
  const mechanism =
    chooseMechanism(offered, login) ?? fail(`no mechanism fits what is offered: ${offered.join(' ')}`);
  const client = mechanism.begin(login);
  const initial = client.initial === undefined ? '' : ` ${client.initial.toString('base64') || '='}`;
  let reply = await connection.say(`AUTH ${mechanism.name}${initial}`, 'login', timeoutMs);
  for (let turn = 0; reply.code === 334 && turn < MAX_TURNS; turn++) {
    reply = await connection.say(await answerTo(client, reply.lines[0] ?? ''), 'login', timeoutMs);
  }
  if (reply.code !== 235) return fail(withoutSecrets(printReply(reply), login));
  try {
    await finish(client, reply.lines[0] ?? '');
  } catch (cause) {
    fail((cause as Error).message);
  }
}

/** It was read when the daemon started; a change since then may be a mistake. */
function readAnew(read: () => HopLogin, fail: (detail: string) => never): HopLogin {
  try {
    return read();
  } catch (cause) {
    return fail((cause as Error).message);
  }
}

/** A hop may repeat what it does not like. */
function withoutSecrets(text: string, { password, token }: HopLogin): string {
  const secret = password ?? token ?? '';
  return text.replaceAll(secret, '[hidden]').replace(/[A-Za-z0-9+/]{12,}=*/g, '[hidden]');
}

/** A challenge that cannot be answered is answered by `*`, which cancels. */
async function answerTo(client: SaslClient, text: string): Promise<string> {
  const challenge = decodeBase64(text) ?? Buffer.alloc(0);
  try {
    return (await client.next(challenge)).toString('base64');
  } catch {
    return '*';
  }
}

/** The last challenge of the hop may come with its consent. RFC 4954 section 4. */
async function finish(client: SaslClient, text: string): Promise<void> {
  const last = /^v=/.test(decodeBase64(text)?.toString() ?? '') ? decodeBase64(text) : undefined;
  if (last !== undefined) await client.next(last);
  client.finish?.();
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
