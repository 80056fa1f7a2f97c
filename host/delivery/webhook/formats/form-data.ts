/** Bodies of the type multipart/form-data. RFC 7578. */

import { randomBytes } from 'node:crypto';
import type { RequestBody } from '../request-body.ts';

export type FormField = readonly [
  name: string,
  value: string | (() => AsyncIterable<Buffer> | Iterable<Buffer>),
];

/**
 * A form of the fields, in their order. The boundary is random: a sender who could tell it would end the field with the
 * message early and add fields of his own (another recipient, say).
 */
export function formOf(fields: readonly FormField[]): RequestBody {
  const boundary = `qpsmtpd-${randomBytes(24).toString('hex')}`;
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    async *blocks() {
      for (const [name, value] of fields) {
        yield Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`);
        if (typeof value === 'string') yield Buffer.from(value);
        else yield* value();
        yield Buffer.from('\r\n');
      }
      yield Buffer.from(`--${boundary}--\r\n`);
    },
  };
}
