/** A message as the records cleanup(8) takes. */

import type { NotifyEvent, MailObject, Recipient } from '../../../bindings/plugin/index.ts';
import { attributes, record, RecordType } from './records.ts';

/** CLEANUP_FLAG_SMTPUTF8: addresses and header fields hold UTF-8. RFC 6531. */
const FLAG_SMTPUTF8 = 256;
/** Longer lines become several records. */
const MAX_LINE = 1_024;
const LF = 10;

/** The flags and all records up to the last. `nowMs` is when the message came. */
export async function* cleanupMessage(mail: MailObject, flags: number, nowMs: number): AsyncIterable<Buffer> {
  const { recipients, mailOptions, message } = mail;
  yield attributes({ flags: mailOptions.isUtf8 ? flags | FLAG_SMTPUTF8 : flags });
  yield Buffer.concat([...senderRecords(mail, nowMs)]);
  for (const recipient of recipients) yield Buffer.concat([...recipientRecords(recipient)]);
  yield record(RecordType.CONTENT);
  const lines = new LineRecords();
  for await (const block of message.blocks('lf')) {
    const records = lines.take(block);
    if (records.length > 0) yield records;
  }
  yield Buffer.concat([lines.end(), record(RecordType.EXTRACTED), record(RecordType.END)]);
}

function* senderRecords({ reversePath, mailOptions, client }: MailObject, nowMs: number): Iterable<Buffer> {
  const { ret, envid, body } = mailOptions;
  yield record(RecordType.TIME, String(Math.floor(nowMs / 1_000)));
  yield record(RecordType.FROM, reversePath.mailbox);
  if (client !== undefined) {
    yield* attribute('log_client_name', client.host ?? 'unknown');
    yield* attribute('log_client_address', client.ip);
    yield* attribute('log_client_port', String(client.port));
    yield* attribute('log_helo_name', client.helloHost);
    yield* attribute('log_protocol_name', client.protocol);
  }
  if (body === '8bitmime') yield* attribute('encoding', '8bit');
  yield* attribute('envelope_id', envid);
  if (ret !== undefined) yield* attribute('ret_flags', ret === 'full' ? '1' : '2');
}

const NOTIFY_BITS: Readonly<Record<NotifyEvent, number>> = { never: 1, success: 2, failure: 4, delay: 8 };

/** What the sender wants to know of this recipient stands before it. RFC 3461. */
function* recipientRecords({ address, options }: Recipient): Iterable<Buffer> {
  const original = options?.originalRecipient;
  if (original !== undefined) yield* attribute('dsn_orig_rcpt', `${original.type};${original.address}`);
  const notify = options?.notify;
  if (notify !== undefined && notify.length > 0) {
    const bits = notify.reduce((sum, event) => sum | NOTIFY_BITS[event], 0);
    yield* attribute('notify_flags', String(bits));
  }
  yield record(RecordType.RECIPIENT, address.mailbox);
}

/** Left out where there is nothing to say, or where it would not be one line of printable characters. */
function* attribute(name: string, value: string | undefined): Iterable<Buffer> {
  if (value !== undefined && /^[ -~]{1,512}$/.test(value))
    yield record(RecordType.ATTRIBUTE, `${name}=${value}`);
}

/** Makes records of lines, wherever the blocks part them. */
class LineRecords {
  /** The beginning of a line, never `MAX_LINE` octets or more. */
  #begun = Buffer.alloc(0);

  take(block: Buffer): Buffer {
    const records: Buffer[] = [];
    let start = 0;
    for (let end = block.indexOf(LF); end !== -1; end = block.indexOf(LF, start)) {
      this.#add(block.subarray(start, end), records);
      records.push(record(RecordType.LINE, this.#begun));
      this.#begun = EMPTY;
      start = end + 1;
    }
    this.#add(block.subarray(start), records);
    return Buffer.concat(records);
  }

  /** A last line without its end. */
  end(): Buffer {
    return this.#begun.length === 0 ? EMPTY : record(RecordType.LINE, this.#begun);
  }

  #add(part: Buffer, records: Buffer[]): void {
    let rest = this.#begun.length === 0 ? part : Buffer.concat([this.#begun, part]);
    for (; rest.length > MAX_LINE; rest = rest.subarray(MAX_LINE)) {
      records.push(record(RecordType.CONTINUED, rest.subarray(0, MAX_LINE)));
    }
    this.#begun = Buffer.from(rest);
  }
}

const EMPTY = Buffer.alloc(0);
