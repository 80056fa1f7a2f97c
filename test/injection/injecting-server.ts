/** A server with an HTTP listener for injections, and what its clients get. */

import { request, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { PassThrough } from 'node:stream';
import type { PluginDefinition } from '../../bindings/plugin/index.ts';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { createFront } from '../../host/fronts/http/http-acceptor.ts';
import { parseListen } from '../../host/intake/listen-spec.ts';
import { Server } from '../../host/server/server.ts';
import { MemoryStores, TestClock } from '../../host/testing/index.ts';

export const TOKEN = 'a-token-for-the-shop';
export const RELAY_TOKEN = 'a-token-for-the-forum';
export const OTHER_TOKEN = 'a-token-for-nginx-alone';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface HttpAsk {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is sent in chunks; the request breaks off if it does. */
  readonly body?: string | Buffer | PassThrough | object | undefined;
  readonly type?: string | undefined;
  /** Empty: none. */
  readonly token?: string;
}

/** Without comments, as a configuration in memory has them. */
const linesOf = (text: string): readonly string[] => text.split('\n').filter((line) => !/^(#|$)/.test(line));

export class InjectingServer {
  readonly server: Server;
  readonly port: number;
  readonly stores: MemoryStores;

  private constructor(server: Server, port: number, stores: MemoryStores) {
    this.server = server;
    this.port = port;
    this.stores = stores;
  }

  static async start(
    plugins: readonly PluginDefinition[],
    config: Readonly<Record<string, string>> = {},
    options = 'inject=raw,kumo,json',
  ): Promise<InjectingServer> {
    const tokens = [`${TOKEN} inject as=shop`, `${RELAY_TOKEN} inject relay`, `${OTHER_TOKEN} nginx-auth`];
    const files = {
      me: 'mx.test',
      plugins: plugins.map(({ name }) => name).join('\n'),
      http_tokens: tokens.join('\n'),
      ...config,
    };
    const stores = new MemoryStores(new TestClock(Date.now()));
    const server = await Server.load({
      acceptors: [createFront(parseListen(`http://127.0.0.1:0 ${options}`))],
      directories: [],
      overlay: new Map(Object.entries(files).map(([name, text]) => [name, linesOf(text)])),
      definitions: plugins,
      services: { store: stores },
      reverseLookup: noReverseLookup,
    });
    const [address = ''] = await server.listen();
    return new InjectingServer(server, Number(/:(\d+) /.exec(address)![1]), stores);
  }

  ask(
    path: string,
    { method = 'POST', headers = {}, body, type, token = TOKEN }: HttpAsk,
  ): Promise<HttpAnswer> {
    return new Promise<HttpAnswer>((resolve, reject) => {
      const sent = request({
        port: this.port,
        host: '127.0.0.1',
        path,
        method,
        agent: false,
        headers: {
          ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
          ...(type === undefined ? {} : { 'content-type': type }),
          ...headers,
        },
      });
      sent.on('error', reject).on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        response.on('error', reject).on('end', () => {
          // The server reads no more, or has read all.
          sent.destroy();
          const isJson = /json/.test(response.headers['content-type'] ?? '');
          const parsed = isJson ? (JSON.parse(text) as HttpAnswer['body']) : {};
          resolve({ status: response.statusCode!, headers: response.headers, text, body: parsed });
        });
      });
      if (body instanceof PassThrough)
        body.on('error', () => sent.destroy(new Error('broken off'))).pipe(sent);
      else if (typeof body === 'object' && !Buffer.isBuffer(body)) sent.end(JSON.stringify(body));
      else sent.end(body);
    });
  }

  raw(to: string, body: HttpAsk['body'] = 'Subject: x\n\nx', more: HttpAsk = {}): Promise<HttpAnswer> {
    return this.ask(`/messages?from=a@example.org&to=${to}`, { type: 'message/rfc822', body, ...more });
  }

  json(body: HttpAsk['body'], more: HttpAsk = {}): Promise<HttpAnswer> {
    return this.ask('/messages', { type: 'application/json', body, ...more });
  }

  kumo(body: HttpAsk['body'], more: HttpAsk = {}): Promise<HttpAnswer> {
    return this.ask('/api/inject/v1', { type: 'application/json', body, ...more });
  }

  /** The whole answer to a request on a socket, with lines before it and fields of its own. */
  async bare(to: string, before: readonly string[], fields: readonly string[] = []): Promise<string> {
    const socket = connect({ port: this.port, host: '127.0.0.1' });
    const head = [...before, `POST /messages?from=&to=${to} HTTP/1.1`, 'Host: mx.test', 'Connection: close'];
    socket.end(
      [
        ...head,
        `Authorization: Bearer ${TOKEN}`,
        ...fields,
        'Content-Type: message/rfc822',
        'Content-Length: 1',
        '',
        'x',
      ].join('\r\n'),
    );
    return (await socket.setEncoding('latin1').toArray()).join('');
  }

  close(): Promise<void> {
    return this.server.drain(0);
  }
}
