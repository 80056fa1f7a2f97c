/** A name server of a test, on real sockets of the loopback interface: says what it is told to, verified or not. */

import { createSocket, type RemoteInfo, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type AddressInfo, type Server } from 'node:net';
import type { TrustedResolver } from '../../host/dns/trusted-resolvers.ts';
import type { TlsaRecord } from '../../bindings/plugin/resolver.ts';
import { RECORD_TYPES, type RecordType } from '../../host/dns/wire-message.ts';
import { decodeName, encodeName } from '../../host/dns/wire-name.ts';

/** What is said to one question. */
export interface Said {
  /** By `TYPE name`, in the order of the answer: an alias first, then what it leads to. */
  readonly records?: readonly (readonly [key: string, data: string | TlsaRecord])[];
  readonly isSecure?: boolean;
  /** RFC 1035 section 4.1.1. Without records and code: the name exists, the record does not. */
  readonly code?: number;
  readonly ttlSeconds?: number;
  /** Over UDP only that it did not fit. */
  readonly isLong?: boolean;
  /** Changes the answer on its way; null loses it. */
  readonly spoil?: (answer: Buffer) => readonly Buffer[];
}

export type Zone = Record<string, Said>;

export class ZoneServer {
  zone: Zone;
  /** `TYPE name` of every question, `/tcp` after those over TCP. */
  readonly asked: string[] = [];
  readonly #udp: DatagramSocket;
  #last: RemoteInfo | undefined;
  readonly #tcp: Server;

  private constructor(zone: Zone, udp: DatagramSocket, tcp: Server) {
    this.zone = zone;
    this.#udp = udp;
    this.#tcp = tcp;
  }

  static async start(zone: Zone = {}): Promise<ZoneServer> {
    const tcp = createServer();
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const { port } = tcp.address() as AddressInfo;
    const udp = createSocket('udp4');
    await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve));
    const server = new ZoneServer(zone, udp, tcp);
    udp.on('message', (question, from) => {
      const { port, address } = (server.#last = from);
      for (const answer of server.#answer(question, 'udp')) udp.send(answer, port, address);
    });
    tcp.on('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (octets) => {
        for (const answer of server.#answer(octets.subarray(2), 'tcp')) {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(answer.length);
          // In two pieces, as a network may have it.
          socket.write(Buffer.concat([length, answer.subarray(0, 5)]));
          setImmediate(() => socket.write(answer.subarray(5)));
        }
      });
    });
    return server;
  }

  get port(): number {
    return this.#udp.address().port;
  }

  /** Sends octets to where the last datagram came from. */
  send(octets: Buffer): void {
    this.#udp.send(octets, this.#last!.port, this.#last!.address);
  }

  resolver(isTrusted = true): TrustedResolver {
    return { address: '127.0.0.1', port: this.port, isTrusted };
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#udp.close(resolve));
    await new Promise((resolve) => this.#tcp.close(resolve));
  }

  #answer(question: Buffer, by: 'udp' | 'tcp'): readonly Buffer[] {
    const { name, end } = decodeName(question, 12);
    const type = question.readUInt16BE(end);
    const word = Object.entries(RECORD_TYPES).find(([, number]) => number === type)?.[0] ?? String(type);
    this.asked.push(`${word} ${name}${by === 'tcp' ? '/tcp' : ''}`);
    const said = this.zone[`${word} ${name}`] ?? this.#absent(name);
    const answer = encodeAnswer(question.subarray(0, end + 4), said, by);
    return said.spoil?.(answer) ?? [answer];
  }

  /** Absence is as secure as the zone is where anything of the name is. */
  #absent(name: string): Said {
    const known = Object.entries(this.zone).find(([key]) => key.endsWith(` ${name}`));
    return known === undefined ? { code: 3, isSecure: true } : { isSecure: known[1].isSecure ?? false };
  }
}

/** `question`: header and question section of what was asked. */
export function encodeAnswer(question: Buffer, said: Said, by: 'udp' | 'tcp' = 'udp'): Buffer {
  const { records = [], isSecure = false, code = 0, ttlSeconds = 300 } = said;
  const isTruncated = said.isLong === true && by === 'udp';
  const answer = Buffer.from(question);
  answer.writeUInt16BE(0x8180 | (isTruncated ? 0x0200 : 0) | (isSecure ? 0x20 : 0) | code, 2);
  answer.writeUInt16BE(isTruncated ? 0 : records.length, 6);
  answer.writeUInt16BE(0, 8);
  answer.writeUInt16BE(0, 10);
  if (isTruncated) return answer;
  return Buffer.concat([answer, ...records.map(([key, data]) => encodeRecord(key, data, ttlSeconds))]);
}

function encodeRecord(key: string, data: string | TlsaRecord, ttlSeconds: number): Buffer {
  const [type = 'A', name = ''] = key.split(' ') as [RecordType, string];
  const content = encodeData(type, data);
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(RECORD_TYPES[type], 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttlSeconds, 4);
  fixed.writeUInt16BE(content.length, 8);
  return Buffer.concat([encodeName(name)!, fixed, content]);
}

function encodeData(type: RecordType, data: string | TlsaRecord): Buffer {
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
  if (type === 'CNAME' || type === 'PTR') return encodeName(data)!;
  if (type === 'MX') {
    const [preference = '0', exchange = ''] = data.split(' ');
    const number = Buffer.alloc(2);
    number.writeUInt16BE(Number(preference));
    return Buffer.concat([number, exchange === '.' ? Buffer.of(0) : encodeName(exchange)!]);
  }
  const text = Buffer.from(data);
  const strings: Buffer[] = [];
  for (let at = 0; at < text.length; at += 255) {
    const part = text.subarray(at, at + 255);
    strings.push(Buffer.of(part.length), part);
  }
  return Buffer.concat(strings);
}
