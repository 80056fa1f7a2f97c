import { definePlugin, formatLogLine, LogLevel, logLevel, z } from '../../bindings/plugin/index.ts';

/** Writes the log to the standard error stream, up to a level. */
export default definePlugin({
  name: 'logging/warn',
  about: 'Writes log lines up to a level (LOGWARN) to the standard error stream.',
  options: z.object({ level: logLevel().default(LogLevel.WARN) }),
  positional: ['level'],
  logsUpTo: ({ level }) => level,
  hooks: {
    logging({ services }, event) {
      services.writeError(formatLogLine(event, services.processId));
    },
  },
});
