/** A whole server with an `http://` listener on loopback, and clients that make sessions of requests. */

import { connect, type Socket } from 'node:net';
import type { PluginDefinition } from '../../bindings/plugin/definition.ts';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { createFront } from '../../host/fronts/http/http-acceptor.ts';
import type { Acceptor } from '../../host/intake/incoming-connection.ts';
import { parseListen, type ListenSpec } from '../../host/intake/listen-spec.ts';
import { LocalLedger } from '../../host/process/connection-ledger.ts';
import { Server } from '../../host/server/server.ts';
import { TestClient } from '../../host/testing/index.ts';
import { answerOf, loggedConfiguration, type LoggedLine } from '../tls/secure-server.ts';

export interface HttpServerOptions {
  /** Of the listener, after its address. */
  readonly options: string;
  readonly plugins?: readonly (string | PluginDefinition)[];
  readonly config?: Readonly<Record<string, readonly string[]>>;
  readonly maxConnections?: number;
  readonly maxFromIp?: number;
  /** Besides the listener for HTTP. */
  readonly acceptors?: readonly Acceptor[];
  /** In place of the listener that its line stands for. */
  readonly front?: (spec: ListenSpec) => Acceptor;
}

export class HttpServer {
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
    options,
    plugins = [],
    config = {},
    maxConnections,
    maxFromIp,
    acceptors = [],
    front = createFront,
  }: HttpServerOptions): Promise<HttpServer> {
    const { lines, ...given } = loggedConfiguration(plugins, config);
    const server = await Server.load({
      acceptors: [front(parseListen(`http://127.0.0.1:0 ${options}`)), ...acceptors],
      directories: [],
      ...given,
      reverseLookup: noReverseLookup,
      maxConnections,
      maxFromIp,
      ledger: new LocalLedger(maxFromIp),
    });
    const [address = ''] = await server.listen();
    return new HttpServer(server, Number(/:(\d+) /.exec(address)?.[1]), lines);
  }

  /** From `address`, one of this host. */
  connect(address = '127.0.0.1'): Socket {
    const socket = connect({
      port: this.port,
      host: '127.0.0.1',
      localAddress: address,
      allowHalfOpen: true,
    });
    socket.on('error', () => undefined);
    this.#clients.add(socket.once('close', () => this.#clients.delete(socket)));
    return socket;
  }

  /** Sends `octets` and returns all that comes until the server closes. */
  async answer(octets: string, address?: string): Promise<string> {
    const socket = this.connect(address);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.write(octets, 'latin1');
    await new Promise((resolve) => socket.once('end', resolve).once('close', resolve));
    socket.destroy();
    return text;
  }

  /** A session by `Upgrade: smtp`, whose banner is still to be read. `fields` go into the request. */
  async upgraded(fields: readonly string[] = [], address?: string): Promise<TestClient> {
    const socket = this.connect(address);
    const head = await answerOf(socket, request('/smtp', ['Upgrade: smtp', ...fields]), /\r\n\r\n/);
    const end = head.indexOf('\r\n\r\n') + 4;
    if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(head);
    if (head.length > end) socket.unshift(Buffer.from(head.slice(end), 'latin1'));
    const client = new TestClient(socket);
    socket.resume();
    return client;
  }

  logged(pattern: RegExp): boolean {
    return this.lines.some(({ text }) => pattern.test(text));
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await this.server.drain(0);
  }
}

export const request = (target: string, fields: readonly string[] = [], method = 'GET'): string =>
  [`${method} ${target} HTTP/1.1`, 'Host: mx.test', 'Connection: Upgrade', ...fields, '', ''].join('\r\n');
