import { describe, expect, test } from 'vitest';
import {
  DigestCredentials,
  PasswordCredentials,
  printVerdict,
  testPlugin,
} from '../../host/testing/index.ts';
import authFlatFile from '../../plugins/auth/auth_flat_file.ts';
import authdeny from '../../plugins/auth/authdeny.ts';

const config = {
  flat_auth_pw: [
    'user@good.example:secret',
    'user@good.example:second',
    'Mixed@Good.example:pass word: with colon',
    'empty@good.example:',
    'a.b@good.example:dot',
  ],
};

const password = (user: string, text: string): PasswordCredentials => new PasswordCredentials(user, text);

describe('auth_flat_file', () => {
  test.each([
    ['user@good.example', 'secret', 'OK auth_flat_file'],
    ['USER@GOOD.EXAMPLE', 'secret', 'OK auth_flat_file'],
    ['mixed@good.example', 'pass word: with colon', 'OK auth_flat_file'],
    ['user@good.example', 'second', 'DENY auth_flat_file - wrong password'],
    ['user@good.example', 'Secret', 'DENY auth_flat_file - wrong password'],
    ['empty@good.example', 'x', 'DENY auth_flat_file - no such user'],
    ['nobody@good.example', 'secret', 'DECLINED'],
    ['user', 'secret', 'DECLINED'],
    // Names are no patterns, and no part of one is enough.
    ['.*@good.example', 'secret', 'DECLINED'],
    ['aXb@good.example', 'dot', 'DECLINED'],
    ['user@good.example@x', 'secret', 'DECLINED'],
    ['user@good', 'secret', 'DECLINED'],
    ['__proto__@good.example', 'secret', 'DECLINED'],
  ])('%s with password %s: %s', async (user, text, answer) => {
    const { ask } = testPlugin(authFlatFile, { config });
    expect(printVerdict(await ask('auth-plain', 'plain', password(user, text)))).toBe(answer);
    expect(printVerdict(await ask('auth-login', 'login', password(user, text)))).toBe(answer);
  });

  test('a digest is held against the password (RFC 2195 section 2)', async () => {
    const ticket = '<1896.697170952@postoffice.reston.mci.net>';
    const digest = 'b913a602c7eda7a495b4e6e7334d3890';
    const { ask } = testPlugin(authFlatFile, {
      config: { flat_auth_pw: ['tim@x.example:tanstaaftanstaaf'] },
    });
    const credentials = new DigestCredentials('tim@x.example', ticket, digest);
    expect(printVerdict(await ask('auth-cram-md5', 'cram-md5', credentials))).toBe('OK auth_flat_file');
    const other = new DigestCredentials('tim@x.example', '<1.2@x>', digest);
    expect(printVerdict(await ask('auth-cram-md5', 'cram-md5', other))).toBe(
      'DENY auth_flat_file - wrong password',
    );
  });

  test('has the hooks of qpsmtpd, and that of SCRAM-SHA-256 on demand', () => {
    const classic = ['auth-plain', 'auth-login', 'auth-cram-md5'];
    expect(testPlugin(authFlatFile, { config }).hooks).toEqual(classic);
    const { hooks } = testPlugin(authFlatFile, { config, options: 'scram 1' });
    expect(hooks).toEqual([...classic, 'auth-scram-sha-256']);
  });

  test('says in the log what it saw, and no password', async () => {
    const { ask, log } = testPlugin(authFlatFile, { config });
    await ask('auth-plain', 'plain', password('user', 'one'));
    await ask('auth-plain', 'plain', password('nobody@x.example', 'two'));
    await ask('auth-plain', 'plain', password('user@good.example', 'three'));
    await ask('auth-plain', 'plain', password('user@good.example', 'secret'));
    expect(log).toEqual([
      '[c1] (auth-plain) auth/auth_flat_file: fail: missing domain',
      '[c1] (auth-plain) auth/auth_flat_file: fail: no such user: nobody@x.example',
      '[c1] (auth-plain) auth/auth_flat_file: fail: wrong password',
      '[c1] (auth-plain) auth/auth_flat_file: pass',
    ]);
  });

  test('an entry that matches nobody is named by its number, not quoted', () => {
    const { log } = testPlugin(authFlatFile, {
      config: { flat_auth_pw: ['a@b:c', 'user:secret', 'secret'] },
    });
    expect(log.filter((line) => line.includes('matches nobody'))).toHaveLength(2);
    expect(log.join()).not.toContain('secret');
  });
});

test('authdeny leaves everybody to the plugins behind it, and says why nobody came', async () => {
  const { ask, log } = testPlugin(authdeny);
  const answer = await ask('auth', 'plain', password('tim', 'x'));
  expect(printVerdict(answer)).toBe('DECLINED tim is not free to abuse my relay');
  expect(log).toEqual(['[c1] (auth) auth/authdeny: fail: cannot authenticate']);
});
