import { definePlugin, ok } from '../../bindings/plugin/index.ts';

/** Accepts every message and throws it away: for measuring and for trying out a configuration. */
export default definePlugin({
  name: 'queue/discard',
  about: 'Accepts every message and throws it away.',
  hooks({ log }) {
    log.warn('EVERY MESSAGE IS ACCEPTED AND THROWN AWAY: remove queue/discard from the plugins to keep mail');
    return { queue: () => DISCARDED };
  },
});

const DISCARDED = ok('Message accepted and discarded');
