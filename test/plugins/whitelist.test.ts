import { describe, expect, test } from 'vitest';
import { testPlugin, printVerdict, TestServer } from '../../host/testing/index.ts';
import {
  definePlugin,
  deny,
  ok,
  whitelistHost,
  whitelistRecipients,
  whitelistSender,
} from '../../bindings/plugin/index.ts';
import whitelist, { whitelistClient, whitelistHelo } from '../../plugins/whitelist.ts';

const config = {
  whitelisthosts: ['192.0.2.1', '198.51.100.', '203.0', '2001:db8::/32', '10.0.0.0/30'],
  whitelisthelo: ['Mail.Friend.example'],
  whitelistsenders: ['boss@b.example', 'friend.example'],
  whitelistrcpt: ['abuse@good.example', 'open.example'],
};

test.each([
  ['192.0.2.1', true],
  // A whole address is not the beginning of others.
  ['192.0.2.10', false],
  ['192.0.2.100', false],
  ['198.51.100.7', true],
  ['203.0.113.9', true],
  ['203.1.0.1', false],
  ['2001:db8:7::1', true],
  ['10.0.0.3', true],
  ['10.0.0.4', false],
])('whitelist: the host %s is welcome: %s', async (ip, isWelcome) => {
  const { ask, session } = testPlugin(whitelist, { config });
  session.connection.remoteIp = ip;
  expect(printVerdict(await ask('connect'))).toBe(isWelcome ? 'OK' : 'DECLINED');
  expect(session.connection.notes.get(whitelistHost)).toBe(isWelcome ? true : undefined);
  expect(session.connection.karma).toBe(isWelcome ? 5 : 0);
});

test('whitelist: HELO names, senders and recipients by address or host', async () => {
  const { ask, session } = testPlugin(whitelist, { config });
  const mail = async (path: string) => printVerdict(await ask('mail', path));
  const rcpt = async (path: string) => printVerdict(await ask('rcpt', path));
  expect(printVerdict(await ask('helo', 'mail.friend.EXAMPLE'))).toBe('OK');
  expect(session.connection.notes.get(whitelistHelo)).toBe(true);
  expect(printVerdict(await ask('ehlo', 'mail.other.example'))).toBe('DECLINED');
  expect([await mail('<>'), await mail('<clerk@b.example>'), await mail('<x@sub.friend.example>')]).toEqual(
    new Array(3).fill('DECLINED'),
  );
  expect(session.transaction.notes.get(whitelistSender)).toBeUndefined();
  expect([await mail('<BOSS@b.example>'), await mail('<any@Friend.example>')]).toEqual(['OK', 'OK']);
  expect(session.transaction.notes.get(whitelistSender)).toBe(true);
  expect([await rcpt('<Abuse@good.example>'), await rcpt('<x@open.example>')]).toEqual(['OK', 'OK']);
  expect([await rcpt('<joe@good.example>'), await rcpt('<postmaster>')]).toEqual(['DECLINED', 'DECLINED']);
  expect(session.transaction.notes.get(whitelistRecipients)).toBe(2);
});

test('whitelist: the environment of the launcher can vouch for the client', async () => {
  const { ask, session } = testPlugin(whitelist, { system: { environment: { WHITELISTCLIENT: '1' } } });
  expect(printVerdict(await ask('connect'))).toBe('OK');
  expect(session.connection.notes.get(whitelistClient)).toBe(true);
  expect(session.connection.notes.get(whitelistHost)).toBeUndefined();
  expect(session.connection.karma).toBe(5);
});

describe('whitelist per_recipient 1', () => {
  test('looks at everything for each recipient, and accepts nobody', async () => {
    const { ask, session, hooks } = testPlugin(whitelist, { config, options: 'per_recipient 1' });
    expect(hooks).toEqual(['rcpt', 'data']);
    session.begin({ from: '<boss@b.example>', to: ['<joe@good.example>'] });
    expect(printVerdict(await ask('rcpt', '<joe@good.example>'))).toBe('DECLINED');
    await ask('data');
    expect(session.transaction.notes.get(whitelistRecipients)).toBe(1);
    // The sender's name can be forged: it makes nobody a relay client or a welcome host.
    expect(session.connection.notes.get(whitelistHost)).toBeUndefined();
    session.connection.remoteIp = '192.0.2.1';
    await ask('rcpt', '<joe@good.example>');
    expect(session.connection.notes.get(whitelistHost)).toBe(true);
  });

  /** Stands for user_config: joe has lists of his own. */
  const users = definePlugin({
    name: 'users',
    about: 'Lists of joe.',
    hooks: {
      user_config: (_, { localPart }, name) =>
        localPart === 'joe' && name === 'whitelistsenders' ? ok('spammer@x.example') : undefined,
    },
  });
  /** Tells the client how many recipients were welcome. */
  const count = definePlugin({
    name: 'count',
    about: 'Answers DATA with the number of welcome recipients.',
    hooks: { data: ({ transaction }) => deny(String(transaction.notes.get(whitelistRecipients) ?? 0)) },
  });

  test.each([
    ['per_recipient 1', 'spammer@x.example', '1'],
    ['per_recipient 1', 'boss@b.example', '2'],
    ['per_recipient 1 merge 0', 'boss@b.example', '1'],
  ])('%s: what a user welcomes counts for that user alone (%s: %s)', async (line, sender, welcome) => {
    const server = await TestServer.start({
      plugins: [`whitelist ${line}`, 'users', 'count', 'rcpt_ok'],
      definitions: [users, count],
      config: { rcpthosts: 'good.example', whitelistsenders: config.whitelistsenders },
    });
    const client = await server.greeted();
    await client.say(`MAIL FROM:<${sender}>`);
    expect(await client.say('RCPT TO:<joe@good.example>')).toContain('250 ');
    expect(await client.say('RCPT TO:<jim@good.example>')).toContain('250 ');
    expect(await client.say('RCPT TO:<joe@elsewhere.example>')).toBe('550 Relaying denied (#5.7.1)');
    expect(await client.say('DATA')).toBe(`554 ${welcome}`);
    await server.close();
  });
});
