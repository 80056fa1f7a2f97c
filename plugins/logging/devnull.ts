import { definePlugin } from '../../bindings/plugin/index.ts';

/** Keeps the built-in log silent, for measuring: with any logging plugin it is, and this one wants nothing. */
export default definePlugin({
  name: 'logging/devnull',
  about: 'Throws all log lines away.',
  logsUpTo: () => -1,
  hooks: {
    logging() {
      // Nothing is ever handed over.
    },
  },
});
