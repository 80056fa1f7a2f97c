import {
  definePlugin,
  formatNamedLine,
  LogLevel,
  logLevel,
  timestamp,
  z,
  type LogEvent,
} from '../../bindings/plugin/index.ts';

/** Lines kept of one transaction: a client may go on for hours. */
const MAX_KEPT = 1_000;

/** What is known of a connection's transaction. */
interface ConnectionLines {
  lines: LogEvent[];
  wasDenied: boolean;
}

/**
 * Writes all lines up to one level; those of a transaction that no plugin objected to once more, with a prefix, up to
 * another.
 */
export default definePlugin({
  name: 'logging/adaptive',
  about:
    'Writes log lines to the standard error stream, up to one level for accepted and another for refused mail.',
  options: z.object({
    accept: logLevel().default(LogLevel.ERROR),
    reject: logLevel().default(LogLevel.WARN),
    prefix: z.string().default('`'),
    timestamp: timestamp(),
  }),
  logsUpTo: ({ reject }) => reject,
  hooks({ options: { accept, prefix, timestamp: timed }, services }) {
    const { processId } = services.system;
    const stamped = services.logs.stamped(timed);
    const stories = new Map<string, ConnectionLines>();
    return {
      connect({ connection }) {
        stories.set(connection.id, { lines: [], wasDenied: false });
      },
      logging(_, event) {
        services.logs.writeError(stamped(formatNamedLine(String(processId), event)));
        const story = stories.get(event.connectionId ?? '');
        if (story === undefined || event.level > accept || story.lines.length >= MAX_KEPT) return;
        story.lines.push(event);
      },
      deny({ connection }) {
        const story = stories.get(connection.id);
        if (story !== undefined) story.wasDenied = true;
      },
      reset_transaction({ connection }) {
        const story = stories.get(connection.id);
        if (story === undefined) return;
        const { lines, wasDenied } = story;
        Object.assign(story, { lines: [], wasDenied: false } satisfies ConnectionLines);
        if (wasDenied) return;
        for (const event of lines)
          services.logs.writeError(stamped(formatNamedLine(`${processId} ${prefix}`, event)));
      },
      'post-connection'({ connection }) {
        stories.delete(connection.id);
      },
    };
  },
});
