/** The facade does as nodemailer's smtp-server does: the same dialogues with both. */

import { describe, test } from 'vitest';
import { compare, EHLO, lines, MESSAGE, noting, OPEN } from './twin.ts';

describe('commands', () => {
  test.each([
    ['every command', [EHLO, 'NOOP', 'HELP', 'VRFY', 'VRFY x', 'RSET', 'HELO h', 'QUIT']],
    ['a message', [...MESSAGE, 'QUIT']],
    ['two messages', [...MESSAGE, ...MESSAGE.slice(1), 'QUIT']],
    ['no greeting', ['MAIL FROM:<a@b>', 'RCPT TO:<a@b>', 'DATA', 'AUTH PLAIN']],
    [
      'greetings that are none',
      ['EHLO', 'EHLO a b', 'HELO', 'HELO a b', `EHLO ${'x'.repeat(301)}`, 'LHLO x'],
    ],
    ['an order that is none', [EHLO, 'RCPT TO:<a@b>', 'DATA', 'MAIL FROM:<a@b>', 'DATA', 'MAIL FROM:<c@d>']],
    ['unknown commands', [EHLO, '', ' ', 'EXPN x', ...Array.from({ length: 9 }, (_, at) => `X${at}`)]],
    ['old commands', [EHLO, 'SHELL', 'WIZ', 'WIZ x', 'SHELL', 'KILL']],
    ['lower case', ['ehlo x', 'mail from:<a@b.example>', 'Rcpt To:<c@d.example>', 'rset', 'quit']],
    ['HTTP', ['GET / HTTP/1.1']],
    ['blanks', [`${EHLO}  `, 'MAIL FROM : <a@b.example>', 'RCPT TO: <c@d.example> ']],
    ['the same recipient twice', [EHLO, 'MAIL FROM:<a@b>', 'RCPT TO:<a@b>', 'RCPT TO:<A@B>', 'DATA', '.']],
    ['STARTTLS with an argument', [EHLO, 'STARTTLS now']],
  ])('%s', async (_, said) => {
    const more = said.includes('STARTTLS now') ? { disabledCommands: ['AUTH'] } : OPEN;
    await compare({ options: (note) => noting(note, more), talk: lines(...said), comparesLog: true });
  });

  test('come in any pieces, and many at once', async () => {
    const octets = [...MESSAGE, 'QUIT', 'NOOP'].map((line) => `${line}\r\n`).join('');
    await compare({
      options: (note) => noting(note, OPEN),
      async talk(talk) {
        await talk.reply();
        talk.send(octets);
        await talk.rest();
      },
    });
    await compare({
      options: (note) => noting(note, OPEN),
      async talk(talk) {
        await talk.reply();
        for (const octet of octets) {
          talk.send(octet);
          await new Promise((resolve) => setImmediate(resolve));
        }
        await talk.rest();
      },
    });
  });

  test('before the banner end the connection', async () => {
    await compare({
      options: () => OPEN,
      async talk(talk) {
        talk.send('EHLO early\r\n');
        await talk.rest();
      },
    });
  });
});

describe('paths and parameters', () => {
  test.each([
    '<>',
    '<a@b.example>',
    'a@b.example',
    '<a@b.example',
    '<<a@b>>',
    '<@r.example:a@b.example>',
    '<@r1,@r2:a@b>',
    '<a>',
    '<a@>',
    '<@b>',
    '<a@b@c>',
    '<.a@b.example>',
    '<a.@b.example>',
    '<a..b@c.example>',
    '<a@.b>',
    '<a@b.>',
    '<a@b..c>',
    '<a@b-.c>',
    '<a@-b>',
    '<a@[192.0.2.1]>',
    '<a@[300.0.2.1]>',
    '<a@[IPv6:2001:DB8:0:0::1]>',
    '<a@[x]>',
    '<a@xn--bcher-kva.example>',
    '<a@BÜCHER.example>',
    '<ä@b.example>',
    '<a+b=c@d.example>',
    '<Postmaster>',
    '<"a b"@c.example>',
    '<a@b_c.example>',
    `<${'a'.repeat(240)}@example.org>`,
    `<${'a'.repeat(250)}@example.org>`,
    '<a\u200bb@c.example>',
    '<a@b.example> X=1',
    '<a@b.example> SIZE=5 SIZE=6',
    '<a@b.example> SIZE',
    '<a@b> SIZE=x',
    '<a@b> BODY=8BITMIME',
    '<a@b> BODY=7bit',
    '<a@b> BODY=BINARYMIME',
    '<a@b> BODY',
    '<a@b> SMTPUTF8',
    '<a@b> SMTPUTF8=1',
    '<a@b> REQUIRETLS',
    '<a@b> SIZE=99999999',
    '<a@b> X=a+0Ab',
    '<a@b> X=a+41b Y',
    '<a@b> =1',
    '<a@b> RET=FULL ENVID=abc',
    '<a@b> RET=hdrs',
    '<a@b> RET=x',
    '<a@b> ENVID',
    '<a@b> NOTIFY=NEVER',
    '<a@b> NOTIFY=success,delay ORCPT=rfc822;a+2Bb@c',
    '<a@b> NOTIFY=NEVER,DELAY',
    '<a@b> NOTIFY=often',
    '<a@b> NOTIFY',
    '<a@b> ORCPT=x',
    '<a@b> ORCPT=rfc822;',
    '<a@b> __PROTO__=1',
  ])('%s', async (path) => {
    for (const more of [{ size: 1_000 }, { hideDSN: false, lenientAddressParsing: true }])
      await compare({
        options: (note) => noting(note, { ...OPEN, ...more }),
        talk: lines(EHLO, `MAIL FROM:${path}`, 'RSET', 'MAIL FROM:<x@y>', `RCPT TO:${path}`),
      });
  });

  test('that are hardly looked at', async () => {
    for (const lenientAddressParsing of [false, true])
      await compare({
        options: (note) => noting(note, { ...OPEN, lenientAddressParsing }),
        talk: lines(
          EHLO,
          'MAIL FROM:<.a..b.@c_d.example>',
          'RSET',
          'MAIL FROM:<x@y>',
          'RCPT TO:<a@-b..example>',
          'RCPT TO:<a@[none]>',
          'RCPT TO:<a b@c>',
        ),
      });
  });
});
