import { definePlugin, ok, type Log, type RecipientOutcome } from '../../bindings/plugin/index.ts';

const TEXT = 'Message accepted and discarded';
const DISCARDED = ok(TEXT);
const OUTCOME: RecipientOutcome = {
  kind: 'delivered',
  reply: { code: 250, status: undefined, lines: [TEXT] },
  hop: undefined,
};

/** Accepts every message and throws it away: for measuring and for trying out a configuration. */
export default definePlugin({
  name: 'queue/discard',
  about: 'Accepts every message and throws it away.',
  outlet({ log }) {
    warn(log);
    return { deliver: ({ recipients }) => Promise.resolve(recipients.map(() => OUTCOME)) };
  },
  // By itself and not around the outlet: it shows what a message costs that goes nowhere.
  hooks({ log }) {
    warn(log);
    return { queue: () => DISCARDED };
  },
});

const warn = (log: Pick<Log, 'warn'>): void =>
  log.warn('EVERY MESSAGE IS ACCEPTED AND THROWN AWAY: remove queue/discard from the plugins to keep mail');
