import { definePlugin, formatNamedLine, LogLevel, logLevel, z } from '../../bindings/plugin/index.ts';

/** Writes the log to the standard error stream with the connection in front, so that one grep shows a whole session. */
export default definePlugin({
  name: 'logging/connection_id',
  about:
    'Writes log lines up to a level (LOGWARN) with the connection in front to the standard error stream.',
  options: z.object({ level: logLevel().default(LogLevel.WARN) }),
  positional: ['level'],
  logsUpTo: ({ level }) => level,
  hooks: {
    logging({ services }, event) {
      const { connectionId } = event;
      const id = connectionId === undefined ? '???' : `${services.processId}-${connectionId}`;
      services.writeError(formatNamedLine(id, event));
    },
  },
});
