import { createHmac } from 'node:crypto';
import type { MailObject, Recipient } from '../../../../bindings/plugin/index.ts';
import type { MimeReader } from './mime-reader.ts';

/** A message for some of its recipients: what one request carries. */
export interface Share {
  readonly mail: MailObject;
  readonly recipients: readonly Recipient[];
}

export interface RequestBody {
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** The same octets each time it is called: once to measure and sign them, once to send them. */
  blocks(): AsyncIterable<Buffer> | Iterable<Buffer>;
}

/** What formats need that is no part of the message. */
export interface Seal {
  readonly key: Buffer | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly mime: MimeReader;
  readonly signal: AbortSignal;
}

export interface MeasuredBody {
  readonly octets: number;
  /** Base64 of HMAC-SHA256; undefined without a key. */
  readonly signature: string | undefined;
}

/** Reads a body once: its length goes in front of it, and so does the signature over `prefix` and the body. */
export async function measure(
  body: RequestBody,
  key: Buffer | undefined,
  prefix: string,
): Promise<MeasuredBody> {
  const hmac = key === undefined ? undefined : createHmac('sha256', key).update(prefix);
  let octets = 0;
  for await (const block of body.blocks()) {
    octets += block.length;
    hmac?.update(block);
  }
  return { octets, signature: hmac?.digest('base64') };
}

/** A path without brackets, fit for one line: a line end in it would begin another field. */
export const pathText = ({ address }: Pick<Recipient, 'address'>): string =>
  address
    .toString()
    .slice(1, -1)
    .replace(/[\u0000-\u001f\u007f]/g, '?');
