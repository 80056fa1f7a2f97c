// A plugin that does what the local part of an address says, and behaves otherwise.
import { EventEmitter } from 'node:events';
import { connectionNote, definePlugin, deny, ok } from 'qpsmtpd/plugin';

const heap = connectionNote('heap');
const unheard = (text) => setImmediate(() => new EventEmitter().emit('error', new Error(text)));

const deeds = {
  throws() {
    throw new Error('thrown at once');
  },
  rejects: () => Promise.reject(new Error('rejected')),
  silent: () => new Promise(() => undefined),
  twice: () => ({
    then(resolve, reject) {
      resolve(deny('the first word'));
      resolve(ok());
      reject(new Error('the third word'));
    },
  }),
  exits: () => process.exit(3),
  aborts: () => process.abort(),
  kills: () => process.kill(process.pid, 'SIGKILL'),
  'exits-later': () => void setTimeout(() => process.exit(3), 5),
  unheard: () => void unheard('nobody listens'),
  'unheard-and-awaited': () => new Promise(() => unheard('nobody listens while it is awaited')),
  'timer-behind-the-end': () =>
    void setTimeout(() => {
      throw new Error('the session is over');
    }, 200),
  microtask: () =>
    queueMicrotask(() => {
      throw new Error('of a microtask');
    }),
  floating: () => void Promise.reject(new Error('nobody awaits it')),
  garbage: () => ({ kind: 'verdict', code: 1, lines: 7 }),
  heap: ({ connection }) => connection.notes.set(heap, 'x'.repeat(32 * 1_048_576)),
};

const act = (context, { localPart }) => deeds[localPart]?.(context);

export default definePlugin({
  name: 'hostile',
  about: 'Breaks everything.',
  hooks: { mail: act, rcpt: act },
});
