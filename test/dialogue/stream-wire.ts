import { connect as connectSocket, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Arrival, TlsReached, Wire } from './wire.ts';

/**
 * A wire over any duplex stream: a socket, or one half of `duplexPair()` with a session at the other.
 *
 * It reads only while somebody waits for a line. A reset that meets octets nobody has asked for yet is
 * therefore seen as a reset, as it would be with blocking reads.
 */
export class StreamWire implements Wire {
  #stream: Duplex;
  #buffered: Buffer = Buffer.alloc(0);
  #fate: 'open' | 'ended' | 'reset' = 'open';
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  readonly #onData = (chunk: Buffer): void => {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    this.#wake?.();
  };
  readonly #onEnd = (): void => this.#settle('ended');
  readonly #onError = (error: NodeJS.ErrnoException): void => {
    this.#failure = error;
    this.#settle(error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'reset' : 'ended');
  };

  constructor(stream: Duplex) {
    this.#stream = stream;
    this.#listen(stream);
  }

  async send(octets: Buffer): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#stream.writable) throw new Error('the connection is closed');
    this.#stream.write(octets);
    // One turn, so that octets sent one by one also leave and arrive one by one.
    await new Promise((resolve) => setImmediate(resolve));
  }

  async readLine(timeoutMs: number): Promise<Arrival> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const line = this.#takeLine();
      if (line !== undefined) return { kind: 'line', octets: line };
      if (this.#fate === 'reset') {
        this.#fate = 'ended';
        return { kind: 'reset' };
      }
      if (this.#fate === 'ended') return this.#takeRest();
      const remaining = deadline - performance.now();
      if (remaining <= 0) return { kind: 'timeout' };
      await this.#news(remaining);
    }
  }

  async takeWaiting(): Promise<Buffer[]> {
    // Two turns: one for a reply under way to be written, one for it to be read.
    this.#stream.resume();
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
    this.#stream.pause();
    const lines: Buffer[] = [];
    for (let line = this.#takeLine(); line !== undefined; line = this.#takeLine()) lines.push(line);
    return lines;
  }

  async startTls(): Promise<TlsReached> {
    const plain = this.#stream;
    if (!(plain instanceof Socket)) throw new Error('TLS needs a socket: connect to a listening port');
    this.#unlisten(plain);
    const secured = connectTls({ socket: plain, rejectUnauthorized: false });
    try {
      await handshake(secured);
    } catch (error) {
      // The stream is gone; a late error of it must find a listener.
      secured.on('error', () => undefined);
      secured.destroy();
      this.#fate = 'ended';
      throw error;
    }
    this.#buffered = Buffer.alloc(0);
    this.#stream = secured;
    this.#listen(secured);
    return { protocol: secured.getProtocol() ?? 'unknown', cipher: secured.getCipher().name };
  }

  close(): void {
    this.#stream.destroy();
    this.#settle('ended');
  }

  #listen(stream: Duplex): void {
    stream.pause();
    stream
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('close', this.#onEnd)
      .on('error', this.#onError);
  }

  #unlisten(stream: Duplex): void {
    stream
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('close', this.#onEnd)
      .off('error', this.#onError);
  }

  #settle(fate: 'ended' | 'reset'): void {
    if (this.#fate === 'open') this.#fate = fate;
    this.#wake?.();
  }

  async #news(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, timeoutMs);
      this.#stream.resume();
    });
    clearTimeout(timer);
    this.#wake = undefined;
    this.#stream.pause();
  }

  #takeLine(): Buffer | undefined {
    const feed = this.#buffered.indexOf(0x0a);
    if (feed < 0) return undefined;
    const line = this.#buffered.subarray(0, feed + 1);
    this.#buffered = this.#buffered.subarray(feed + 1);
    return line;
  }

  #takeRest(): Arrival {
    if (this.#buffered.length === 0) return { kind: 'eof' };
    const rest = this.#buffered;
    this.#buffered = Buffer.alloc(0);
    return { kind: 'line', octets: rest };
  }
}

function handshake(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(new Error('the connection was closed during the TLS handshake'));
    socket.once('error', reject).once('close', onClose);
    socket.once('secureConnect', () => {
      socket.off('error', reject).off('close', onClose);
      resolve();
    });
  });
}

/** Connects to a port of this machine. */
export function connectWire(port: number, host = '127.0.0.1'): Promise<StreamWire> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ port, host, noDelay: true, allowHalfOpen: true });
    socket.pause();
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeListener('error', reject);
      resolve(new StreamWire(socket));
    });
  });
}
