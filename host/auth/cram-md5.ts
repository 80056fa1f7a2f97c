/** CRAM-MD5: the password stays with the client, a keyed digest of our ticket comes. RFC 2195. */

import { decodeText } from '../../bindings/wire/base64.ts';
import { DigestCredentials } from './credentials.ts';
import { challenge, failure, found, type SaslServer, type Surroundings, type Turn } from './mechanism.ts';
import { isUserName } from '../../bindings/wire/user-name.ts';

export class CramMd5 implements SaslServer {
  readonly #ticket: string;

  constructor({ me, seconds, nonce }: Surroundings) {
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
