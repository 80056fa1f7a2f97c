import {
  definePlugin,
  formatNamedLine,
  LogLevel,
  logLevel,
  timestamp,
  z,
} from '../../bindings/plugin/index.ts';

/** Writes the log to the standard error stream with the connection in front, so that one grep shows a whole session. */
export default definePlugin({
  name: 'logging/connection_id',
  about:
    'Writes log lines up to a level (LOGWARN) with the connection in front to the standard error stream.',
  options: z.object({ level: logLevel().default(LogLevel.WARN), timestamp: timestamp() }),
  positional: ['level'],
  logsUpTo: ({ level }) => level,
  hooks({ options, services }) {
    const stamped = services.logs.stamped(options.timestamp);
    return {
      logging(_, event) {
        const { connectionId } = event;
        const id = connectionId === undefined ? '???' : `${services.system.processId}-${connectionId}`;
        services.logs.writeError(stamped(formatNamedLine(id, event)));
      },
    };
  },
});
