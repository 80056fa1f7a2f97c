import {
  connectionNote,
  decimal,
  definePlugin,
  denySoft,
  denySoftDisconnect,
  z,
  type HookContext,
  type Verdict,
} from '../bindings/plugin/index.ts';

/** Per cent of messages from this client that are to fail; other plugins may change it. */
export const randomFail = connectionNote<number>('random_fail_%');

/** What a message has to pass until it is queued: connect, HELO, MAIL, RCPT, DATA and its end. */
const TESTS = 6;
const CLOSING = 0.4;

const options = z.object({ percent: decimal(-100, 100).default(1) });
type Context = HookContext<z.output<typeof options>>;

/** Puts some clients off for no reason: for trying out what a client makes of it. */
export default definePlugin({
  name: 'random_error',
  about: 'Defers a share of all messages at random.',
  options,
  positional: ['percent'],
  onError: 'skip',
  hooks: {
    connect(context) {
      context.connection.notes.set(randomFail, context.options.percent);
      return failAtRandom(context);
    },
    helo: failAtRandom,
    ehlo: failAtRandom,
    mail: failAtRandom,
    rcpt: failAtRandom,
    data: failAtRandom,
    data_post: failAtRandom,
  },
});

/** The chances of all tests together make the share that was asked for. */
function failAtRandom({ connection, log, options, services }: Context): Verdict | undefined {
  const percent = connection.notes.get(randomFail) ?? options.percent;
  const successful = (1 - percent / 100) ** (1 / TESTS);
  log.info(`to fail, rand(1) must be more than ${successful}`);
  if (services.random() < successful) return undefined;
  return services.random() < CLOSING ? denySoftDisconnect('random failure') : denySoft('random failure');
}
