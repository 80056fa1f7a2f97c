import {
  connectionNote,
  definePlugin,
  denyDisconnect,
  wholeNumber,
  z,
  type HookContext,
} from '../bindings/plugin/index.ts';

/** NOOPs in a row. */
const count = connectionNote<number>('noop_count');

/** Closes the connection on clients that keep it open with NOOP after NOOP. */
export default definePlugin({
  name: 'noop_counter',
  about: 'Closes the connection at the Nth NOOP in a row.',
  options: z.object({ max: wholeNumber(1, 1_000_000).default(3) }),
  positional: ['max'],
  hooks: {
    noop({ connection: { notes }, options }) {
      const noops = (notes.get(count) ?? 0) + 1;
      notes.set(count, noops);
      if (noops < options.max) return undefined;
      return denyDisconnect('Stop wasting my time, too many consecutive NOOPs');
    },
    helo: startOver,
    ehlo: startOver,
    mail: startOver,
    rcpt: startOver,
    data: startOver,
    reset_transaction: startOver,
    vrfy: startOver,
    help: startOver,
  },
});

function startOver({ connection: { notes } }: HookContext): void {
  notes.delete(count);
}
