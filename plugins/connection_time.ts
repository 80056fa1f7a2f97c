import {
  connectionNote,
  definePlugin,
  logLevel,
  LogLevel,
  z,
  type HookContext,
} from '../bindings/plugin/index.ts';

/** When the connection began, in milliseconds since the epoch. */
const startedAt = connectionNote<number>('connection_start');

/** Writes down how long each connection lasted. */
export default definePlugin({
  name: 'connection_time',
  about: 'Logs how long each connection lasted.',
  options: z.object({ level: logLevel().optional() }),
  positional: ['level'],
  onError: 'skip',
  hooks: {
    'pre-connection': start,
    connect: start,
    'post-connection'({ connection, log, options, services }) {
      const beganAt = connection.notes.get(startedAt);
      if (beganAt === undefined) return;
      const elapsedMs = Math.max(0, services.clock.now() - beganAt);
      log.at(options.level ?? LogLevel.INFO, `${(elapsedMs / 1000).toFixed(3)} s.`);
    },
  },
});

function start({ connection, services }: HookContext): void {
  if (connection.notes.get(startedAt) === undefined) connection.notes.set(startedAt, services.clock.now());
}
