/** Whole sessions: octets thrown at a server from each state it can be in, in one piece and cut to pieces. */
import { cutAt } from '../../core/receive.ts';
import { chooseCuts, mustEqual } from '../cores.ts';
import type { Random } from '../random.ts';
import { expectOneReplyEach, readCodes } from '../reply-oracle.ts';
import { expectNoSessions, expectNoSlots, runSession } from '../run-session.ts';
import type { Target } from '../target.ts';

const EHLO = 'EHLO c.example\r\n';
const MAIL = `${EHLO}MAIL FROM:<a@b.example>\r\n`;
const RCPT = `${MAIL}RCPT TO:<u@example.test>\r\n`;

/** How the session may have begun before the input comes. */
const BEGINNINGS: readonly string[] = [
  '',
  'HELO c.example\r\n',
  EHLO,
  MAIL,
  RCPT,
  `${RCPT}DATA\r\n`,
  `${RCPT}DATA\r\nSubject: x\r\n\r\n`,
  `${RCPT}BDAT 20\r\nSubject: x\r\n`,
  `${RCPT}BDAT 14\r\nSubject: x\r\n\r\n`,
  `${EHLO}MAIL FROM:<a@b.example> BODY=BINARYMIME\r\nRCPT TO:<u@example.test>\r\nBDAT 1\r\n\n`,
  `${EHLO}MAIL FROM:<a@b.example> SMTPUTF8\r\n`,
  `${EHLO}BDAT 10\r\n`,
];

/** Commands of a grammar, so that a random dialogue gets somewhere. */
const COMMANDS: readonly string[] = [
  'EHLO c.example',
  'HELO c',
  'MAIL FROM:<a@b.example>',
  'MAIL FROM:<>',
  'MAIL FROM:<a@b.example> SIZE=100 BODY=8BITMIME',
  'MAIL FROM:<a@b.example> BODY=BINARYMIME',
  'MAIL FROM:<gr\xc3\xbcn@b\xc3\xbcro.example> SMTPUTF8',
  'MAIL FROM:<"a b"@[192.0.2.1]> RET=FULL ENVID=+2B',
  'MAIL FROM:<@a.example:b@c.example> SIZE=99999999',
  'RCPT TO:<u@example.test>',
  'RCPT TO:<v@example.test> NOTIFY=NEVER ORCPT=rfc822;v@example.test',
  'RCPT TO:<w@elsewhere.example>',
  'RCPT TO:<Postmaster>',
  'DATA',
  'Subject: x\r\n\r\n..text\r\n.',
  'BDAT 5\r\nabc\r\n',
  'BDAT 4 LAST\r\n\r\nx\n',
  'BDAT 0 LAST',
  'BDAT 0',
  'BDAT 70001',
  'RSET',
  'NOOP',
  'VRFY x',
  'HELP',
  'EXPN x',
  'STARTTLS',
  'AUTH PLAIN',
  'XCLIENT ADDR=192.0.2.9',
  'XFORWARD ADDR=192.0.2.9 HELO=a',
  'QUIT',
];

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/** The input somewhere among commands that make sense. */
function dialogueWith(input: Uint8Array, random: Random): Buffer {
  const lines = (count: number): Buffer =>
    latin1(Array.from({ length: random.below(count) }, () => `${random.pick(COMMANDS)}\r\n`).join(''));
  return Buffer.concat([latin1(random.pick(BEGINNINGS)), lines(6), input, lines(6)]);
}

export const target: Target = {
  name: 'session',
  dictionary: [
    ...COMMANDS.map((command) => `${command}\r\n`),
    '\r\n.\r\n',
    'BDAT ',
    ' LAST\r\n',
    '\xc3\xbc',
    '\xef\xbc\xa0',
  ],
  async run(input, random) {
    const dialogue = dialogueWith(input, random);
    const whole = await runSession([dialogue]);
    expectOneReplyEach(dialogue.latin1Slice(), readCodes(whole));
    mustEqual(
      await runSession(cutAt(dialogue, chooseCuts(dialogue.length, random))),
      whole,
      'the replies depend on the cuts',
    );
    await expectNoSessions();
    expectNoSlots();
  },
};
