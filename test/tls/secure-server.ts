/** A whole server on a loopback port, with certificates of its own, and clients that speak TLS to it. */

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { PluginDefinition } from '../../bindings/plugin/definition.ts';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { parseListen } from '../../host/intake/listen-spec.ts';
import { SocketAcceptor } from '../../host/intake/socket-acceptor.ts';
import { Server, type ServerOptions } from '../../host/server/server.ts';
import { Turns } from '../../host/session/turns.ts';
import { TestClient } from '../../host/testing/index.ts';
import { makeSelfSigned, type PemPair } from '../../host/tls/self-signed.ts';

const DAY_MS = 86_400_000;

/** A pair for `names`, valid since yesterday. */
export function makePair(...names: [string, ...string[]]): PemPair {
  const now = Date.now();
  return makeSelfSigned({ names, notBefore: new Date(now - DAY_MS), notAfter: new Date(now + DAY_MS) });
}

/** A folder for certificates, removed by `remove`. */
export class CertificateFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'qpsmtpd-tls-'));

  file(name: string): string {
    return join(this.path, name);
  }

  /** Writes `NAME.crt` and `NAME.key`; returns the two paths with a blank between, as configuration lines have them. */
  write(name: string, { certificate, key }: PemPair): string {
    writeFileSync(this.file(`${name}.crt`), certificate);
    writeFileSync(this.file(`${name}.key`), key, { mode: 0o600 });
    return `${this.file(`${name}.crt`)} ${this.file(`${name}.key`)}`;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface LoggedLine {
  readonly level: LogLevel;
  readonly text: string;
}

export interface SecureServerOptions {
  readonly plugins: readonly (string | PluginDefinition)[];
  readonly config?: Readonly<Record<string, readonly string[]>>;
  readonly directories?: readonly string[];
  /** After the address of the listener: ` tls=implicit`. */
  readonly listenOptions?: string;
  /** By the clock of the process unless given. */
  readonly turns?: Turns;
}

/** Options of a server for `example.test` that keeps its log in `lines`. */
export function loggedConfiguration(
  plugins: readonly (string | PluginDefinition)[],
  config: Readonly<Record<string, readonly string[]>>,
): Pick<ServerOptions, 'overlay' | 'definitions'> & { readonly lines: LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const sink: PluginDefinition = {
    name: 'sink',
    about: 'Keeps the log.',
    hooks: { logging: (_context, { level, text }) => void lines.push({ level, text }) },
  };
  const given = plugins.filter((plugin) => typeof plugin !== 'string');
  const names = plugins.map((plugin) => (typeof plugin === 'string' ? plugin : plugin.name));
  const overlay = new Map([
    ['me', ['mx.test']],
    ['rcpthosts', ['example.test']],
    ...Object.entries(config),
    ['plugins', ['sink', ...names]],
  ]);
  return { lines, overlay, definitions: [sink, ...given] };
}

export class SecureServer {
  readonly server: Server;
  readonly port: number;
  readonly lines: readonly LoggedLine[];
  readonly #clients = new Set<Socket>();

  private constructor(server: Server, port: number, lines: readonly LoggedLine[]) {
    this.server = server;
    this.port = port;
    this.lines = lines;
  }

  static async start({
    plugins,
    config = {},
    directories = [],
    listenOptions = '',
    turns = new Turns(),
  }: SecureServerOptions): Promise<SecureServer> {
    const { lines, ...given } = loggedConfiguration(plugins, config);
    const server = await Server.load({
      acceptors: [new SocketAcceptor(parseListen(`tcp://127.0.0.1:0${listenOptions}`))],
      directories,
      ...given,
      reverseLookup: noReverseLookup,
      turns,
    });
    const [address = ''] = await server.listen();
    return new SecureServer(server, Number(/:(\d+)( |$)/.exec(address)?.[1]), lines);
  }

  connectSocket(): Socket {
    const socket = connectSocket({ port: this.port, host: '127.0.0.1', allowHalfOpen: true });
    this.#clients.add(socket.once('close', () => this.#clients.delete(socket)));
    return socket;
  }

  /** Cuts off every client that is still there. */
  dropClients(): void {
    for (const socket of this.#clients) socket.destroy();
  }

  /** A client that has said EHLO and STARTTLS and stands before the handshake; nobody reads its socket. */
  async readyForTls(): Promise<Socket> {
    const socket = this.connectSocket();
    await answerOf(socket, '', /^220 /);
    await answerOf(socket, 'EHLO client.example\r\n', /^250 /m);
    await answerOf(socket, 'STARTTLS\r\n', /^220 Go ahead with TLS\r\n$/);
    return socket;
  }

  /** A client that is inside TLS by STARTTLS and has to say EHLO again. */
  async startTls(options: ConnectionOptions = {}): Promise<SecureClient> {
    return SecureClient.over(await this.readyForTls(), options);
  }

  /** A client of a listener that begins with TLS; the greeting is still to be read. */
  connectTls(options: ConnectionOptions = {}): Promise<SecureClient> {
    return SecureClient.over(this.connectSocket(), options);
  }

  logged(pattern: RegExp): readonly LoggedLine[] {
    return this.lines.filter(({ text }) => pattern.test(text));
  }

  close(): Promise<void> {
    return this.server.drain(0);
  }
}

/** A TestClient inside TLS. */
export class SecureClient extends TestClient {
  readonly socket: TLSSocket;

  private constructor(socket: TLSSocket) {
    super(socket);
    this.socket = socket;
  }

  /** Rejects with OpenSSL's error if there is no TLS. */
  static async over(plain: Socket, options: ConnectionOptions = {}): Promise<SecureClient> {
    const socket = connectTls({ socket: plain, rejectUnauthorized: false, ...options });
    await once(socket, 'secureConnect');
    return new SecureClient(socket);
  }
}

/** Sends octets over a plain stream and reads until the answer has `form`. The stream is left without a reader. */
export async function answerOf(socket: Duplex, octets: string, form: RegExp): Promise<string> {
  let answer = '';
  if (octets !== '') socket.write(octets);
  socket.resume();
  while (!form.test(answer)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    answer += chunk.toString('latin1');
  }
  socket.pause();
  return answer;
}
