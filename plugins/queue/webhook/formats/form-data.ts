/** Bodies of the type multipart/form-data. RFC 7578. */

import { randomBytes } from 'node:crypto';
import type { Message } from '../../../../bindings/plugin/message.ts';
import type { RequestBody } from './request-body.ts';

export type FormField = readonly [name: string, value: string | MessageValue];

export interface MessageValue {
  readonly message: Message;
  readonly isUtf8: boolean;
}

/** The message as the value of a field. Reads it once if it may not be UTF-8. */
export async function messageValue(message: Message): Promise<MessageValue> {
  return { message, isUtf8: !message.hasEightBit || (await isUtf8(message)) };
}

async function isUtf8(message: Message): Promise<boolean> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const block of message.blocks('crlf')) decoder.decode(block, { stream: true });
    decoder.decode();
    return true;
  } catch (cause) {
    if (cause instanceof TypeError) return false;
    throw cause;
  }
}

/** Receivers refuse a form with octets that are no UTF-8, unless they are told what else they are. RFC 7578 section 5.1.2. */
const typeOf = (value: FormField[1]): string =>
  typeof value === 'string' || value.isUtf8 ? '' : 'Content-Type: text/plain; charset=iso-8859-1\r\n';

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
        yield Buffer.from(
          `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n${typeOf(value)}\r\n`,
        );
        if (typeof value === 'string') yield Buffer.from(value);
        else yield* value.message.blocks('crlf');
        yield Buffer.from('\r\n');
      }
      yield Buffer.from(`--${boundary}--\r\n`);
    },
  };
}
