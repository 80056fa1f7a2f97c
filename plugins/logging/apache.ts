import {
  definePlugin,
  formatNamedLine,
  LogLevel,
  logLevel,
  strftime,
  z,
} from '../../bindings/plugin/index.ts';

/** Apache's names of the levels, by number. */
const LEVELS = ['emerg', 'alert', 'crit', 'error', 'warn', 'notice', 'info', 'debug'] as const;

/** Writes the log in the form of Apache's error log, for tools that read it. */
export default definePlugin({
  name: 'logging/apache',
  about: "Writes log lines up to a level (LOGWARN) in the form of Apache's error log.",
  options: z.object({ level: logLevel().default(LogLevel.WARN), path: z.string().optional() }),
  positional: ['path'],
  logsUpTo: ({ level }) => level,
  hooks({ options: { path }, services }) {
    const file = path === undefined ? undefined : services.logs.file(path);
    const clients = new Map<string, string>();
    return {
      'pre-connection'({ connection }) {
        const { id, remoteIp, remotePort } = connection;
        clients.set(id, `[client ${remoteIp.includes(':') ? `[${remoteIp}]` : remoteIp}:${remotePort}] `);
      },
      'post-connection'({ connection }) {
        clients.delete(connection.id);
      },
      logging(_, event) {
        const now = services.clock.now();
        const time = services.system.localTime(now);
        const micros = String((now % 1_000) * 1_000).padStart(6, '0');
        const stamp = `${strftime('%a %b %d %T', time)}.${micros} ${time.year}`;
        const client = clients.get(event.connectionId ?? '') ?? '';
        const head = `[${stamp}] [qpsmtpd:${LEVELS[event.level]}] [pid ${services.system.processId}] ${client}`;
        const line = head + formatNamedLine(String(services.system.processId), event);
        if (file === undefined) services.logs.writeError(line);
        else file.write(line);
      },
    };
  },
});
