/**
 * One QMQP connection: one message there, one answer back.
 *
 * Netstrings: the length in decimal digits, a colon, so many octets, a comma.
 */

import type { Duplex, MailObject } from '../../../bindings/plugin/index.ts';
import { feed } from '../../../bindings/wire/feed.ts';

/** A short one as a whole. */
export const netstring = (text: string): Buffer => {
  const octets = Buffer.from(text, 'utf8');
  return Buffer.concat([Buffer.from(`${octets.length}:`), octets, Buffer.from(',')]);
};

/** Octets of a netstring around `length` octets. */
export const netstringOctets = (length: number): number => String(length).length + 2 + length;

/** The content of the one netstring `octets` begin with; undefined if more has to come. */
export function readNetstring(octets: Buffer, maxOctets: number): string | 'garbage' | undefined {
  const colon = octets.indexOf(':');
  const digits = octets.toString('latin1', 0, colon === -1 ? 10 : colon);
  if (!/^\d{0,9}$/.test(digits) || (colon !== -1 && digits === '')) return 'garbage';
  if (colon === -1) return octets.length >= 10 ? 'garbage' : undefined;
  const length = Number(digits);
  if (length > maxOctets) return 'garbage';
  const end = colon + 1 + length;
  if (octets.length <= end) return undefined;
  return octets[end] === COMMA ? octets.toString('utf8', colon + 1, end) : 'garbage';
}

const COMMA = 44;

const MAX_ANSWER_OCTETS = 4_096;

/** Why there is no answer, and whether the server may have the whole message. */
export interface QmqpFailure {
  readonly isHandedOver: boolean;
  readonly problem: string;
}

/** The answer, its first letter included. Never rejects. `socket` is connected; it is closed at the end. */
export async function submit(
  socket: Duplex,
  mail: MailObject,
  signal: AbortSignal,
): Promise<string | QmqpFailure> {
  let isHandedOver = false;
  const answer = answerOf(socket, signal);
  try {
    const isTaken = await feed(
      socket,
      packetOf(mail, () => (isHandedOver = true)),
    );
    const said = await answer;
    if (typeof said !== 'string') return { isHandedOver: isHandedOver && isTaken, ...said };
    if (said.startsWith('K') && !(isHandedOver && isTaken))
      return { isHandedOver: false, problem: 'it says K before it has the message' };
    return said;
  } catch (cause) {
    return { isHandedOver: false, problem: `the message can not be read: ${String(cause)}` };
  } finally {
    socket.destroy();
  }
}

/** The message, the sender and the recipients as netstrings, in one netstring. `onLast` is called before the last octets. */
async function* packetOf(mail: MailObject, onLast: () => void): AsyncIterable<Buffer> {
  const { message, reversePath, recipients } = mail;
  const addresses = [reversePath, ...recipients.map(({ address }) => address)];
  const envelope = Buffer.concat(addresses.map(({ mailbox }) => netstring(mailbox)));
  // The length goes first, and line ends and added fields change it: the message is read twice.
  let octets = 0;
  for await (const block of message.blocks('lf')) octets += block.length;
  yield Buffer.from(`${netstringOctets(octets) + envelope.length}:${octets}:`);
  let sent = 0;
  for await (const block of message.blocks('lf')) {
    sent += block.length;
    if (sent > octets) break;
    yield block;
  }
  if (sent !== octets) throw new Error('it was read with two different lengths');
  yield Buffer.concat([Buffer.from(','), envelope]);
  onLast();
  yield Buffer.from(',');
}

function answerOf(socket: Duplex, signal: AbortSignal): Promise<string | { problem: string }> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    const settle = (answer: string | { problem: string }): void => {
      signal.removeEventListener('abort', giveUp);
      socket.destroy();
      resolve(answer);
    };
    const giveUp = (): void => settle({ problem: 'no answer within its time' });
    socket.on('data', (block) => {
      received = Buffer.concat([received, block]);
      const answer = readNetstring(received, MAX_ANSWER_OCTETS);
      if (answer === undefined) return;
      const isAnswer = /^[KZD]/.test(answer);
      settle(isAnswer ? answer : { problem: 'what it says is no QMQP' });
    });
    socket.on('error', (cause) => settle({ problem: cause.message }));
    socket.on('close', () => settle({ problem: 'it closed the connection without an answer' }));
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
}
