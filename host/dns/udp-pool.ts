/**
 * The UDP sockets over which one server is asked. Port and identifier of a question are unpredictable: an attacker that does
 * not see it has to guess both to plant records in an answer (cache poisoning, RFC 5452).
 */

import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { randomOctet } from './question.ts';

/** A datagram that was sent, or is about to be, and waits for its answer. */
export interface SentQuestion {
  /** In wire form; the pool writes the identifier into it. */
  readonly octets: Buffer;
  /** For the pool alone; begins as undefined. */
  socket: PooledSocket | undefined;
  id: number;
  /** Looks at a datagram with the right identifier; false if it is something else than the answer. */
  take(datagram: Buffer): boolean;
  /** The server cannot be reached: nobody listens there, or there is no way. */
  miss(reason: 'unreachable'): void;
  /** Somebody guesses at answers on this socket: no datagram is to be believed. */
  distrust(): void;
}

const MAX_SOCKETS = 8;
/** Another socket is opened as soon as each has so many questions under way. */
const CROWD = 64;
/** After so many questions a socket is replaced by one with another port. */
const QUESTIONS_PER_SOCKET = 2_048;
/** Datagrams that answer nothing, besides late answers; a sender of more than that is guessing. */
const MAX_STRAYS = 64;
const HEADER_OCTETS = 12;

interface PooledSocket {
  readonly socket: Socket;
  readonly waiting: Map<number, SentQuestion>;
  /** The kernel may tell a sender of what became of an earlier datagram: nobody listens there. */
  readonly afterSend: (error: Error | null) => void;
  isReady: boolean;
  /** It takes no further questions. */
  isSpent: boolean;
  sent: number;
  strays: number;
}

export class UdpPool {
  readonly #address: string;
  readonly #port: number;
  /** Those that take questions, the first of them perhaps not yet. */
  #open: PooledSocket[] = [];
  readonly #all = new Set<PooledSocket>();
  /** Questions for which no socket is ready yet. */
  readonly #early = new Set<SentQuestion>();
  #isClosed = false;

  constructor({ address, port }: { readonly address: string; readonly port: number }) {
    this.#address = address;
    this.#port = port;
  }

  /** Sockets that exist. */
  get sockets(): number {
    return this.#all.size;
  }

  /** Questions that wait for an answer or for a socket. */
  get waiting(): number {
    let sum = this.#early.size;
    for (const { waiting } of this.#all) sum += waiting.size;
    return sum;
  }

  send(question: SentQuestion): void {
    const open = this.#open;
    const pooled = open.length === 0 ? undefined : open[randomOctet() % open.length]!;
    if (pooled === undefined) {
      this.#early.add(question);
      if ([...this.#all].every(({ isReady }) => isReady)) this.#openSocket();
      return;
    }
    this.#sendOver(pooled, question);
    if (pooled.waiting.size > CROWD && open.length < MAX_SOCKETS && this.#all.size < MAX_SOCKETS)
      this.#openSocket();
  }

  /** Its answer is not waited for any more. */
  forget(question: SentQuestion): void {
    const { socket } = question;
    if (socket === undefined) this.#early.delete(question);
    else {
      if (socket.waiting.get(question.id) !== question) return;
      socket.waiting.delete(question.id);
      if (socket.isSpent && socket.waiting.size === 0) this.#closeSocket(socket);
    }
  }

  /** Closes sockets nobody waits at; a later question opens new ones. */
  rest(): void {
    for (const pooled of this.#all) if (pooled.waiting.size === 0) this.#closeSocket(pooled);
  }

  /** Questions that still wait are not told: their owner does that. */
  close(): void {
    this.#isClosed = true;
    this.#early.clear();
    for (const pooled of this.#all) this.#closeSocket(pooled);
  }

  #openSocket(): void {
    const socket = createSocket(isIPv6(this.#address) ? 'udp6' : 'udp4');
    const pooled: PooledSocket = {
      socket,
      waiting: new Map(),
      afterSend: (error) => (error === null ? undefined : this.#lose(pooled)),
      isReady: false,
      isSpent: false,
      sent: 0,
      strays: 0,
    };
    this.#all.add(pooled);
    // Questions keep the process alive, not sockets.
    socket.unref();
    socket.on('error', () => this.#lose(pooled));
    socket.on('message', (datagram) => this.#receive(pooled, datagram));
    // Connected: datagrams from elsewhere never get here, and a closed port is known at once.
    socket.connect(this.#port, this.#address, (error?: Error) => {
      if (error !== undefined) return this.#lose(pooled);
      if (!this.#all.has(pooled)) return;
      pooled.isReady = true;
      this.#open.push(pooled);
      const early = [...this.#early];
      this.#early.clear();
      for (const question of early) this.send(question);
    });
  }

  #sendOver(pooled: PooledSocket, question: SentQuestion): void {
    const { waiting, socket } = pooled;
    let id = (randomOctet() << 8) | randomOctet();
    while (waiting.has(id)) id = (id + 1 + randomOctet()) & 0xffff;
    question.id = id;
    question.socket = pooled;
    question.octets.writeUInt16BE(id, 0);
    waiting.set(id, question);
    socket.send(question.octets, pooled.afterSend);
    if (++pooled.sent >= QUESTIONS_PER_SOCKET) this.#spend(pooled);
  }

  #receive(pooled: PooledSocket, datagram: Buffer): void {
    if (datagram.length >= HEADER_OCTETS) {
      const id = datagram.readUInt16BE(0);
      const question = pooled.waiting.get(id);
      if (question !== undefined && question.take(datagram)) {
        // It may have been forgotten meanwhile, and its identifier be another's.
        if (pooled.waiting.get(id) === question) pooled.waiting.delete(id);
        if (pooled.isSpent && pooled.waiting.size === 0) this.#closeSocket(pooled);
        return;
      }
    }
    // An answer that nobody waits for any more is one, too: there are no more of those than questions.
    if (++pooled.strays > MAX_STRAYS + pooled.sent) this.#abandon(pooled, (question) => question.distrust());
  }

  /** The next questions go over other ports; those under way are waited for. */
  #spend(pooled: PooledSocket): void {
    pooled.isSpent = true;
    this.#open = this.#open.filter((each) => each !== pooled);
    if (this.#open.length === 0) this.#openSocket();
  }

  #lose(pooled: PooledSocket): void {
    const early = pooled.isReady ? [] : [...this.#early];
    this.#abandon(pooled, (question) => question.miss('unreachable'));
    for (const question of early) if (this.#early.delete(question)) question.miss('unreachable');
  }

  /** Closes the socket and tells those that wait at it, which may ask anew at once. */
  #abandon(pooled: PooledSocket, tell: (question: SentQuestion) => void): void {
    const waiting = [...pooled.waiting.values()];
    pooled.waiting.clear();
    this.#closeSocket(pooled);
    if (!this.#isClosed) for (const question of waiting) tell(question);
  }

  #closeSocket(pooled: PooledSocket): void {
    if (!this.#all.delete(pooled)) return;
    this.#open = this.#open.filter((each) => each !== pooled);
    pooled.waiting.clear();
    const { socket } = pooled;
    socket.removeAllListeners('message');
    // A late error of a socket without a listener would end the process.
    socket.removeAllListeners('error').on('error', () => undefined);
    socket.close();
  }
}
