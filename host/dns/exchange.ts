/** One question to one resolver: over UDP, and over TCP if the answer did not fit. RFC 1035 section 4.2, RFC 7766. */

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import {
  encodeQuestion,
  parseAnswer,
  RECORD_TYPES,
  type RecordType,
  type WireAnswer,
} from './wire-message.ts';
import { plainName } from '../../bindings/wire/dns-name.ts';

export interface ResolverAddress {
  readonly address: string;
  readonly port: number;
}

/** Datagrams that answer something else; a sender of more than that is guessing. */
const MAX_STRAY_DATAGRAMS = 16;

/** Of an answer over TCP and of its length before it. RFC 1035 section 4.2.2. */
const MAX_OCTETS = 2 + 0xffff;

/** Why there was no answer to be used. */
export type ExchangeFault = 'timeout' | 'unreachable' | 'malformed answer' | 'not a name';

/**
 * Resolves with the answer, or with why there is none, within `timeoutMs`. Identifier and port are new and unpredictable for
 * each question: an attacker that does not see the question has to guess both to plant records in an answer (cache poisoning, RFC 5452).
 */
export async function exchange(
  server: ResolverAddress,
  name: string,
  type: RecordType,
  timeoutMs: number,
): Promise<WireAnswer | ExchangeFault> {
  const id = randomInt(0x10000);
  const question = encodeQuestion(id, name, type);
  if (question === undefined) return 'not a name';
  const until = performance.now() + timeoutMs;
  const fits = (answer: WireAnswer): boolean =>
    answer.id === id &&
    answer.question.type === RECORD_TYPES[type] &&
    answer.question.name === plainName(name);
  const answer = await overUdp(server, question, fits, timeoutMs);
  if (typeof answer === 'string' || !answer.isTruncated) return answer;
  return overTcp(server, question, fits, Math.max(until - performance.now(), 1));
}

type Result = WireAnswer | ExchangeFault;

function overUdp(
  { address, port }: ResolverAddress,
  question: Buffer,
  fits: (answer: WireAnswer) => boolean,
  timeoutMs: number,
): Promise<Result> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    let strays = 0;
    let isSettled = false;
    const settle = (result: Result): void => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      socket.removeAllListeners('message');
      // A late error of a socket without a listener would end the process.
      socket.removeAllListeners('error').on('error', () => undefined);
      socket.close();
      resolve(result);
    };
    const timer = setTimeout(settle, timeoutMs, 'timeout');
    socket.on('error', () => settle('unreachable'));
    socket.on('message', (datagram) => {
      const answer = parseAnswer(datagram);
      if (answer !== undefined && fits(answer)) settle(answer);
      else if (++strays > MAX_STRAY_DATAGRAMS) settle('malformed answer');
    });
    // Connected: datagrams from elsewhere never get here, and a closed port is known at once.
    socket.connect(port, address, (error?: Error) => {
      if (error === undefined)
        socket.send(question, (fault) => (fault === null ? undefined : settle('unreachable')));
      else settle('unreachable');
    });
  });
}

function overTcp(
  { address, port }: ResolverAddress,
  question: Buffer,
  fits: (answer: WireAnswer) => boolean,
  timeoutMs: number,
): Promise<Result> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const received = Buffer.allocUnsafe(MAX_OCTETS);
    let length = 0;
    const settle = (result: Result): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(settle, timeoutMs, 'timeout');
    socket.on('error', () => settle('unreachable'));
    socket.on('close', () => settle('unreachable'));
    socket.on('data', (octets) => {
      length += octets.copy(received, length);
      if (length < 2) return;
      const end = 2 + received.readUInt16BE(0);
      if (length < end) return;
      const answer = parseAnswer(received.subarray(2, end));
      const isUsable = answer !== undefined && fits(answer) && !answer.isTruncated;
      settle(isUsable ? answer : 'malformed answer');
    });
    const announced = Buffer.alloc(2);
    announced.writeUInt16BE(question.length);
    socket.write(Buffer.concat([announced, question]));
  });
}
