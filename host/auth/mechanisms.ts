/**
 * The mechanisms, one row each, in the order in which EHLO lists them.
 *
 * OAUTHBEARER and XOAUTH2: a user name and a token, which plugins judge. RFC 7628, RFC 6750 section 2.1.
 *
 * The mechanisms whose clients know a password: PLAIN, LOGIN and CRAM-MD5.
 */

import type { AuthHookName } from '../../bindings/plugin/hooks.ts';
import { type SaslServer, type MechanismContext, challenge, failure, found, type Turn } from './mechanism.ts';
import { ScramSha256 } from './scram-sha-256.ts';
import { decodeText } from '../../bindings/wire/base64.ts';
import { TokenCredentials, DigestCredentials, PasswordCredentials } from './credentials.ts';
import { isUserName } from '../../bindings/wire/sasl-prep.ts';

const EMPTY = Buffer.alloc(0);

/** One response with everything in it. RFC 4616. */
export class Plain implements SaslServer {
  start(initial: Buffer | undefined): Turn {
    return initial === undefined ? challenge(EMPTY) : this.next(initial);
  }

  /** `[authzid] NUL authcid NUL passwd`. Acting for another user is not allowed. */
  next(response: Buffer): Turn {
    const parts = decodeText(response)?.split('\0') ?? [];
    const [actsFor = '', user = '', password = ''] = parts;
    if (parts.length !== 3) return failure('invalid');
    if (user === '' && isUserName(actsFor)) return failure('nobody acts', actsFor);
    if (!isUserName(user)) return failure('invalid');
    if (actsFor !== '' && actsFor !== user) return failure('acts for another', user);
    return found(new PasswordCredentials(user, password));
  }
}

const USER_NAME = Buffer.from('Username:');
const PASSWORD = Buffer.from('Password:');

/** The user name and the password, asked for one after the other. It was never standardised. */
export class Login implements SaslServer {
  #user: string | undefined;

  /** Some clients send the user name along with AUTH. */
  start(initial: Buffer | undefined): Turn {
    return initial === undefined ? challenge(USER_NAME) : this.next(initial);
  }

  next(response: Buffer): Turn {
    const text = decodeText(response);
    if (text === undefined) return failure('invalid');
    if (this.#user !== undefined) return found(new PasswordCredentials(this.#user, text));
    if (!isUserName(text)) return failure('invalid');
    this.#user = text;
    return challenge(PASSWORD);
  }
}

/** The password stays with the client; what comes is a keyed digest of our challenge. RFC 2195. */
export class CramMd5 implements SaslServer {
  readonly #ticket: string;

  constructor({ me, seconds, nonce }: MechanismContext) {
    this.#ticket = `<${nonce()}.${seconds.toString(16)}@${me}>`;
  }

  /** The server speaks first, so there is no initial response (RFC 4954 section 4). */
  start(initial: Buffer | undefined): Turn {
    if (initial !== undefined) return failure('initial response');
    return challenge(Buffer.from(this.#ticket));
  }

  /** `USER DIGEST`; the name may have blanks. */
  next(response: Buffer): Turn {
    const [, user = '', digest = ''] = /^(.*) ([0-9a-fA-F]{32})$/s.exec(decodeText(response) ?? '') ?? [];
    if (!isUserName(user)) return failure('malformed');
    return found(new DigestCredentials(user, this.#ticket, digest.toLowerCase()));
  }
}

/** One of the two, which differ in how the user is named and how a refusal is told. */
interface Dialect {
  /** Has the groups `user` and `rest`; the rest is `key=value` pairs, each after a Control-A. */
  readonly message: RegExp;
  /** `=2C` in the name is a comma, `=3D` an equals sign. */
  readonly isEscaped: boolean;
  readonly refusal: Buffer;
}

export const oauthBearer: Dialect = {
  message: /^[ny],a=(?<user>[^,]+),(?<rest>\u0001.*)\u0001\u0001$/s,
  isEscaped: true,
  refusal: Buffer.from('{"status":"invalid_token"}'),
};

export const xoauth2: Dialect = {
  message: /^user=(?<user>[^\u0001]+)(?<rest>\u0001.*)\u0001\u0001$/s,
  isEscaped: false,
  refusal: Buffer.from('{"status":"401","schemes":"bearer"}'),
};

export class Bearer implements SaslServer {
  readonly #dialect: Dialect;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
  }

  start(initial: Buffer | undefined): Turn {
    return initial === undefined ? challenge(EMPTY) : this.next(initial);
  }

  next(response: Buffer): Turn {
    const { message, isEscaped } = this.#dialect;
    const { user = '', rest = '' } = message.exec(decodeText(response) ?? '')?.groups ?? {};
    const [, token] = /\u0001auth=bearer +([A-Za-z0-9._~+/-]+=*)(?:\u0001|$)/i.exec(rest) ?? [];
    const name = isEscaped ? user.replaceAll('=2C', ',').replaceAll('=3D', '=') : user;
    if (token === undefined || !isUserName(name)) return failure('invalid');
    return found(new TokenCredentials(name, token));
  }

  /** A refusal is told in JSON, which the client has to answer before it hears the reply. RFC 7628 section 3.2.3. */
  conclude(isAccepted: boolean): Buffer | undefined {
    return isAccepted ? undefined : this.#dialect.refusal;
  }
}

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
