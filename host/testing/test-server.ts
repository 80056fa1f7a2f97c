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
  /** Listeners that say `service=NAME`, beside the one that does not. Their files are in `config`, such as `plugins.submission`. */
  readonly listenerServices?: readonly string[];
}

/** `service`: by which listener it comes; undefined: by the one without a service. */
export interface TestServerClient extends MemoryClient {
  readonly service?: string;
}

export class TestServer {
  readonly server: Server;
  readonly #acceptors: readonly MemoryAcceptor[];

  private constructor(server: Server, acceptors: readonly MemoryAcceptor[]) {
    this.server = server;
    this.#acceptors = acceptors;
  }

  /** Throws what would keep a daemon with this configuration from starting. */
  static async start({
    plugins = [],
    config = {},
    definitions = [],
    listenerServices = [],
    ...environment
  }: TestServerOptions = {}): Promise<TestServer> {
    // A test that asks one plugin by hand does without all that a server is made of.
    const { Server } = await import('../server/server.ts');
    const { resolver } = environment;
    const ofServices = listenerServices.map((service) => new MemoryAcceptor({ service }));
    const acceptors = [new MemoryAcceptor(), ...ofServices];
    const given = plugins.filter((plugin) => typeof plugin !== 'string');
    const overlay = linesOfFiles({ me: 'mx.test', ...config });
    overlay.set(
      'plugins',
      plugins.map((plugin) => (typeof plugin === 'string' ? plugin : plugin.name)),
    );
    const server = await Server.load({
      acceptors,
      directories: [],
      overlay,
      definitions: [...given, ...definitions],
      services: namedServices(environment),
      reverseLookup: resolver === undefined ? noReverseLookup : new DnsReverseLookup(resolver),
      deadlines: environment.clock && new ClockDeadlines(environment.clock),
    });
    await server.listen();
    return new TestServer(server, acceptors);
  }

  /** A client that has connected and not read the banner yet. */
  connect(client?: TestServerClient): TestClient {
    return new TestClient(this.connectStream(client));
  }

  /** The client's end of a new connection, for a client of the test's own. */
  connectStream({ service, ...client }: TestServerClient = {}): Duplex {
    const acceptor = this.#acceptors.find((each) => each.service === service);
    if (acceptor === undefined) throw new Error(`the test server has no listener of the service ${service}`);
    return acceptor.connect(client);
  }

  /** A client that was greeted and has said EHLO. */
  async greeted(client?: TestServerClient): Promise<TestClient> {
    const connected = this.connect(client);
    await connected.reply();
    await connected.say('EHLO client.example');
    return connected;
  }

  close(): Promise<void> {
    return this.server.drain(0);
  }
}
