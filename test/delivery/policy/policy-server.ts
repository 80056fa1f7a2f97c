/** A web server of a test that has an MTA-STS policy, on a real socket of the loopback interface. */

import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { StsFetchOptions } from '../../../plugins/queue/mx/sts-policies.ts';
import { webClient } from '../../../host/http/web-client.ts';
import type { Issued } from './certificates.ts';

export class PolicyServer {
  /** `HOST PATH` of every request. */
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #authority: Issued;
  respond: (response: ServerResponse) => void;

  private constructor(server: Server, authority: Issued) {
    this.#server = server;
    this.#authority = authority;
    this.respond = (response) => response.writeHead(404).end();
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.asked.push(`${request.headers.host ?? ''} ${request.url ?? ''}`);
      this.respond(response);
    });
    server.on('tlsClientError', () => undefined);
  }

  /** `authority` is what clients are to trust. */
  static async start(own: Issued, authority: Issued): Promise<PolicyServer> {
    const server = createServer({ key: own.key, cert: own.certificate });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new PolicyServer(server, authority);
  }

  /** Has this policy from now on. */
  has(text: string): void {
    this.respond = (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end(text);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** For whoever fetches from it, wherever the name of its host leads. */
  get options(): StsFetchOptions {
    const addresses = () => Promise.resolve(['127.0.0.1']);
    return { http: webClient, addresses, port: this.port, authorities: this.#authority.certificate };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** The text of a policy. */
export const policyText = (mode: string, mx: readonly string[] = ['mx.a.example'], maxAge = 86_400): string =>
  ['version: STSv1', `mode: ${mode}`, ...mx.map((name) => `mx: ${name}`), `max_age: ${maxAge}`, ''].join(
    '\r\n',
  );
