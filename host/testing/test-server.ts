/** A whole server in the test's own process, without a port: real sessions, real plugins, configuration from an object. */

import type { Duplex } from 'node:stream';
import type { PluginDefinition } from '../../bindings/plugin/definition.ts';
import type { DnsService } from '../../bindings/plugin/resolver.ts';
import { DnsReverseLookup, noReverseLookup } from '../dns/reverse-lookup.ts';
import { MemoryAcceptor, type MemoryClient } from '../intake/memory-acceptor.ts';
import { Server } from '../server/server.ts';
import { TestClient } from './test-client.ts';

export interface TestServerOptions {
  /** Lines of `config/plugins`, or definitions: a definition stands for a line with its name and no options. */
  readonly plugins?: readonly (string | PluginDefinition)[];
  /** Configuration files by name: their lines, or one line. */
  readonly config?: Readonly<Record<string, string | readonly string[]>>;
  /** Definitions that lines in `plugins` name, so that they can be given options. */
  readonly definitions?: readonly PluginDefinition[];
  /** What plugins ask as `services.dns`, and what names clients; undefined: the DNS of this machine, and no client has a name. */
  readonly resolver?: DnsService;
}

export class TestServer {
  readonly server: Server;
  readonly #acceptor: MemoryAcceptor;

  private constructor(server: Server, acceptor: MemoryAcceptor) {
    this.server = server;
    this.#acceptor = acceptor;
  }

  /** Throws what would keep a daemon with this configuration from starting. */
  static async start({
    plugins = [],
    config = {},
    definitions = [],
    resolver,
  }: TestServerOptions = {}): Promise<TestServer> {
    const acceptor = new MemoryAcceptor();
    const given = plugins.filter((plugin) => typeof plugin !== 'string');
    const overlay = new Map<string, readonly string[]>([['me', ['mx.test']]]);
    for (const [name, lines] of Object.entries(config)) {
      overlay.set(name, typeof lines === 'string' ? [lines] : lines);
    }
    overlay.set(
      'plugins',
      plugins.map((plugin) => (typeof plugin === 'string' ? plugin : plugin.name)),
    );
    const server = await Server.load({
      acceptors: [acceptor],
      directories: [],
      overlay,
      definitions: [...given, ...definitions],
      ...(resolver !== undefined && { services: { dns: resolver } }),
      reverseLookup: resolver === undefined ? noReverseLookup : new DnsReverseLookup(resolver),
    });
    await server.listen();
    return new TestServer(server, acceptor);
  }

  /** A client that has connected and not read the banner yet. */
  connect(client?: MemoryClient): TestClient {
    return new TestClient(this.connectStream(client));
  }

  /** The client's end of a new connection, for a client of the test's own. */
  connectStream(client?: MemoryClient): Duplex {
    return this.#acceptor.connect(client);
  }

  /** A client that was greeted and has said EHLO. */
  async greeted(client?: MemoryClient): Promise<TestClient> {
    const connected = this.connect(client);
    await connected.reply();
    await connected.say('EHLO client.example');
    return connected;
  }

  close(): Promise<void> {
    return this.server.drain(0);
  }
}
