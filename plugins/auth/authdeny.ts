import { decline, definePlugin } from '../../bindings/plugin/index.ts';

/** Refuses every login: for trying out how a client takes a refusal. */
export default definePlugin({
  name: 'auth/authdeny',
  about: 'Refuses every authentication that no other plugin accepts.',
  hooks: {
    auth({ log }, _mechanism, { user }) {
      log.warn('fail: cannot authenticate');
      return decline(`${user} is not free to abuse my relay`);
    },
  },
});
