import { describe, expect, test } from 'vitest';
import {
  definePlugin,
  deny,
  hooksOf,
  LogLevel,
  whitelistHost,
  whitelistSender,
  type OptionShape,
  type PluginDefinition,
} from '../../bindings/plugin/index.ts';
import { address, given, NO_PARAMETERS, words } from './plugin-context.ts';

const hooks: PluginDefinition['hooks'] = {
  mail: () => deny('no'),
  rcpt: async () => deny('not him'),
  disconnect: ({ log }) => log.at(LogLevel.NOTICE, 'bye'),
};
const someone = address('<a@b.example>');

/** What MAIL, RCPT and the end of the connection come to, and the log. */
async function play<S extends OptionShape>(
  definition: PluginDefinition<S>,
  prepare: (asked: ReturnType<typeof given>) => void,
) {
  const asked = given(definition);
  prepare(asked);
  const mail = words(await asked.ask('mail', someone, NO_PARAMETERS));
  const rcpt = words(await asked.ask('rcpt', someone, NO_PARAMETERS));
  await asked.ask('disconnect');
  return { mail, rcpt, log: asked.log };
}

const relaying = ({ session }: ReturnType<typeof given>): void =>
  void (session.connection.relayClient = true);

describe('skipsImmune', () => {
  test.each([
    ['relay client', relaying],
    [
      'whitelisted host',
      ({ session }: ReturnType<typeof given>) => session.connection.notes.set(whitelistHost, true),
    ],
    [
      'whitelisted sender',
      ({ session }: ReturnType<typeof given>) => session.transaction.notes.set(whitelistSender, true),
    ],
  ])('a %s never reaches the hooks, and the log says why', async (reason, prepare) => {
    const { mail, rcpt, log } = await play({ name: 'p', about: '', skipsImmune: true, hooks }, prepare);
    expect([mail, rcpt]).toEqual(['DECLINED', 'DECLINED']);
    expect(log).toEqual(['mail', 'rcpt', 'disconnect'].map((hook) => `[c1] (${hook}) p: skip, ${reason}`));
  });

  test('everybody else does', async () => {
    const { mail, rcpt, log } = await play(
      { name: 'p', about: '', skipsImmune: true, hooks },
      () => undefined,
    );
    expect([mail, rcpt, log]).toEqual(['DENY no', 'DENY not him', ['[c1] (disconnect) p: bye']]);
  });

  test('names spare them in these hooks alone', async () => {
    const { mail, rcpt, log } = await play({ name: 'p', about: '', skipsImmune: ['mail'], hooks }, relaying);
    expect([mail, rcpt]).toEqual(['DECLINED', 'DENY not him']);
    expect(log).toEqual(['[c1] (mail) p: skip, relay client', '[c1] (disconnect) p: bye']);
  });

  test('without it hooks are called as they are: nothing is put in front', () => {
    expect(given({ name: 'p', about: '', hooks }).plugin.hooks).toBe(hooks);
  });

  test('who builds on such a plugin spares them too', async () => {
    const parent = definePlugin({
      name: 'parent',
      about: '',
      skipsImmune: true,
      hooks: { mail: () => deny('no') },
    });
    const child = definePlugin({
      name: 'child',
      about: '',
      hooks: (setup) => ({ ...hooksOf(parent, setup), rcpt: () => deny('mine') }),
    });
    const { mail, rcpt } = await play(child, relaying);
    expect([mail, rcpt]).toEqual(['DECLINED', 'DENY mine']);
  });

  test.each([
    [['mial'], 'p: Invalid hook: mial, did you mean mail?'],
    ['mail', 'p: its `skipsImmune` must be true or names of hooks'],
    [false, 'p: its `skipsImmune` must be true or names of hooks'],
  ])('%j is refused where nothing checks types', (skipsImmune, problem) => {
    expect(() => given({ name: 'p', about: '', skipsImmune: skipsImmune as never, hooks })).toThrow(
      `plugins:1: ${problem}`,
    );
  });
});
