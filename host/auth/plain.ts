/** PLAIN: one response with everything in it. RFC 4616. */

import { decodeText } from '../../bindings/wire/base64.ts';
import { PasswordCredentials } from './credentials.ts';
import { challenge, failure, found, type SaslServer, type Turn } from './mechanism.ts';
import { isUserName } from '../../bindings/wire/user-name.ts';

const EMPTY = Buffer.alloc(0);

export class Plain implements SaslServer {
  start(initial: Buffer | undefined): Turn {
    return initial === undefined ? challenge(EMPTY) : this.next(initial);
  }

  /** `[authzid] NUL authcid NUL passwd`. Nobody may act for somebody else here. */
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
