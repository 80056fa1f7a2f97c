/** The facade does as nodemailer's smtp-server does: the same dialogues with both. */

import { describe, test } from 'vitest';
import { compare, EHLO, ENVELOPE, lines, noting, OPEN, PLAIN, type Options } from './twin.ts';

describe('options', () => {
  test.each<[string, Options]>([
    ['name', { name: 'other.example' }],
    ['no name', { name: undefined }],
    ['banner', { banner: 'Welcome' }],
    ['heloResponse', { heloResponse: 'Hi %s, you are %s %s' }],
    ['size', { size: 20 }],
    ['hideSize', { size: 20, hideSize: true }],
    ['rejectOversized', { size: 20, rejectOversized: true }],
    ['rejectOversized without a size', { rejectOversized: true }],
    ['hidePIPELINING', { hidePIPELINING: true }],
    ['hide8BITMIME', { hide8BITMIME: true }],
    ['hideSMTPUTF8', { hideSMTPUTF8: true }],
    ['hideENHANCEDSTATUSCODES: false', { hideENHANCEDSTATUSCODES: false }],
    ['hideDSN: false', { hideDSN: false }],
    ['hideSTARTTLS', { disabledCommands: ['AUTH'], hideSTARTTLS: true }],
    ['disabledCommands', { disabledCommands: ['auth', 'StartTLS', 'help', 'VRFY'] }],
    ['maxRecipients', { maxRecipients: 1 }],
    ['lmtp', { lmtp: true }],
    ['lmtp and rejectOversized', { lmtp: true, size: 20, rejectOversized: true }],
    ['maxClients', { maxClients: 1 }],
    ['component', { component: 'other' }],
    ['authMethods', { disabledCommands: ['STARTTLS'], authOptional: true, authMethods: ['cram-md5 '] }],
  ])('%s', async (_, more) => {
    const hello = more.lmtp === true ? 'LHLO x' : EHLO;
    const said = [
      hello,
      'HELP',
      'VRFY x',
      'HELO x',
      hello,
      'MAIL FROM:<a@b> SIZE=21',
      'MAIL FROM:<a@b>',
      'RCPT TO:<a@b>',
    ];
    const rest = [
      'RCPT TO:<c@d>',
      'RCPT TO:<a@b> NOTIFY=NEVER',
      'DATA',
      'Subject: longer than twenty\r\n\r\n.',
      'NOOP',
      'QUIT',
    ];
    const options = { disabledCommands: ['AUTH', 'STARTTLS'], ...more };
    await compare({
      options: (note) => noting(note, { ...options }),
      async talk(talk) {
        await lines(...said, ...rest)(talk);
        await talk.rest();
      },
      comparesLog: true,
    });
  });

  test('maxCommandLength', async () => {
    for (const text of ['x'.repeat(100), `${'x'.repeat(101)}`, `${'x'.repeat(300)}\r\n`])
      await compare({
        options: () => ({ ...OPEN, maxCommandLength: 100 }),
        async talk(talk) {
          await talk.reply();
          talk.send(text);
          if (text.length > 100) await talk.rest();
        },
      });
  });

  test('session.disabledCommands', async () => {
    const onConnect: Options['onConnect'] = (session, callback) => {
      session.disabledCommands = ['starttls', 'NOOP'];
      callback();
    };
    await compare({
      options: (note) => noting(note, { disabledCommands: ['HELP'], onConnect, authOptional: true }),
      talk: lines(EHLO, 'NOOP', 'HELP', 'STARTTLS', `AUTH PLAIN ${PLAIN}`),
    });
  });

  test.each([
    [
      'a name',
      (_: string, callback: (error: Error | null, names?: string[]) => void) =>
        callback(null, ['Some.Example.', 'b']),
    ],
    ['no name', (_: string, callback: (error: Error | null, names?: string[]) => void) => callback(null, [])],
    [
      'a name that is none',
      (_: string, callback: (error: Error | null, names?: string[]) => void) => callback(null, ['a\r\nb']),
    ],
    [
      'an error',
      (_: string, callback: (error: Error | null, names?: string[]) => void) =>
        callback(new Error('ENOTFOUND')),
    ],
  ])('resolver with %s', async (_, reverse) => {
    const more: Options = { ...OPEN, disableReverseLookup: false, resolver: { reverse } };
    await compare({ options: (note) => noting(note, more), talk: lines(EHLO), comparesLog: true });
  });
});

describe('callbacks', () => {
  const coded = (code: number, text: string): Error => Object.assign(new Error(text), { responseCode: code });
  test.each<[string, Options]>([
    ['onConnect', { onConnect: (_, callback) => callback(new Error('no access')) }],
    ['onMailFrom', { onMailFrom: (_, __, callback) => callback(new Error('no\r\n250 such')) }],
    ['onMailFrom with a code', { onMailFrom: (_, __, callback) => callback(coded(451, 'later')) }],
    ['onRcptTo', { onRcptTo: (_, __, callback) => callback(new Error('unknown')) }],
    ['onRcptTo with a code', { onRcptTo: (_, __, callback) => callback(coded(421, 'go away')) }],
    [
      'onRcptTo that throws',
      {
        onRcptTo: () => {
          throw new Error('a fault');
        },
      },
    ],
    [
      'onRcptTo that changes the envelope',
      {
        onRcptTo: (address, session, callback) => {
          session.envelope.rcptTo.push({ address: 'more@b', args: false });
          address.address = 'other@b';
          callback();
        },
      },
    ],
    [
      'onData that throws',
      {
        onData: () => {
          throw new Error('a fault');
        },
      },
    ],
  ])('%s', async (_, more) => {
    await compare({
      options: (note) => noting(note, { ...OPEN, ...more }),
      talk: lines(
        EHLO,
        'MAIL FROM:<a@b>',
        'RCPT TO:<c@d>',
        'RCPT TO:<c@d>',
        ...(more.onData === undefined ? ['DATA', '.', 'QUIT'] : ['DATA']),
      ),
    });
  });

  test.each<[string, Options['onData']]>([
    ['a text', (stream, _, callback) => stream.resume().on('end', () => callback(null, 'queued as 1'))],
    ['an error', (stream, _, callback) => stream.resume().on('end', () => callback(new Error('spam')))],
    [
      'an error with a code',
      (stream, _, callback) => stream.resume().on('end', () => callback(coded(552, 'too big'))),
    ],
    ['an error at once, without reading', (_, __, callback) => callback(coded(554, 'never'))],
    ['success at once, without reading', (_, __, callback) => callback(null, 'fine')],
    [
      'results',
      (stream, _, callback) =>
        stream.resume().on('end', () => callback(null, ['one', coded(550, 'two'), new Error('three')])),
    ],
    [
      'something later',
      (stream, _, callback) => stream.resume().on('end', () => setTimeout(() => callback(), 20)),
    ],
  ])('onData with %s', async (_, onData) => {
    for (const lmtp of [false, true])
      await compare({
        options: (note) => noting(note, { ...OPEN, onData, lmtp }),
        async talk(talk) {
          await lines(
            lmtp ? 'LHLO x' : EHLO,
            'MAIL FROM:<a@b>',
            'RCPT TO:<c@d>',
            'RCPT TO:<e@f>',
            'RCPT TO:<g@h>',
            'DATA',
          )(talk);
          talk.send('Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n');
          await talk.rest();
        },
      });
  });

  test.each([
    ['dots', '..\r\n...\r\nx.\r\n..x\r\n.\r\n'],
    ['nothing', '.\r\n'],
    ['an empty line', '\r\n.\r\n'],
    ['a dot between bare line feeds', 'a\n.\nb\r\n.\r\n'],
    ['bare line ends', 'a\rb\nc\r\n.\r\n'],
    ['octets of all kinds', `${String.fromCharCode(...Array.from({ length: 256 }, (_, at) => at))}\r\n.\r\n`],
    ['much', `${'line of text\r\n'.repeat(20_000)}.\r\n`],
  ])('content with %s', async (_, content) => {
    for (const pieces of content.length < 1_000 ? [1, 7, 5_000] : [65_536])
      await compare({
        options: (note) => noting(note, OPEN),
        async talk(talk) {
          await lines(...ENVELOPE, 'DATA')(talk);
          const octets = Buffer.from(content, 'latin1');
          for (let at = 0; at < octets.length; at += pieces) {
            talk.send(octets.subarray(at, at + pieces));
            await new Promise((resolve) => setImmediate(resolve));
          }
          await talk.reply();
          await talk.say('NOOP');
        },
      });
  });

  test('onClose', async () => {
    await compare({
      options: (note) => ({
        ...OPEN,
        onClose: ({ hostNameAppearsAs, envelope: { mailFrom } }) =>
          note(`closed ${hostNameAppearsAs} ${JSON.stringify(mailFrom)}`),
      }),
      talk: lines(EHLO, 'MAIL FROM:<a@b>', 'QUIT'),
      comparesLog: true,
    });
  });

  test('a client that leaves within its message', async () => {
    for (const hears of [false, true])
      await compare({
        options: (note) =>
          noting(note, {
            ...OPEN,
            onData(stream) {
              stream.resume().on('close', () => note(`closed ${stream.destroyed}`));
              if (hears)
                stream.on('error', (error: NodeJS.ErrnoException) => note(`${error.code} ${error.message}`));
            },
          }),
        async talk(talk) {
          await lines(...ENVELOPE, 'DATA')(talk);
          talk.send('Subject: x\r\n');
          await new Promise((resolve) => setTimeout(resolve, 50));
        },
      });
  });
});

describe('the end', () => {
  test('of the server: clients read it at their next command', async () => {
    await compare({
      options: (note) => noting(note, OPEN),
      async talk(talk, server) {
        await talk.reply();
        await talk.say(EHLO);
        server.close();
        await talk.say('NOOP');
        await talk.rest();
      },
      comparesLog: true,
    });
  });

  test('of the server, when closeTimeout is over', async () => {
    await compare({
      options: (note) => noting(note, { ...OPEN, closeTimeout: 50 }),
      async talk(talk, server) {
        await talk.reply();
        server.close();
        await talk.rest();
      },
      comparesLog: true,
    });
  });

  test('of a client that keeps silent', async () => {
    await compare({
      options: (note) => noting(note, { ...OPEN, socketTimeout: 700 }),
      async talk(talk) {
        await talk.reply();
        await talk.rest();
      },
    });
  });
});
