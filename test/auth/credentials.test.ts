import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { decodeBase64 } from '../../bindings/wire/base64.ts';
import { conceal } from '../../host/observe/log-text.ts';
import { DigestCredentials, PasswordCredentials, TokenCredentials } from '../../host/auth/credentials.ts';
import { prepare } from '../../bindings/wire/sasl-prep.ts';

/** Password `pencil`, with the salt of RFC 7677 section 3. */
const KEPT =
  'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=';

const password = (text: string): PasswordCredentials => new PasswordCredentials('tim', text);
const ticket = '<1896.697170952@postoffice.reston.mci.net>';
const digest = 'b913a602c7eda7a495b4e6e7334d3890';

describe('verify', () => {
  test('a password is the same or it is not', async () => {
    expect(await password('pencil').verify('pencil')).toBe(true);
    for (const wrong of ['Pencil', 'penci', 'pencil ', '']) {
      expect(await password('pencil').verify(wrong), wrong).toBe(false);
    }
  });

  test('a password is held against kept SCRAM keys', async () => {
    expect(await password('pencil').verify({ scram: KEPT })).toBe(true);
    expect(await password('Pencil').verify({ scram: KEPT })).toBe(false);
    await expect(password('pencil').verify({ scram: 'pencil' })).rejects.toThrow(/^not SCRAM-SHA-256/);
  });

  test('the digest of RFC 2195 section 2 is that of its password', async () => {
    const credentials = new DigestCredentials('tim', ticket, digest);
    expect(await credentials.verify('tanstaaftanstaaf')).toBe(true);
    expect(await credentials.verify('tanstaaftanstaa')).toBe(false);
    expect(await credentials.verify({ scram: KEPT })).toBe(false);
  });

  test('a token is the same or it is not', async () => {
    const credentials = new TokenCredentials('tim', 'ya29');
    expect(await credentials.verify('ya29')).toBe(true);
    expect(await credentials.verify('ya2')).toBe(false);
    expect(await credentials.verify({ scram: KEPT })).toBe(false);
  });

  test('passwords that look the same are the same (RFC 4013)', async () => {
    expect(await password('p\u00a0a\u00ads\u2168').verify('p asIX')).toBe(true);
    expect(prepare('Å')).toBe(prepare('A\u030a'));
    expect(prepare('plain ASCII \u0001')).toBe('plain ASCII \u0001');
  });
});

describe('secrets', () => {
  const all = [
    password('s3cr3t'),
    new TokenCredentials('tim', 's3cr3t'),
    new DigestCredentials('tim', 't', 's3cr3t'),
  ];

  test('are not shown by anything that prints an object', () => {
    for (const credentials of all) {
      expect(credentials.secrets).toEqual(['s3cr3t']);
      const shown = [
        inspect(credentials, { depth: 9, getters: false }),
        JSON.stringify(credentials),
        String(credentials),
      ];
      expect(shown.join(' ')).not.toContain('s3cr3t');
      expect(shown.join(' ')).toContain('tim');
    }
  });

  test('hide the whole text that names one: cut out alone, a word of a known text would be spelt out', () => {
    expect(conceal('bind as x with s3cr3t failed', ['other', 's3cr3t'])).toMatch(/^\[hidden: /);
    expect(conceal('wrong password', ['wrong'])).not.toContain('password');
    expect(conceal('text', ['s3cr3t'])).toBe('text');
    expect(conceal('text', undefined)).toBe('text');
  });
});

test.each(['', 'AAAA', 'dGlt', 'AA==', 'AAA=', 'a+/A'])('base64 %j is taken', (text) => {
  expect(decodeBase64(text)?.toString('base64')).toBe(text);
});

test.each([
  'A',
  'AA',
  'AAA',
  'A===',
  'AB==',
  'AA==AAAA',
  'AAAA\n',
  ' AAAA',
  'AA-_',
  '=',
  '====',
  '*',
  'AAA\u00e4',
])('base64 %j is refused (RFC 4648 section 3.5)', (text) => expect(decodeBase64(text)).toBeUndefined());
