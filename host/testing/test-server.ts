/** A whole server in the test's own process, without a port: real sessions, real plugins, configuration from an object. */

import type { Duplex } from 'node:stream';
import type { PluginDefinition } from '../../bindings/plugin/definition.ts';
import { DnsReverseLookup, noReverseLookup } from '../dns/reverse-lookup.ts';
import { linesOfFiles, type ConfigFiles } from '../config/given-files.ts';
import { MemoryAcceptor, type MemoryClient } from '../intake/memory-acceptor.ts';
import type { Server } from '../server/server.ts';
import { TestClient } from './test-client.ts';
import { ClockDeadlines } from './test-clock.ts';
import { namedServices, type TestEnvironment } from './test-environment.ts';

/**
 * What is left out of the environment is the real thing: the clock, the files, the network. Under a `clock` of the test the time
 * limits of sessions and plugins go by it as well. A `resolver` also names clients, which have no name otherwise.
 */
export interface TestServerOptions extends Omit<TestEnvironment, 'outlets'> {
  /** Lines of `config/plugins`, or definitions: a definition stands for a line with its name and no options. */
  readonly plugins?: readonly (string | PluginDefinition)[];
  /** Configuration files by name: the text, or the lines that count. */
  readonly config?: ConfigFiles;
  /** Definitions that lines in `plugins` name, so that they can be given options. */
  readonly definitions?: readonly PluginDefinition[];
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
    ...environment
  }: TestServerOptions = {}): Promise<TestServer> {
    // A test that asks one plugin by hand does without all that a server is made of.
    const { Server } = await import('../server/server.ts');
    const { resolver } = environment;
    const acceptor = new MemoryAcceptor();
    const given = plugins.filter((plugin) => typeof plugin !== 'string');
    const overlay = linesOfFiles({ me: 'mx.test', ...config });
    overlay.set(
      'plugins',
      plugins.map((plugin) => (typeof plugin === 'string' ? plugin : plugin.name)),
    );
    const server = await Server.load({
      acceptors: [acceptor],
      directories: [],
      overlay,
      definitions: [...given, ...definitions],
      services: namedServices(environment),
      reverseLookup: resolver === undefined ? noReverseLookup : new DnsReverseLookup(resolver),
      deadlines: environment.clock && new ClockDeadlines(environment.clock),
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
