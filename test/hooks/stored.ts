/** A transaction whose message is a real one, as plugins see it at the end of data. */

import type { Transaction } from '../../bindings/plugin/index.ts';
import { StoredMessage } from '../../host/message/stored-message.ts';
import { core } from '../message/core.ts';
import { address, freshTransaction } from './plugin-context.ts';

const KEEP_IN_MEMORY = { sizeThreshold: Number.POSITIVE_INFINITY, spool: undefined };

export interface Envelope {
  readonly from?: string;
  readonly to?: readonly string[];
}

/** `text` is the content with CRLF line ends. */
export function transactionWith(text: string, { from, to = [] }: Envelope = {}): Transaction {
  const message = new StoredMessage(core, KEEP_IN_MEMORY);
  message.content.append(Buffer.from(text, 'latin1'));
  void message.complete(0, 0);
  return {
    ...freshTransaction(),
    reversePath: from === undefined ? undefined : address(from),
    recipients: to.map((path) => ({ address: address(path), parameters: new Map<string, string>() })),
    message,
  };
}

/** The header as it would be delivered. */
export function headerOf({ message }: Transaction): string {
  const text = Buffer.concat([...(message.blocks('crlf') as Iterable<Buffer>)]).toString('latin1');
  return text.slice(0, text.indexOf('\r\n\r\n') + 2);
}
