/** The client's side of SASL mechanisms. RFC 4422. */

import { createHmac } from 'node:crypto';
import type { HopLogin } from './login-file.ts';
import { ScramClient } from './scram-client.ts';

/** One exchange. Throws an Error that says what is wrong with the hop's side of it, without secrets. */
export interface SaslClient {
  /** What goes out with AUTH; undefined where the hop speaks first. */
  readonly initial: Buffer | undefined;
  /** The answer to a challenge. */
  next(challenge: Buffer): Buffer | Promise<Buffer>;
  /** Throws if the hop has not shown what it had to. */
  finish?(): void;
}

/** RFC 4616. */
const plain = ({ user, password }: HopLogin): SaslClient => ({
  initial: Buffer.from(`\0${user}\0${password ?? ''}`),
  next: refuseChallenge,
});

/** Never standardized; the prompts are not to be relied on. */
function login({ user, password }: HopLogin): SaslClient {
  const answers = [user, password ?? ''];
  return { initial: undefined, next: () => Buffer.from(answers.shift() ?? refuseChallenge()) };
}

/** RFC 2195. */
const cramMd5 = ({ user, password }: HopLogin): SaslClient => ({
  initial: undefined,
  next: (challenge) =>
    Buffer.from(
      `${user} ${createHmac('md5', password ?? '')
        .update(challenge)
        .digest('hex')}`,
    ),
});

/** Google's and Microsoft's form of RFC 6750. A challenge explains a failure and wants nothing but an empty answer. */
const xoauth2 = ({ user, token }: HopLogin): SaslClient => ({
  initial: Buffer.from(`user=${user}\u0001auth=Bearer ${token ?? ''}\u0001\u0001`),
  next: () => Buffer.alloc(0),
});

function refuseChallenge(): never {
  throw new Error('a challenge that has no place here');
}

/** By name, the best first. */
const CLIENTS: ReadonlyMap<string, (login: HopLogin) => SaslClient> = new Map([
  ['SCRAM-SHA-256', (login: HopLogin): SaslClient => new ScramClient(login.user, login.password ?? '')],
  ['CRAM-MD5', cramMd5],
  ['PLAIN', plain],
  ['LOGIN', login],
  ['XOAUTH2', xoauth2],
]);

/** The mechanism to use of those `offered`, in upper case; undefined if none fits. */
export function chooseMechanism(
  offered: readonly string[],
  { token, mechanism }: HopLogin,
): { readonly name: string; readonly begin: (login: HopLogin) => SaslClient } | undefined {
  for (const [name, begin] of CLIENTS) {
    const fits = (name === 'XOAUTH2') === (token !== undefined) && (mechanism ?? name) === name;
    if (fits && offered.includes(name)) return { name, begin };
  }
  return undefined;
}
