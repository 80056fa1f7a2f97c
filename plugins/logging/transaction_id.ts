import {
  definePlugin,
  formatNamedLine,
  LogLevel,
  logLevel,
  timestamp,
  z,
} from '../../bindings/plugin/index.ts';

/** Writes the log to the standard error stream with the transaction in front: the connection and a number. */
export default definePlugin({
  name: 'logging/transaction_id',
  about:
    'Writes log lines up to a level (LOGWARN) with the transaction in front to the standard error stream.',
  options: z.object({ level: logLevel().default(LogLevel.WARN), timestamp: timestamp() }),
  positional: ['level'],
  logsUpTo: ({ level }) => level,
  hooks({ options, services }) {
    const stamped = services.logs.stamped(options.timestamp);
    return {
      logging(_, event) {
        const { transactionId } = event;
        const id = transactionId === undefined ? '???' : `${services.system.processId}-${transactionId}`;
        services.logs.writeError(stamped(formatNamedLine(id, event)));
      },
    };
  },
});
