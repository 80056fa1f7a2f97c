/** OAUTHBEARER and XOAUTH2: a user name and a token, which plugins judge. RFC 7628, RFC 6750 section 2.1. */

import { decodeText } from '../../bindings/wire/base64.ts';
import { TokenCredentials } from './credentials.ts';
import { challenge, failure, found, type SaslServer, type Turn } from './mechanism.ts';
import { isUserName } from '../../bindings/wire/user-name.ts';

const EMPTY = Buffer.alloc(0);

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
