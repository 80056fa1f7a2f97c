/** The facade does as nodemailer's smtp-server does: the same dialogues with both. */

import { createHmac } from 'node:crypto';
import { describe, test } from 'vitest';
import { base64, compare, EHLO, INSECURE, lines, noting, OPEN, PLAIN, type Options } from './twin.ts';

describe('AUTH', () => {
  const plain = (...fields: readonly string[]): string => base64(fields.join('\0'));
  const bearer = base64('user=someone\u0001auth=Bearer secret\u0001\u0001');
  const wrong = base64('user=someone\u0001auth=Bearer wrong\u0001\u0001');
  const authMethods = ['PLAIN', 'login', 'XOAUTH2', 'CRAM-MD5'];
  const after = ['MAIL FROM:<a@b>', 'RCPT TO:<c@d>', 'DATA', '.', EHLO, 'AUTH PLAIN'];
  test.each([
    ['PLAIN', [`AUTH PLAIN ${PLAIN}`, ...after]],
    ['PLAIN in two lines', ['AUTH PLAIN', PLAIN, ...after]],
    ['PLAIN with an identity', [`AUTH PLAIN ${plain('other', 'someone', 'secret')}`]],
    ['PLAIN with an identity alone', [`AUTH PLAIN ${plain('someone', '', 'secret')}`]],
    ['PLAIN that is wrong', [`AUTH PLAIN ${plain('', 'someone', 'wrong')}`, 'MAIL FROM:<a@b>']],
    ['PLAIN that is none', ['AUTH PLAIN x', 'AUTH PLAIN x y', 'AUTH PLAIN', '*', 'AUTH PLAIN', '']],
    ['PLAIN with control characters', [`AUTH PLAIN ${plain('', 'a\rb', 'secret')}`]],
    ['LOGIN', ['AUTH LOGIN', base64('someone'), base64('secret'), ...after]],
    ['LOGIN with the user', [`AUTH LOGIN ${base64('someone')}`, base64('secret')]],
    ['LOGIN that is wrong', ['AUTH LOGIN', base64('someone'), base64('wrong')]],
    ['LOGIN that is given up', ['AUTH LOGIN', '*', 'AUTH LOGIN', base64('someone'), '*']],
    ['LOGIN that is none', ['AUTH LOGIN a b', 'AUTH LOGIN', '', `AUTH LOGIN ${base64('a\nb')}`]],
    ['XOAUTH2', [`AUTH XOAUTH2 ${bearer}`]],
    ['XOAUTH2 in two lines', ['AUTH XOAUTH2', bearer]],
    ['XOAUTH2 that is wrong', [`AUTH XOAUTH2 ${wrong}`, '', 'NOOP']],
    ['XOAUTH2 that is none', ['AUTH XOAUTH2 x', 'AUTH XOAUTH2 x y', 'AUTH XOAUTH2', '*']],
    ['methods that are none', ['AUTH', 'AUTH X', 'AUTH scram-sha-256 x', 'auth plain x', 'AUTH CRAM-MD5 x']],
    ['mail without it', ['MAIL FROM:<a@b>', 'RCPT TO:<a@b>', 'DATA']],
    ['too many commands without it', Array.from({ length: 10 }, () => 'NOOP')],
  ])('%s', async (_, said) => {
    const options = { ...INSECURE, authMethods: [...authMethods] };
    await compare({
      options: (note) => noting(note, { ...options, authMethods: [...authMethods] }),
      talk: lines(EHLO, ...said),
      comparesLog: true,
    });
  });

  test.each(['secret', 'wrong'])('CRAM-MD5 with the password %s', async (password) => {
    await compare({
      options: (note) => noting(note, { ...INSECURE, authMethods: ['CRAM-MD5'] }),
      async talk(talk) {
        await lines(EHLO)(talk);
        talk.send('AUTH CRAM-MD5\r\n');
        const challenge = Buffer.from((await talk.challenge()).slice(4), 'base64');
        const digest = createHmac('md5', password).update(challenge).digest('hex');
        await talk.say(base64(`someone ${digest}`));
      },
    });
  });

  test.each<[string, Options]>([
    ['in the clear, where STARTTLS is offered', {}],
    ['in the clear, where it is allowed', { allowInsecureAuth: true }],
    ['optional', { ...INSECURE, authOptional: true }],
    ['with a message of its own', { ...INSECURE, authRequiredMessage: 'Log in first' }],
    ['with a limit of commands', { ...INSECURE, maxAllowedUnauthenticatedCommands: 3 }],
    ['without a limit of commands', { ...INSECURE, maxAllowedUnauthenticatedCommands: false }],
    ['as its default has it', { ...INSECURE, onAuth: undefined }],
    [
      'refused by an error',
      {
        ...INSECURE,
        onAuth: (_, __, callback) => callback(Object.assign(new Error('no\r\nno'), { responseCode: 454 })),
      },
    ],
    [
      'refused with a text',
      { ...INSECURE, onAuth: (_, __, callback) => callback(null, { message: 'never', responseCode: 550 }) },
    ],
    ['answered with nothing', { ...INSECURE, onAuth: (_, __, callback) => callback(null) }],
    [
      'answered with data',
      {
        ...INSECURE,
        onAuth: (_, __, callback) => callback(null, { data: { status: '400' }, responseCode: 334 }),
      },
    ],
  ])('%s', async (_, more) => {
    const talk = lines(
      EHLO,
      `AUTH XOAUTH2 ${wrong}`,
      '',
      'MAIL FROM:<a@b>',
      `AUTH PLAIN ${PLAIN}`,
      ...Array.from({ length: 8 }, () => 'NOOP'),
    );
    const methods = (): Options => ({ authMethods: ['XOAUTH2', 'PLAIN'] });
    await compare({ options: (note) => noting(note, { ...more, ...methods() }), talk });
  });
});

describe('TLS', () => {
  test('by STARTTLS, after which the client begins again', async () => {
    await compare({
      options: (note) => noting(note, { authOptional: true, hideREQUIRETLS: false }),
      async talk(talk) {
        await lines(EHLO, 'MAIL FROM:<a@b>', 'STARTTLS')(talk);
        await talk.startTls();
        for (const line of [
          'MAIL FROM:<a@b>',
          EHLO,
          'STARTTLS',
          `AUTH PLAIN ${PLAIN}`,
          'MAIL FROM:<a@b> REQUIRETLS',
          'RCPT TO:<a@b>',
          'DATA',
          'x\r\n.',
        ])
          await talk.say(line);
      },
      comparesLog: true,
    });
  });

  test('at once', async () => {
    await compare({
      isSecure: true,
      options: (note) => noting(note, { secure: true }),
      talk: lines(EHLO, `AUTH PLAIN ${PLAIN}`, 'MAIL FROM:<a@b>', 'RCPT TO:<a@b>', 'DATA', 'x\r\n.', 'QUIT'),
      comparesLog: true,
    });
  });

  test('in front of the server', async () => {
    const talk = lines(EHLO, `AUTH PLAIN ${PLAIN}`, 'MAIL FROM:<a@b>', 'QUIT');
    await compare({ options: (note) => noting(note, { secure: true, secured: true }), talk });
  });

  test.each(['onSecure', 'onConnect'] as const)('refused by %s', async (name) => {
    const refuse: Options =
      name === 'onSecure'
        ? { onSecure: (_, __, callback) => callback(new Error('not you')) }
        : {
            onConnect: (_, callback) => callback(Object.assign(new Error('not\nyou'), { responseCode: 421 })),
          };
    await compare({
      isSecure: true,
      options: (note) => noting(note, { secure: true, ...refuse }),
      talk: async (talk) => void (await talk.rest()),
    });
    await compare({
      options: (note) => noting(note, { authOptional: true, ...refuse }),
      async talk(talk) {
        await talk.reply();
        await talk.say('EHLO x');
        if ((await talk.say('STARTTLS')) !== '') await talk.startTls();
        await talk.rest();
      },
    });
  });
});

describe('the proxy commands', () => {
  const xclient: Options = { ...OPEN, useXClient: true, useXForward: true };
  test.each<[string, Options, readonly string[]]>([
    [
      'XCLIENT',
      xclient,
      [
        'XCLIENT NAME=Some.Example. ADDR=192.0.2.9 PORT=77 PROTO=ESMTP HELO=h',
        'MAIL FROM:<a@b>',
        EHLO,
        'XCLIENT NAME=x',
        'XFORWARD NAME=x',
        'MAIL FROM:<a@b>',
        'RCPT TO:<a@b>',
      ],
    ],
    ['XCLIENT with IPv6', xclient, ['XCLIENT ADDR=IPV6:2001:DB8:0::1', EHLO]],
    [
      'XCLIENT without a name',
      xclient,
      ['XCLIENT NAME=[UNAVAILABLE] ADDR=[TEMPUNAVAIL]', EHLO, 'MAIL FROM:<a@b>'],
    ],
    [
      'XCLIENT that is none',
      xclient,
      [
        'XCLIENT',
        'XCLIENT X=1',
        'XCLIENT NAME',
        'XCLIENT ADDR=x',
        'XCLIENT NAME=a..b',
        'XCLIENT NAME=a+0Ab',
        'XCLIENT NAME=a=b',
      ],
    ],
    ['XCLIENT within a transaction', xclient, ['MAIL FROM:<a@b>', 'XCLIENT NAME=x', 'XFORWARD NAME=x']],
    [
      'XCLIENT with a login',
      { ...xclient, disabledCommands: ['STARTTLS'], authOptional: true },
      ['XCLIENT LOGIN=someone', EHLO],
    ],
    [
      'XFORWARD',
      xclient,
      [
        'XFORWARD NAME=some.example ADDR=192.0.2.9 PORT=77 HELO=Some SOURCE=REMOTE IDENT=x',
        'XFORWARD PROTO=SMTP',
        'MAIL FROM:<a@b>',
        'RCPT TO:<a@b>',
      ],
    ],
    [
      'XFORWARD that is none',
      xclient,
      ['XFORWARD', 'XFORWARD LOGIN=x', 'XFORWARD ADDR=x', 'XFORWARD NAME=[TEMPUNAVAIL]'],
    ],
    ['where they are not offered', OPEN, ['XCLIENT NAME=x', 'XFORWARD NAME=x']],
    [
      'from an address that may',
      { ...OPEN, useXClient: ['192.0.2.1', '::ffff:127.0.0.1'] },
      ['XCLIENT NAME=x', 'XFORWARD NAME=x'],
    ],
    [
      'from an address that may not',
      { ...OPEN, useXClient: ['192.0.2.1'], useXForward: ['*'] },
      ['XCLIENT NAME=x', 'XFORWARD NAME=x'],
    ],
  ])('%s', async (_, more, said) => {
    await compare({
      options: (note) => noting(note, { ...more }),
      talk: lines(EHLO, ...said),
      comparesLog: true,
    });
  });

  test.each<[string, Options['onAuth']]>([
    ['a login that is refused', (_, __, callback) => callback(new Error('unknown user'))],
    ['a login that is none', (_, __, callback) => callback(null, { message: 'x' })],
    ['a login that nobody judges', (_, __, callback) => callback(null)],
  ])('%s', async (_, onAuth) => {
    const more: Options = { disabledCommands: ['STARTTLS'], useXClient: true, authOptional: true };
    await compare({
      options: (note) => noting(note, { ...more, onAuth }),
      talk: lines(EHLO, 'XCLIENT LOGIN=someone', EHLO),
      comparesLog: true,
    });
  });

  test.each<[string, Options]>([
    ['from everybody', { useProxy: true }],
    ['from an address', { useProxy: ['127.0.0.1'] }],
    ['of a host that is not logged', { useProxy: true, ignoredHosts: ['192.0.2.44'] }],
  ])('the PROXY header %s', async (_, more) => {
    for (const header of [
      'TCP4 192.0.2.44 203.0.113.7 35646 80',
      'TCP6 2001:db8::1 2001:db8::2 5 6',
      'UNKNOWN',
    ])
      await compare({
        prefix: `PROXY ${header}\r\n`,
        options: (note) => noting(note, { ...OPEN, ...more }),
        talk: lines(EHLO, 'QUIT'),
        comparesLog: true,
      });
  });

  test.each([
    ['that is none', 'EHLO x\r\n'],
    ['of a name', 'PROXY TCP4 some.example 192.0.2.1 4711 25\r\nEHLO x\r\n'],
    ['that has no end', `PROXY TCP4 ${'1'.repeat(5_000)}`],
  ])('a PROXY header %s', async (_, prefix) => {
    await compare({
      prefix,
      options: (note) => noting(note, { ...OPEN, useProxy: true }),
      talk: async (talk) => void (await talk.rest()),
      comparesLog: true,
    });
  });

  test('no PROXY header from those who may not', async () => {
    await compare({
      options: (note) => noting(note, { ...OPEN, useProxy: ['192.0.2.1'] }),
      talk: lines(EHLO),
    });
  });
});
