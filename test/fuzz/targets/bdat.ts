/** The same message by BDAT in chunks of any size, and by DATA: what is stored must be what was sent. */
import { cutAt } from '../../core/receive.ts';
import { chooseCuts, mustEqual } from '../cores.ts';
import type { Random } from '../random.ts';
import { readCodes } from '../reply-oracle.ts';
import { expectNoSessions, expectNoSlots, queued, runSession } from '../run-session.ts';
import type { Target } from '../target.ts';

const MAX_OCTETS = 70_000;
const BARE = /\r(?!\n)|(?<!\r)\n/;

/** What the server is expected to make of a message. */
interface Expectation {
  readonly code: number;
  readonly content: string | undefined;
}

/** The rules as text searches. */
function judge(message: string, isBinary: boolean): Expectation {
  if (message.length > MAX_OCTETS) return { code: 552, content: undefined };
  if (!isBinary && BARE.test(message)) return { code: 550, content: undefined };
  const isOpen = !isBinary && message !== '' && !message.endsWith('\n');
  return { code: 250, content: isOpen ? `${message}\r\n` : message };
}

/** Fields of a header are limited, and a continuation of nothing is dropped; other tests say how. */
const isPlain = (message: string): boolean => message.split('\n').length < 1_500 && !/^[ \t]/.test(message);

function envelope(isBinary: boolean): Buffer {
  const body = isBinary ? ' BODY=BINARYMIME' : '';
  return Buffer.from(`EHLO c.example\r\nMAIL FROM:<a@b.example>${body}\r\nRCPT TO:<u@example.test>\r\n`);
}

/** The message in chunks, now and then an empty one, with commands between them that change nothing. */
function inChunks(message: Uint8Array, random: Random): { octets: Buffer; replies: number } {
  const pieces = cutAt(message, chooseCuts(message.length, random));
  const parts: Uint8Array[] = [];
  let replies = 0;
  const say = (text: string): void => {
    parts.push(Buffer.from(text));
    replies++;
  };
  for (const [index, piece] of pieces.entries()) {
    if (random.isOneIn(16)) say('BDAT 0\r\n');
    if (random.isOneIn(16)) say(random.pick(['NOOP\r\n', 'VRFY x\r\n']));
    const isLast = index === pieces.length - 1;
    if (isLast && random.isOneIn(4)) {
      say(`BDAT ${piece.length}\r\n`);
      parts.push(piece);
      say('bdat 0 last\r\n');
    } else {
      say(`BDAT ${piece.length}${isLast ? ' LAST' : ''}\r\n`);
      parts.push(piece);
    }
  }
  return { octets: Buffer.concat(parts), replies };
}

/** The content that was queued, without the field that the server put on top. */
const storedContent = (): string | undefined => queued.content?.replace(/^Received: .*\r\n .*\r\n/, '');

async function deliver(octets: Buffer, random: Random): Promise<readonly number[]> {
  queued.content = undefined;
  return readCodes(await runSession(cutAt(octets, chooseCuts(octets.length, random))));
}

async function sendByBdat(message: Uint8Array, text: string, random: Random): Promise<void> {
  const isBinary = random.isOneIn(3);
  const chunks = inChunks(message, random);
  const expected = judge(text, isBinary);
  const octets = Buffer.concat([envelope(isBinary), chunks.octets, Buffer.from('NOOP\r\nQUIT\r\n')]);
  const codes = await deliver(octets, random);
  // Greeting, EHLO, MAIL, RCPT in front; NOOP and QUIT after.
  mustEqual(codes.length, chunks.replies + 6, `replies: ${codes.join(' ')}`);
  mustEqual(codes.slice(-3), [expected.code, 250, 221], 'the reply to the last chunk and those behind it');
  mustEqual(storedContent(), expected.content, 'what was stored is not what was sent');
}

async function sendByData(text: string, random: Random): Promise<void> {
  if (BARE.test(text) || text.length > MAX_OCTETS - 2) return;
  const whole = text === '' || text.endsWith('\n') ? text : `${text}\r\n`;
  const stuffed = Buffer.from(whole.replace(/^\.|(?<=\n)\./g, '..'), 'latin1');
  const octets = Buffer.concat([
    envelope(false),
    Buffer.from('DATA\r\n'),
    stuffed,
    Buffer.from('.\r\nQUIT\r\n'),
  ]);
  const codes = await deliver(octets, random);
  mustEqual(codes.slice(-3), [354, 250, 221], 'DATA of the same message');
  mustEqual(storedContent(), whole, 'DATA stored something else');
}

export const target: Target = {
  name: 'bdat',
  dictionary: [
    '\r\n.\r\n',
    '\r\n..',
    'BDAT 5\r\n',
    'QUIT\r\n',
    'Subject: x\r\n',
    '\r\n\r\n',
    'x'.repeat(1_000),
  ],
  async run(input, random) {
    const text = Buffer.from(input).latin1Slice();
    if (!isPlain(text)) return;
    await sendByBdat(input, text, random);
    await sendByData(text, random);
    await expectNoSessions();
    expectNoSlots();
  },
};
