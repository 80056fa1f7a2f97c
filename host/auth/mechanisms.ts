/** The mechanisms, one row each, in the order in which EHLO lists them. */

import type { AuthHookName } from '../../bindings/plugin/hooks.ts';
import { Bearer, oauthBearer, xoauth2 } from './bearer.ts';
import { CramMd5, Login, Plain } from './password-mechanisms.ts';
import type { SaslServer, MechanismContext } from './mechanism.ts';
import { ScramSha256 } from './scram-sha-256.ts';

export interface Mechanism {
  /** As EHLO lists it. */
  readonly name: string;
  /** As plugins and the header have it. */
  readonly lowerName: string;
  readonly hook: AuthHookName;
  /** A plugin with the hook `auth` is enough to offer it; otherwise one must have the mechanism's own hook. */
  readonly isCoveredByAuth: boolean;
  begin(context: MechanismContext): SaslServer;
}

function row(
  name: string,
  hook: AuthHookName,
  isCoveredByAuth: boolean,
  begin: Mechanism['begin'],
): Mechanism {
  return { name, lowerName: name.toLowerCase(), hook, isCoveredByAuth, begin };
}

/**
 * First qpsmtpd's own in its order. Those it does not have come last: a client that takes the first it knows goes on
 * using the one it used.
 */
export const mechanisms: readonly Mechanism[] = [
  row('CRAM-MD5', 'auth-cram-md5', true, (context) => new CramMd5(context)),
  row('LOGIN', 'auth-login', true, () => new Login()),
  row('PLAIN', 'auth-plain', true, () => new Plain()),
  row('SCRAM-SHA-256', 'auth-scram-sha-256', false, (context) => new ScramSha256(context)),
  row('OAUTHBEARER', 'auth-oauthbearer', false, () => new Bearer(oauthBearer)),
  row('XOAUTH2', 'auth-xoauth2', false, () => new Bearer(xoauth2)),
];
