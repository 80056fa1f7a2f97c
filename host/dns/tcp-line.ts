/** Questions over TCP, for answers that do not fit a datagram and for servers whose datagrams are not believed. RFC 7766. */

import { connect, type Socket } from 'node:net';
import type { SentQuestion } from './udp-pool.ts';

/** What waits for an answer over TCP. */
type TcpQuestion = Pick<SentQuestion, 'octets' | 'take'> & {
  /** Nobody listens there, or the connection ended amid the answer, or without a usable one. */
  miss(reason: 'unreachable' | 'malformed answer'): void;
};

/** Connections at a time, to all servers together; further questions wait. */
const MAX_CONNECTIONS = 32;
/** RFC 1035 section 4.2.2. */
const LENGTH_OCTETS = 2;
const ID_OCTETS = 2;
const FIRST_OCTETS = 4_096;

export class TcpLine {
  readonly #asked = new Map<TcpQuestion, Socket>();
  readonly #line = new Map<TcpQuestion, () => void>();

  /** Connections that are open. */
  get connections(): number {
    return this.#asked.size;
  }

  ask(address: string, port: number, question: TcpQuestion): void {
    const begin = (): void => this.#connect(address, port, question);
    if (this.#asked.size < MAX_CONNECTIONS) begin();
    else this.#line.set(question, begin);
  }

  /** Its answer is not waited for any more. */
  forget(question: TcpQuestion): void {
    this.#line.delete(question);
    const socket = this.#asked.get(question);
    if (socket === undefined) return;
    this.#asked.delete(question);
    socket.destroy();
    this.#admitNext();
  }

  close(): void {
    this.#line.clear();
    for (const question of this.#asked.keys()) this.forget(question);
  }

  #connect(address: string, port: number, question: TcpQuestion): void {
    const socket = connect({ host: address, port, noDelay: true });
    this.#asked.set(question, socket);
    const fail = (reason: 'unreachable' | 'malformed answer'): void => {
      if (!this.#asked.has(question)) return;
      this.forget(question);
      question.miss(reason);
    };
    let received: Buffer = Buffer.allocUnsafe(FIRST_OCTETS);
    let length = 0;
    socket.on('error', () => fail('unreachable'));
    socket.on('close', () => fail('unreachable'));
    socket.on('data', (octets) => {
      received = withRoom(received, length, octets.length);
      length += octets.copy(received, length);
      if (length < LENGTH_OCTETS) return;
      const end = LENGTH_OCTETS + received.readUInt16BE(0);
      if (length < end || !this.#asked.has(question)) return;
      const answer = received.subarray(LENGTH_OCTETS, end);
      if (hasSameId(answer, question.octets) && question.take(answer)) this.forget(question);
      else fail('malformed answer');
    });
    const message = Buffer.allocUnsafe(LENGTH_OCTETS + question.octets.length);
    message.writeUInt16BE(question.octets.length);
    question.octets.copy(message, LENGTH_OCTETS);
    socket.write(message);
  }

  #admitNext(): void {
    for (const [question, begin] of this.#line) {
      if (this.#asked.size >= MAX_CONNECTIONS) return;
      this.#line.delete(question);
      begin();
    }
  }
}

/** RFC 7766 section 7. */
const hasSameId = (answer: Buffer, question: Buffer): boolean =>
  answer.length >= ID_OCTETS && answer.compare(question, 0, ID_OCTETS, 0, ID_OCTETS) === 0;

/** What was received, in a Buffer that `more` octets still fit into. They are never more than 2 and 65,535 and a piece. */
function withRoom(received: Buffer, length: number, more: number): Buffer {
  if (length + more <= received.length) return received;
  const larger = Buffer.allocUnsafe(Math.max(received.length * 2, length + more));
  received.copy(larger, 0, 0, length);
  return larger;
}
