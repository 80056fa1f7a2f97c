import { definePlugin, LogLevel, logLevel, z } from '../../bindings/plugin/index.ts';

/** Writes the log as JSON, one object a line, for collectors that read pino's format. */
export default definePlugin({
  name: 'logging/json',
  about: 'Writes log lines up to a level (LOGINFO) as JSON to a file or to the standard error stream.',
  options: z.object({ level: logLevel().default(LogLevel.INFO), path: z.string().optional() }),
  positional: ['path'],
  logsUpTo: ({ level }) => level,
  hooks({ options: { path }, services }) {
    const lineOf = services.logs.json();
    const file = path === undefined ? undefined : services.logs.file(path);
    return {
      logging(_, event) {
        const line = lineOf(event);
        if (file === undefined) services.logs.writeError(line);
        else file.write(line);
      },
    };
  },
});
