/** A name server of a test, on real sockets of the loopback interface: says what it is told to, verified or not. */

import { createSocket, type RemoteInfo, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { RecordType } from '../../bindings/core.ts';
import type { ServerAddress } from '../../host/dns/server-addresses.ts';
import type { TlsaRecord } from '../../bindings/plugin/resolver.ts';

/** What is said to one question. */
export interface Said {
  /** By `TYPE name`, in the order of the answer: an alias first, then what it leads to. */
  readonly records?: readonly (readonly [key: string, data: string | TlsaRecord])[];
  readonly isSecure?: boolean;
  /** RFC 1035 section 4.1.1. Without records and code: the name exists, the record does not. */
  readonly code?: number;
  readonly ttlSeconds?: number;
  /** Of a SOA record in the authority section: how long it may be remembered that there is nothing. */
  readonly soaSeconds?: number;
  /** Over UDP only that it did not fit. */
  readonly isLong?: boolean;
  /** What happens to a question over TCP in place of the answer. */
  readonly tcp?: 'is silent' | 'closes amid the answer' | 'goes on without end';
  /** Changes the answer on its way; an empty list loses it. */
  readonly spoil?: (answer: Buffer, by: 'udp' | 'tcp', question: Buffer) => readonly Buffer[];
}

export type Zone = Record<string, Said>;

export interface AskedQuestion {
  /** As it was written. */
  readonly name: string;
  readonly type: string;
  /** After the question. */
  readonly end: number;
}

export class ZoneServer {
  zone: Zone;
  /** `TYPE name` of every question, `/tcp` after those over TCP. */
  readonly asked: string[] = [];
  /** The messages themselves. */
  readonly questions: Buffer[] = [];
  /** Where each came from. */
  readonly ports: number[] = [];
  readonly #udp: DatagramSocket;
  readonly #connections = new Set<Socket>();
  readonly #tcp: Server;
  #last: RemoteInfo | undefined;

  private constructor(zone: Zone, udp: DatagramSocket, tcp: Server) {
    this.zone = zone;
    this.#udp = udp;
    this.#tcp = tcp;
  }

  /** Ends with the test. */
  static async start(zone: Zone = {}, wanted = 0): Promise<ZoneServer> {
    const tcp = createServer();
    await new Promise<void>((resolve) => tcp.listen(wanted, '127.0.0.1', resolve));
    const { port } = tcp.address() as AddressInfo;
    const udp = createSocket('udp4');
    await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve));
    const server = new ZoneServer(zone, udp, tcp);
    udp.on('message', (question, from) => {
      const { port, address } = (server.#last = from);
      server.ports.push(port);
      for (const answer of server.#answer(question, 'udp')) udp.send(answer, port, address);
    });
    tcp.on('connection', (socket) => server.#serve(socket));
    onTestFinished(() => server.close());
    return server;
  }

  get port(): number {
    return (this.#tcp.address() as AddressInfo).port;
  }

  /** Connections that a client has opened and not closed. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Where the last datagram came from. */
  get last(): RemoteInfo {
    return this.#last!;
  }

  /** Sends octets to where the last datagram came from. */
  send(octets: Buffer): void {
    this.#udp.send(octets, this.last.port, this.last.address);
  }

  resolver(isTrusted = true): ServerAddress {
    return { address: '127.0.0.1', port: this.port, isTrusted };
  }

  async close(): Promise<void> {
    if (!this.#tcp.listening) return;
    for (const socket of this.#connections) socket.destroy();
    await new Promise<void>((resolve) => this.#udp.close(resolve));
    await new Promise((resolve) => this.#tcp.close(resolve));
  }

  #serve(socket: Socket): void {
    this.#connections.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('data', (octets) => {
      const { name, type } = questionOf(octets.subarray(2));
      const { tcp } = this.#said(type, name.toLowerCase());
      for (const answer of this.#answer(octets.subarray(2), 'tcp')) {
        if (tcp === 'is silent') continue;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        // In two pieces, as a network may have it.
        socket.write(Buffer.concat([length, answer.subarray(0, 5)]));
        if (tcp === 'closes amid the answer') socket.end();
        else setImmediate(() => socket.write(answer.subarray(5)));
        if (tcp === 'goes on without end') setImmediate(() => socket.write(Buffer.alloc(1_048_576)));
      }
    });
  }

  #answer(question: Buffer, by: 'udp' | 'tcp'): readonly Buffer[] {
    this.questions.push(question);
    const { name, type, end } = questionOf(question);
    const plain = name.toLowerCase();
    this.asked.push(`${type} ${plain}${by === 'tcp' ? '/tcp' : ''}`);
    const said = this.#said(type, plain);
    const answer = encodeAnswer(question.subarray(0, end), said, by);
    return said.spoil?.(answer, by, question) ?? [answer];
  }

  /** `*` stands for all types. */
  #said(type: string, name: string): Said {
    return this.zone[`${type} ${name}`] ?? this.zone[`* ${name}`] ?? this.#absent(name);
  }

  /** Absence is as secure as the zone is where anything of the name is. */
  #absent(name: string): Said {
    const known = Object.entries(this.zone).find(([key]) => key.endsWith(` ${name}`));
    return known === undefined ? { code: 3, isSecure: true } : { isSecure: known[1].isSecure ?? false };
  }
}

const TYPES = new Map<number, string>(Object.entries(RecordType).map(([name, number]) => [number, name]));

/** The question of a message of ours: without compression. */
export function questionOf(message: Buffer): AskedQuestion {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at]!; length > 0; length = message[at]!) {
    labels.push(message.latin1Slice(at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = message.readUInt16BE(at + 1);
  return { name: labels.join('.'), type: TYPES.get(type) ?? String(type), end: at + 5 };
}

/** `question`: header and question section of what was asked. */
export function encodeAnswer(question: Buffer, said: Said, by: 'udp' | 'tcp' = 'udp'): Buffer {
  const { records = [], isSecure = false, code = 0, ttlSeconds = 300, soaSeconds } = said;
  const isTruncated = said.isLong === true && by === 'udp';
  const answer = Buffer.from(question);
  answer.writeUInt16BE(0x8180 | (isTruncated ? 0x0200 : 0) | (isSecure ? 0x20 : 0) | code, 2);
  answer.writeUInt16BE(isTruncated ? 0 : records.length, 6);
  answer.writeUInt16BE(isTruncated || soaSeconds === undefined ? 0 : 1, 8);
  answer.writeUInt16BE(0, 10);
  if (isTruncated) return answer;
  const encoded = records.map(([key, data]) => encodeRecord(key, data, ttlSeconds));
  return Buffer.concat([answer, ...encoded, ...(soaSeconds === undefined ? [] : [soaRecord(soaSeconds)])]);
}

export const encodeName = (name: string): Buffer =>
  Buffer.concat([
    ...name
      .split('.')
      .filter((label) => label !== '')
      .map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1')),
    Buffer.of(0),
  ]);

function recordOf(name: string, type: number, ttlSeconds: number, content: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttlSeconds, 4);
  fixed.writeUInt16BE(content.length, 8);
  return Buffer.concat([encodeName(name), fixed, content]);
}

/** RFC 1035 section 3.3.13; its own TTL is longer than its minimum. */
function soaRecord(minimum: number): Buffer {
  const numbers = Buffer.alloc(20);
  numbers.writeUInt32BE(minimum, 16);
  return recordOf('example', 6, 86_400, Buffer.concat([Buffer.of(0, 0), numbers]));
}

function encodeRecord(key: string, data: string | TlsaRecord, ttlSeconds: number): Buffer {
  const [type = 'A', name = ''] = key.split(' ') as [keyof typeof RecordType, string];
  return recordOf(name, RecordType[type], ttlSeconds, encodeData(type, data));
}

function encodeData(type: keyof typeof RecordType, data: string | TlsaRecord): Buffer {
  if (typeof data !== 'string') {
    return Buffer.concat([Buffer.of(data.usage, data.selector, data.matching), data.data]);
  }
  if (type === 'A') return Buffer.from(data.split('.').map(Number));
  if (type === 'AAAA')
    return Buffer.from(
      data
        .split(':')
        .map((group) => group.padStart(4, '0'))
        .join(''),
      'hex',
    );
  if (type === 'CNAME' || type === 'PTR') return encodeName(data);
  if (type === 'MX') {
    const [preference = '0', exchange = ''] = data.split(' ');
    const number = Buffer.alloc(2);
    number.writeUInt16BE(Number(preference));
    return Buffer.concat([number, encodeName(exchange)]);
  }
  const text = Buffer.from(data);
  const strings: Buffer[] = [];
  for (let at = 0; at < text.length; at += 255) {
    const part = text.subarray(at, at + 255);
    strings.push(Buffer.of(part.length), part);
  }
  return Buffer.concat(strings);
}
