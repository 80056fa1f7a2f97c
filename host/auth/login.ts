/** LOGIN: the user name and the password, asked for one after the other. It was never standardised. */

import { decodeText } from '../../bindings/wire/base64.ts';
import { PasswordCredentials } from './credentials.ts';
import { challenge, failure, found, type SaslServer, type Turn } from './mechanism.ts';
import { isUserName } from '../../bindings/wire/user-name.ts';

const USER_NAME = Buffer.from('Username:');
const PASSWORD = Buffer.from('Password:');

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
