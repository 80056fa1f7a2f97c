/** As much of an AMQP 0-9-1 broker as it takes to answer publications in any way a broker may. */

import type { Socket } from 'node:net';
import { tcpServer } from './web-server.ts';

export interface Published {
  readonly tag: number;
  readonly exchange: string;
  readonly routingKey: string;
  readonly mandatory: boolean;
  /** Payload of the header frame: sizes and properties. */
  readonly header: Buffer;
  readonly body: Buffer;
}

const END = 0xce;
const short = (value: number): Buffer => {
  const octets = Buffer.alloc(2);
  octets.writeUInt16BE(value);
  return octets;
};
const long = (value: number): Buffer => {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
};
const shortText = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
const longText = (text: string): Buffer => Buffer.concat([long(text.length), Buffer.from(text)]);
const tagged = (tag: number): Buffer => Buffer.concat([long(0), long(tag), Buffer.from([0])]);

/** The broker's end of one connection. */
export class BrokerEnd {
  readonly socket: Socket;
  /** What the client logged in with: `\\0user\\0password`. RFC 4616. */
  login = '';
  readonly #onPublish: (published: Published, end: BrokerEnd) => void;
  /** Called when the channel is ready; what is sent then leaves together with the word that it is. */
  readonly #onReady: (end: BrokerEnd) => void;
  #buffered = Buffer.alloc(0);
  #hasGreeted = false;
  #tag = 0;
  #method: { exchange: string; routingKey: string; mandatory: boolean } | undefined;
  #header = Buffer.alloc(0);
  #body: Buffer[] = [];

  constructor(
    socket: Socket,
    onPublish: (published: Published, end: BrokerEnd) => void,
    onReady: (end: BrokerEnd) => void,
  ) {
    this.socket = socket;
    this.#onPublish = onPublish;
    this.#onReady = onReady;
    socket.on('data', (block) => this.#read(block));
  }

  ack = (tag: number): void => this.#send(1, 60, 80, tagged(tag));
  nack = (tag: number): void => this.#send(1, 60, 120, tagged(tag));
  block = (reason: string): void => this.#send(0, 10, 60, shortText(reason));
  unblock = (): void => this.#send(0, 10, 61);
  closeChannel = (code: number, text: string): void =>
    this.#send(1, 20, 40, short(code), shortText(text), short(60), short(40));

  closeConnection = (code: number, text: string): void =>
    this.#send(0, 10, 50, short(code), shortText(text), short(0), short(0));

  giveBack({ exchange, routingKey, header, body }: Published): void {
    this.#send(1, 60, 50, short(312), shortText('NO_ROUTE'), shortText(exchange), shortText(routingKey));
    this.#frame(2, 1, header);
    this.#frame(3, 1, body);
  }

  #send(channel: number, kind: number, method: number, ...fields: Buffer[]): void {
    this.#frame(1, channel, Buffer.concat([short(kind), short(method), ...fields]));
  }

  #frame(type: number, channel: number, payload: Buffer): void {
    if (this.socket.destroyed) return;
    this.socket.write(
      Buffer.concat([Buffer.from([type]), short(channel), long(payload.length), payload, Buffer.from([END])]),
    );
  }

  #read(block: Buffer): void {
    this.#buffered = Buffer.concat([this.#buffered, block]);
    if (!this.#hasGreeted && this.#buffered.length >= 8) {
      this.#hasGreeted = true;
      this.#buffered = this.#buffered.subarray(8);
      this.#send(0, 10, 10, Buffer.from([0, 9]), long(0), longText('PLAIN'), longText('en_US'));
    }
    while (this.#buffered.length >= 8) {
      const octets = this.#buffered.readUInt32BE(3);
      if (this.#buffered.length < octets + 8) return;
      const type = this.#buffered[0]!;
      const payload = this.#buffered.subarray(7, 7 + octets);
      this.#buffered = this.#buffered.subarray(octets + 8);
      if (type === 1) this.#answer(payload);
      else if (type === 2) {
        this.#header = Buffer.from(payload);
        this.#body = [];
        this.#finish();
      } else if (type === 3) {
        this.#body.push(Buffer.from(payload));
        this.#finish();
      }
    }
  }

  #answer(payload: Buffer): void {
    const method = `${payload.readUInt16BE(0)}.${payload.readUInt16BE(2)}`;
    if (method === '10.11') {
      this.login = /PLAIN[^]{4}(\0[^]*?)\x05en_US$/.exec(payload.toString('latin1'))?.[1] ?? '';
      this.#send(0, 10, 30, short(100), long(131_072), short(0));
    } else if (method === '10.40') this.#send(0, 10, 41, shortText(''));
    else if (method === '10.50') this.#send(0, 10, 51);
    else if (method === '20.10') this.#send(1, 20, 11, longText(''));
    else if (method === '20.40') this.#send(1, 20, 41);
    else if (method === '40.10') this.#send(1, 40, 11);
    else if (method === '85.10') {
      this.socket.cork();
      this.#send(1, 85, 11);
      this.#onReady(this);
      this.socket.uncork();
    }
    if (method === '60.40') {
      const exchange = payload.subarray(7, 7 + payload[6]!).toString();
      const rest = payload.subarray(7 + payload[6]!);
      const routingKey = rest.subarray(1, 1 + rest[0]!).toString();
      this.#method = { exchange, routingKey, mandatory: (rest[1 + rest[0]!]! & 1) === 1 };
    }
  }

  #finish(): void {
    const body = Buffer.concat(this.#body);
    if (body.length < Number(this.#header.readBigUInt64BE(4))) return;
    this.#onPublish({ ...this.#method!, tag: ++this.#tag, header: this.#header, body }, this);
  }
}

/** Resolves with the port, and the ends of all connections so far. */
export async function fakeBroker(
  onPublish: (published: Published, end: BrokerEnd) => void,
  onReady: (end: BrokerEnd) => void = () => undefined,
): Promise<{ port: number; ends: BrokerEnd[] }> {
  const ends: BrokerEnd[] = [];
  const port = await tcpServer((socket) => ends.push(new BrokerEnd(socket, onPublish, onReady)));
  return { port, ends };
}
