/** PLAIN: one response with everything in it. RFC 4616. */

import { replies } from '../session/replies.ts';
import { decodeText } from './base64.ts';
import { PasswordCredentials } from './credentials.ts';
import { challenge, failure, found, type Machine, type Turn } from './mechanism.ts';
import { isUserName } from './user-name.ts';

const EMPTY = Buffer.alloc(0);

export class Plain implements Machine {
  start(initial: Buffer | undefined): Turn {
    return initial === undefined ? challenge(EMPTY) : this.next(initial);
  }

  /** `[authzid] NUL authcid NUL passwd`. Nobody may act for somebody else here. */
  next(response: Buffer): Turn {
    const parts = decodeText(response)?.split('\0') ?? [];
    const [actsFor = '', user = '', password = ''] = parts;
    if (parts.length !== 3) return failure(replies.authInvalid);
    if (user === '' && isUserName(actsFor)) return failure(replies.authInvalidAs, actsFor);
    if (!isUserName(user)) return failure(replies.authInvalid);
    if (actsFor !== '' && actsFor !== user) return failure(replies.authInvalidFor, user);
    return found(new PasswordCredentials(user, password));
  }
}
