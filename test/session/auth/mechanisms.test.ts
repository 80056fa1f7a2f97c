/** Every mechanism from EHLO to the reply. RFC 4954. */

import { afterEach, describe, expect, test } from 'vitest';
import { denySoft, ok } from '../../../bindings/plugin/index.ts';
import type { Hooks } from '../../../bindings/plugin/hooks.ts';
import { closeServers, keeper, recorder, SECRET, startServer, USER, withHooks } from './auth-server.ts';
import { attemptNames, attempts, encode, type AttemptName } from './sasl-client.ts';

afterEach(closeServers);

const nameOf = (attempt: AttemptName): string => attempt.replace(' in two', '');

/** `pencil`, as a site keeps it that does not want to know it. */
const SALT = 'W22ZaJ0SNY7soEsUEjb6gQ==';
const KEPT = `SCRAM-SHA-256$4096:${SALT}$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=`;

describe.each(attemptNames)('%s', (name) => {
  test('lets the right user in, who then may relay', async () => {
    const server = await startServer({ plugins: [keeper(), 'rcpt_ok'] });
    const client = await server.greeted();
    const reply = await attempts[name](client, { user: USER, secret: SECRET });
    expect(reply).toBe(`235 ${nameOf(name)} authentication successful for ${USER} - keeper`);
    await client.say(`MAIL FROM:<${USER}>`);
    expect(await client.say('RCPT TO:<x@elsewhere.example>')).toMatch(/^250 /);
  });

  test('does not tell a wrong password from an unknown user, and leaves the session as it was', async () => {
    const server = await startServer({ plugins: [keeper(), 'rcpt_ok'] });
    const client = await server.greeted();
    for (const user of [USER, 'nobody@good.example']) {
      let reply = await attempts[name](client, { user, secret: 'wrong' });
      if (reply.startsWith('334')) reply = await client.say('AQ==');
      expect(reply).toBe(`535 ${nameOf(name)} authentication failed for ${user} from 127.0.0.1`);
    }
    await client.say(`MAIL FROM:<${USER}>`);
    expect(await client.say('RCPT TO:<x@elsewhere.example>')).toMatch(/^550 /);
  });

  test('is answered 454 while nobody can judge (RFC 4954 section 6), which is no failed attempt', async () => {
    const dead = (): never => {
      throw new Error('the directory is down');
    };
    const hooks = Object.fromEntries(
      ['plain', 'login', 'cram-md5', 'scram-sha-256', 'oauthbearer', 'xoauth2'].map((word) => [
        `auth-${word}`,
        dead,
      ]),
    ) as Hooks<unknown>;
    const server = await startServer({ plugins: [withHooks(hooks)], config: { auth_failures: '1' } });
    const client = await server.greeted();
    let reply = await attempts[name](client, { user: USER, secret: SECRET });
    if (reply.startsWith('334')) reply = await client.say('AQ==');
    expect(reply).toBe(`454 ${nameOf(name)} authentication failed for now, try again later`);
    expect(await client.say('NOOP')).toBe('250 OK');
  });
});

describe('what EHLO offers', () => {
  test.each<[readonly string[], string | undefined]>([
    [[], undefined],
    [['auth'], 'CRAM-MD5 LOGIN PLAIN'],
    [['auth-plain'], 'PLAIN'],
    [['auth-login', 'auth-plain'], 'LOGIN PLAIN'],
    [['auth-scram-sha-256'], 'SCRAM-SHA-256'],
    [['auth', 'auth-xoauth2', 'auth-oauthbearer'], 'CRAM-MD5 LOGIN PLAIN OAUTHBEARER XOAUTH2'],
    [['auth_parse', 'auth_scram_salt'], undefined],
  ])('hooks %j: %s', async (names, offered) => {
    const hooks = Object.fromEntries(names.map((name) => [name, () => undefined])) as Hooks<unknown>;
    const client = (await startServer({ plugins: [withHooks(hooks)] })).connect();
    await client.reply();
    const lines = (await client.say('EHLO c.example')).split('\n');
    const line = lines.find((text) => text.slice(4).startsWith('AUTH'));
    expect(line?.slice(4)).toBe(offered === undefined ? undefined : `AUTH ${offered}`);
  });

  test('extensions_off hides AUTH, and then it is not taken either', async () => {
    const server = await startServer({ plugins: [keeper()], config: { extensions_off: 'AUTH' } });
    const client = await server.greeted();
    expect(await attempts.PLAIN(client, { user: USER, secret: SECRET })).toBe('500 Unrecognized command');
  });
});

describe('SCRAM-SHA-256 with kept keys (RFC 5803)', () => {
  test('the salt comes from auth_scram_salt; nobody sees the password', async () => {
    const plugin = keeper({ scram: KEPT }, { auth_scram_salt: () => ok(`4096:${SALT}`) });
    const client = await (await startServer({ plugins: [plugin] })).greeted();
    expect(await attempts['SCRAM-SHA-256'](client, { user: USER, secret: 'pencil' })).toMatch(/^235 /);
  });

  test('PLAIN is held against the same keys', async () => {
    const client = await (await startServer({ plugins: [keeper({ scram: KEPT })] })).greeted();
    expect(await attempts.PLAIN(client, { user: USER, secret: 'Pencil' })).toMatch(/^535 /);
    expect(await attempts.PLAIN(client, { user: USER, secret: 'pencil' })).toMatch(/^235 /);
  });

  test('a salt that cannot be looked up is 454, one that cannot be read is nobody’s', async () => {
    const soft = keeper({ scram: KEPT }, { auth_scram_salt: () => denySoft() });
    const first = await (await startServer({ plugins: [soft] })).greeted();
    expect(await attempts['SCRAM-SHA-256'](first, { user: USER, secret: 'pencil' })).toMatch(/^454 /);
    const broken = keeper({ scram: KEPT }, { auth_scram_salt: () => ok('4096') });
    const second = await (await startServer({ plugins: [broken] })).greeted();
    expect(await attempts['SCRAM-SHA-256'](second, { user: USER, secret: 'pencil' })).toMatch(/^535 /);
  });

  test('a plugin that says OK without comparing lets nobody in', async () => {
    const { plugin, lines } = recorder();
    const careless = withHooks({ 'auth-scram-sha-256': () => ok() });
    const client = await (await startServer({ plugins: [careless, plugin] })).greeted();
    expect(await attempts['SCRAM-SHA-256'](client, { user: USER, secret: SECRET })).toMatch(/^535 /);
    expect(lines).toContain('3 a plugin said OK to SCRAM-SHA-256 without asking credentials.verify');
  });

  test('a client that does not take our proof is not let in', async () => {
    const client = await (await startServer({ plugins: [keeper()] })).greeted();
    const say = client.say.bind(client);
    client.say = (line) => say(line === '' ? '*' : line);
    expect(await attempts['SCRAM-SHA-256'](client, { user: USER, secret: SECRET })).toBe(
      '501 Authentication canceled',
    );
    expect(await say('AUTH PLAIN')).toMatch(/^334 /);
  });
});

test('a token is refused in two steps: the reason in JSON, then the reply (RFC 7628 section 3.2.3)', async () => {
  const client = await (await startServer({ plugins: [keeper()] })).greeted();
  const reply = await attempts.OAUTHBEARER(client, { user: USER, secret: 'stale' });
  expect(reply).toBe(`334 ${encode('{"status":"invalid_token"}')}`);
  expect(await client.say('AQ==')).toMatch(/^535 /);
  expect(await attempts.OAUTHBEARER(client, { user: USER, secret: SECRET })).toMatch(/^235 /);
});
