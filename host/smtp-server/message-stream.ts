/**
 * DATA of the facade. The program reads the message while it comes, and the client is not read from while the program is slower. One
 * that never reads keeps no more than the stream's own buffer, until the client's time is up.
 */

import { PassThrough } from 'node:stream';
import { handOver } from '../session/data.ts';
import type { Session } from '../session/session.ts';
import { COMMAND, STOP, type DialogueMode, type Outcome, type Progress } from '../session/steps.ts';
import type { SMTPConnection } from './connection.ts';
import type { SMTPServerDataResult, SMTPServerDataStream, SMTPServerError } from './types.ts';

class DataStream extends PassThrough implements SMTPServerDataStream {
  byteLength = 0;
  sizeExceeded = false;
}

type Answer = readonly [
  error: Error | null | undefined,
  message: string | SMTPServerDataResult[] | undefined,
];

export function data(connection: SMTPConnection): Progress {
  const { server, session, engine } = connection;
  if (session.envelope.rcptTo.length === 0) return connection.send(503, 'Error: need RCPT command');
  const slot = engine.host.core.openData();
  // As many messages arrive at once as the core can follow.
  if (slot === 0) return connection.send(451, 'Error: too many messages at a time, try again later');
  const message = new MessageStream(connection, slot);
  connection.message = message;
  engine.mode = message;
  try {
    const answer = (error?: Error | null, text?: string | SMTPServerDataResult[]): void =>
      message.answer(error, text);
    const returned: unknown = server.onData(message.stream, session, answer);
    if (returned instanceof Promise)
      returned.catch((thrown: unknown) =>
        answer(thrown instanceof Error ? thrown : new Error(String(thrown))),
      );
  } catch (thrown) {
    connection.message = undefined;
    message.abandon();
    engine.mode = COMMAND;
    throw thrown;
  }
  return connection.send(354, 'End data with <CR><LF>.<CR><LF>');
}

/** Is the input mode while the content comes. */
export class MessageStream implements DialogueMode {
  readonly kind = 'dialogue';
  readonly stream = new DataStream();
  readonly #connection: SMTPConnection;
  #slot: number;
  /** The content has come to its end. */
  #isWhole = false;
  #answer: Answer | undefined;
  #resume: ((outcome: Outcome) => void) | undefined;
  /** The stream wants no more for now. */
  #isFull = false;

  constructor(connection: SMTPConnection, slot: number) {
    this.#connection = connection;
    this.#slot = slot;
  }

  /** The client's octets go to the stream; the dots of dot-stuffing do not. RFC 5321 section 4.5.2. */
  read(session: Session, chunk: Buffer, from: number): number {
    const { core } = session.host;
    const isEnd = core.data(this.#slot, chunk, from);
    const next = from + core.consumed;
    this.#count(core.dataOctets(this.#slot));
    handOver(session, this, chunk, from);
    if (isEnd) {
      this.#isWhole = true;
      this.#giveBack();
      session.mode = COMMAND;
      this.stream.end();
      session.run([() => this.#reply()]);
    } else if (this.#isFull && !this.stream.destroyed) {
      this.#hold(session);
    }
    return next;
  }

  /** Octets of the content; those that are lent change afterwards. */
  append(block: Buffer, isLent = false): void {
    if (this.stream.destroyed || !this.stream.writable) return;
    this.#isFull = !this.stream.write(isLent ? Buffer.from(block) : block);
  }

  #count(octets: number): void {
    const { stream } = this;
    const { size } = this.#connection.server.options;
    stream.byteLength = octets;
    if (size && octets > size) stream.sizeExceeded = true;
  }

  /** The client cannot send meanwhile; its time goes on, or a program that never reads would keep it for ever. */
  #hold(session: Session): void {
    const { stream } = this;
    const taken = new Promise<void>((resolve) => {
      const go = (): void => {
        stream.off('drain', go).off('close', go);
        this.#isFull = false;
        resolve();
      };
      stream.on('drain', go).on('close', go);
    });
    session.holdInput(taken);
    session.deadlineAt = this.#connection.nextDeadline();
  }

  /** What the program says of the message. The first time counts. */
  answer(error: Error | null | undefined, text: string | SMTPServerDataResult[] | undefined): void {
    if (this.#answer !== undefined) return;
    this.#answer = [error, text];
    // A program that has made up its mind need not read the rest.
    if (this.stream.readable && this.stream.readableFlowing === null) this.stream.resume();
    this.#settle();
  }

  /** Waits for the answer, and until the program has read all. */
  #reply(): Progress {
    const { stream } = this;
    const settled = this.#connection.waiting((resolve) => {
      this.#resume = resolve;
    });
    stream.once('end', () => this.#settle()).once('close', () => this.#settle());
    this.#settle();
    return settled;
  }

  #settle(): void {
    const { stream } = this;
    const isRead = stream.readableEnded || stream.destroyed;
    if (this.#answer === undefined || !this.#isWhole || !isRead || this.#resume === undefined) return;
    const resume = this.#resume;
    this.#resume = undefined;
    sendReplies(this.#connection, stream.byteLength, this.#answer);
    resume(STOP);
  }

  /** The client is gone. A program that has not got all of the message learns of it; one that has goes on. */
  abandon(): void {
    this.#giveBack();
    const { stream } = this;
    if (this.#isWhole || stream.destroyed) return;
    const error = new Error('Connection closed before the message was received in full');
    // Without a listener it would end the process.
    const isHeard = stream.listenerCount('error') > 0;
    stream.destroy(isHeard ? Object.assign(error, { code: 'ECONNECTION' }) : undefined);
  }

  #giveBack(): void {
    if (this.#slot !== 0) this.#connection.engine.host.core.closeData(this.#slot);
    this.#slot = 0;
  }
}

/** With LMTP one for each recipient. RFC 2033 section 4.2. */
function sendReplies(connection: SMTPConnection, bytes: number, [error, message]: Answer): void {
  const { server, session, id: cid, user } = connection;
  const { options, logger } = server;
  const isLmtp = options.lmtp === true;
  const times = isLmtp ? session.envelope.rcptTo.length : 1;
  logger.debug({ tnx: 'data', cid, bytes, user }, 'C: <%s bytes of DATA>', bytes);
  const accept = (text: unknown): Outcome =>
    connection.send(
      250,
      typeof text === 'string'
        ? text
        : `OK: message ${isLmtp || Array.isArray(message) ? 'accepted' : 'queued'}`,
      'message accepted',
    );
  const refuse = ({ responseCode, message: text }: SMTPServerError): Outcome =>
    connection.send(responseCode || 450, text);
  const size = Number(options.size) || 0;
  if (options.rejectOversized === true && size > 0 && bytes > size) {
    const text = 'Rejected message of %s bytes, the limit is %s bytes';
    logger.info({ tnx: 'data', cid, bytes, size }, text, bytes, size);
    const reply = `Error: message exceeds fixed maximum message size ${size}`;
    for (let time = 0; time < times; time++) connection.send(552, reply, 'message too big');
  } else if (error) for (let time = 0; time < times; time++) refuse(error);
  else if (Array.isArray(message))
    for (const each of message) void (each instanceof Error ? refuse(each) : accept(each));
  else for (let time = 0; time < times; time++) accept(message);
  connection.message = undefined;
  connection.transactions++;
  connection.unrecognized = 0;
  connection.resetSession();
}
