import { connectionNote, definePlugin, denyDisconnect, wholeNumber, z } from '../bindings/plugin/index.ts';

/** How many unknown verbs this connection has sent; all instances of the plugin count together. */
export const unrecognizedCommands = connectionNote<number>('unrec_cmd_count');

/** Closes the connection on clients that send one unknown verb after the other: they do not speak SMTP. */
export default definePlugin({
  name: 'count_unrecognized_commands',
  about: 'Closes the connection at the Nth unknown command.',
  options: z.object({ max: wholeNumber(1, 1_000_000).default(4) }),
  positional: ['max'],
  hooks: {
    unrecognized_command({ connection, log, options }, verb) {
      const count = (connection.notes.get(unrecognizedCommands) ?? 0) + 1;
      connection.notes.set(unrecognizedCommands, count);
      if (count < options.max) {
        log.info(`'${verb}', (${count})`);
        return;
      }
      log.info(`fail, '${verb}' (${count})`);
      return denyDisconnect(
        `Closing connection, ${count} unrecognized commands. Perhaps you should read RFC 2821?`,
      );
    },
  },
});
