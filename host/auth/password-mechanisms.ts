/** The mechanisms whose clients know a password: PLAIN, LOGIN and CRAM-MD5. */

import { decodeText } from '../../bindings/wire/base64.ts';
import { isUserName } from '../../bindings/wire/user-name.ts';
import { DigestCredentials, PasswordCredentials } from './credentials.ts';
import { challenge, failure, found, type SaslServer, type MechanismContext, type Turn } from './mechanism.ts';

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
