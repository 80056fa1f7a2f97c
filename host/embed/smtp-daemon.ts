/** The SMTP server as the processes run it: loaded from options, described, drained. */

import cluster from 'node:cluster';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { describePlugin } from '../hooks/plugin-description.ts';
import { orderFaults } from '../hooks/plugin-line.ts';
import { unreadFiles } from '../hooks/unread-files.ts';
import { createFront } from '../fronts/http/http-acceptor.ts';
import type { Acceptor } from '../intake/incoming-connection.ts';
import { inheritedSockets, type HeldSocket } from '../intake/inherited-sockets.ts';
import { removeStaleSocket } from '../intake/socket-acceptor.ts';
import { parseListen } from '../intake/listen-spec.ts';
import { reopenLogFiles } from '../observe/log-outputs.ts';
import type {
  BoundSockets,
  Daemon,
  DaemonDescription,
  DaemonLoader,
  DaemonOptions,
} from '../process/daemon.ts';
import { Server } from '../server/server.ts';

class BoundAcceptors implements BoundSockets {
  readonly addresses: readonly string[];
  readonly acceptors: readonly Acceptor[];

  constructor(acceptors: readonly Acceptor[], addresses: readonly string[]) {
    this.acceptors = acceptors;
    this.addresses = addresses;
  }
}

const acceptorsOf = (listen: readonly string[]): readonly Acceptor[] =>
  listen.map((spec) => createFront(parseListen(spec)));

export const smtpDaemon: DaemonLoader = {
  async bind({ listen }: DaemonOptions): Promise<BoundAcceptors> {
    await smtpDaemon.clearStaleSockets(listen);
    const acceptors = acceptorsOf(listen);
    const addresses: string[] = [];
    for (const acceptor of acceptors) addresses.push(await acceptor.bind());
    return new BoundAcceptors(acceptors, addresses);
  },

  async load(options: DaemonOptions, bound?: BoundSockets): Promise<Daemon> {
    const acceptors = bound instanceof BoundAcceptors ? bound.acceptors : acceptorsOf(options.listen);
    const server = await Server.load({
      acceptors,
      configDir: options.configDir,
      overlay: options.settings,
      rehearsal: options.rehearsal,
      furtherServices: options.services,
      maxConnections: options.maxConnections,
      workers: options.workers,
      ledger: options.ledger,
      maxFromIp: options.maxFromIp,
      onListenerLost: options.onListenerLost,
      onListenerEnded: options.onListenerEnded,
      handsOn: options.handsOn,
    });
    return {
      get logger() {
        return server.logger;
      },
      get workerTimeoutMs() {
        return server.generation.main.settings.workerTimeoutMs;
      },
      async listen() {
        // For workers the primary has cleared them; what answers there now is our own.
        if (bound === undefined && cluster.isPrimary) await smtpDaemon.clearStaleSockets(options.listen);
        try {
          return await server.listen();
        } catch (error) {
          // It never serves: what its plugins have opened by now is closed.
          await server.drain(0);
          throw error;
        }
      },
      reload: () => server.reload(),
      reopenLogs: () => {
        reopenLogFiles();
        server.logger.log(LogLevel.NOTICE, 'log files opened again');
      },
      announceStop: () => server.announceStop(),
      sockets: () => socketsOf(acceptors, options.listen),
      drain: (graceMs, manner) => server.drain(graceMs, manner),
      describe: () => describe(server),
    };
  },

  async clearStaleSockets(listen: readonly string[]): Promise<void> {
    for (const spec of listen.map(parseListen))
      if (spec.kind === 'unix' && !inheritedSockets.has(spec)) await removeStaleSocket(spec);
  },
};

function socketsOf(
  acceptors: readonly Acceptor[],
  listen: readonly string[],
): readonly HeldSocket[] | undefined {
  const sockets = acceptors.flatMap(({ descriptor: fd }, index) =>
    fd === undefined ? [] : [{ listen: listen[index]!, fd }],
  );
  return sockets.length === listen.length ? sockets : undefined;
}

function describe(server: Server): DaemonDescription {
  const { runtimes } = server.generation;
  return {
    services: runtimes.map((runtime) => ({
      service: runtime.service,
      plugins: runtime.plugins.map(describePlugin),
      orderFaults: orderFaults(runtime.plugins),
      settings: runtime.changedSettings(),
      lookAround: () => runtime.lookAround(),
    })),
    unreadFiles: () => unreadFiles(runtimes),
    limits: server.adviseOnLimits(),
  };
}
