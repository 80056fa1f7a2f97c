import {
  definePlugin,
  formatLogLine,
  LogLevel,
  logLevel,
  timestamp,
  z,
} from '../../bindings/plugin/index.ts';

/** Writes the log to the standard error stream, up to a level. */
export default definePlugin({
  name: 'logging/warn',
  about: 'Writes log lines up to a level (LOGWARN) to the standard error stream.',
  options: z.object({ level: logLevel().default(LogLevel.WARN), timestamp: timestamp() }),
  positional: ['level'],
  logsUpTo: ({ level }) => level,
  hooks({ options, services }) {
    const stamped = services.logs.stamped(options.timestamp);
    return {
      logging: (_, event) =>
        services.logs.writeError(stamped(formatLogLine(event, services.system.processId))),
    };
  },
});
