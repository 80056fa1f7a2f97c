/**
 * The octets of a session in the binary messages of a WebSocket. RFC 6455. Where messages end means nothing: a line may go over
 * several, and a message may have several lines.
 */

import { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';

/** RFC 6455 section 7.4.1. */
const NORMAL = 1_000;
const UNACCEPTABLE_DATA = 1_003;
const ABNORMAL = 1_006;

export class WebSocketStream extends Duplex {
  readonly #socket: WebSocket;
  /** The messages of one read. As many streams of one octet they would take a hundred times their length. */
  #gathered: Buffer[] = [];
  #hasAnswered = true;

  constructor(socket: WebSocket) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    socket
      .on('message', (data: RawData, isBinary: boolean) => this.#receive(data as Buffer, isBinary))
      .on('pong', () => (this.#hasAnswered = true))
      // What is wrong with a frame is told to the client by ws itself, with its close code.
      .on('error', () => undefined)
      .on('close', (code: number) => this.#end(code));
  }

  /** Asks whether the client is still there; one that has not answered the last question is not. */
  probe(): void {
    // While it is not read from, its answer cannot have come.
    if (!this.#hasAnswered && !this.#socket.isPaused) {
      this.#socket.terminate();
      return;
    }
    this.#hasAnswered = false;
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (!isBinary) {
      // SMTP is octets: text that was converted on its way is another message.
      this.#socket.close(UNACCEPTABLE_DATA, 'binary messages only');
      return;
    }
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#gathered.length === 0) queueMicrotask(() => this.#pass());
    this.#gathered.push(data);
  }

  #pass(): void {
    const gathered = this.#gathered;
    this.#gathered = [];
    if (gathered.length === 0 || this.destroyed || this.readableEnded) return;
    const octets = gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered);
    if (octets.length > 0 && !this.push(octets)) this.#socket.pause();
  }

  /** A WebSocket has no half-close: what the client sent before its close frame still counts, replies are lost. */
  #end(code: number): void {
    this.#pass();
    if (code === ABNORMAL) this.destroy();
    else if (!this.destroyed && !this.readableEnded) this.push(null);
  }

  override _read(): void {
    if (this.#socket.isPaused) this.#socket.resume();
  }

  /** Calls back once the kernel has the octets: a client that does not read makes the session wait. */
  override _write(octets: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(octets, { binary: true }, callback);
    else callback();
  }

  override _final(callback: () => void): void {
    this.#socket.close(NORMAL);
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    if (this.#socket.readyState !== this.#socket.CLOSED) this.#socket.terminate();
    callback(error);
  }
}
