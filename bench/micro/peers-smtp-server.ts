/** The readers of nodemailer's smtp-server, as the package ships them, driven without its sockets. */

import { PassThrough } from 'node:stream';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import type { CommandReader, DataAnswer, DataReader } from './contestant.ts';

/** Stands for the stream a message goes to: takes everything at once. Leaving the real one out favours the peer. */
const sink = Object.assign(new PassThrough(), { write: () => true, byteLength: 0, sizeExceeded: false });

const ignore = (): void => undefined;

export class SmtpServerData implements DataReader {
  readonly name = 'smtp-server';
  readonly way =
    'SMTPStream of smtp-server 3.21.6 in data mode; the stream behind it left out (in its favour)';
  readonly #stream = new SMTPStream();

  constructor() {
    this.#stream.startDataMode();
  }

  scan(chunk: Buffer): number {
    const stream = this.#stream;
    stream._dataStream = sink as unknown as NonNullable<typeof stream._dataStream>;
    const before = stream.dataBytes;
    stream._write(chunk, 'buffer', ignore);
    return stream.dataBytes - before;
  }

  async read(pieces: readonly Buffer[]): Promise<DataAnswer> {
    const stream = new SMTPStream();
    const content: Buffer[] = [];
    const data = stream.startDataMode();
    for (const piece of pieces) stream.write(piece);
    for await (const part of data) content.push(part as Buffer);
    stream.destroy();
    return { content: Buffer.concat(content) };
  }
}

const parseAddress = SMTPConnection.prototype._parseAddressCommand;
/** What `_parseAddressCommand` looks at of its connection. */
const CONNECTION = Object.assign(Object.create(SMTPConnection.prototype) as object, {
  _server: { options: {} },
}) as unknown as SMTPConnection;
/** smtp-server yields to the event loop after 100 commands; pieces of this size hold fewer, so that a call stays a call. */
const PIECE = 2_048;

export class SmtpServerCommands implements CommandReader {
  readonly name = 'smtp-server';
  readonly way = 'SMTPStream and _parseAddressCommand of smtp-server 3.21.6';
  readonly #stream = new SMTPStream();
  #count = 0;
  #shown: string[] | undefined;

  constructor() {
    this.#stream.oncommand = (line, next) => {
      this.#take(line.toString());
      next?.();
    };
  }

  parse(chunk: Buffer): number {
    this.#count = 0;
    if (chunk.length <= PIECE) this.#stream._write(chunk, 'buffer', ignore);
    else
      for (let from = 0; from < chunk.length; from += PIECE)
        this.#stream._write(chunk.subarray(from, from + PIECE), 'buffer', ignore);
    return this.#count;
  }

  read(chunk: Buffer): readonly string[] {
    const shown: string[] = [];
    this.#shown = shown;
    this.parse(chunk);
    this.#shown = undefined;
    return shown;
  }

  #take(command: string): void {
    this.#count++;
    const verb = command.split(' ', 1)[0]!.toUpperCase();
    const kind = verb === 'MAIL' ? 'MAIL FROM' : verb === 'RCPT' ? 'RCPT TO' : undefined;
    const parsed = kind === undefined ? undefined : parseAddress.call(CONNECTION, kind, command);
    if (this.#shown === undefined) return;
    if (parsed === undefined || parsed === false) return void this.#shown.push(verb);
    const parameters = Object.entries(parsed.args || {}).map(([name, value]) => `${name}=${String(value)}`);
    this.#shown.push([verb, parsed.address, ...parameters].join(' '));
  }
}
