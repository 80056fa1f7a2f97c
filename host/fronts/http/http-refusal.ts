/** A request that is not served, and how its client is told: a problem of RFC 9457, by fastify or on the bare socket. */

import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { PROBLEM_TYPE } from '../../injection/problems.ts';

/** Thrown wherever a request is looked at. Its message is for the client, so it names no secret. */
export class HttpRefusal extends Error {
  override readonly name = 'HttpRefusal';
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(statusCode: number, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.statusCode = statusCode;
    this.headers = headers;
  }
}

/** The body of a refusal. RFC 9457 section 3. */
export function problemOf(status: number, detail: string): Readonly<Record<string, string | number>> {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail };
}

/** How long the client has to read the response and close. */
const LINGER_MS = 2_000;

/**
 * Answers on a socket that HTTP has given up, and closes it. What the client still sends is dropped: unread input would turn
 * the close into a reset, and the response would be lost. Without a place of its own a connection may not linger: a flood
 * of them would take all descriptors.
 */
export function refuseOn(
  socket: Duplex,
  { statusCode, message, headers }: HttpRefusal,
  lingerMs = LINGER_MS,
): void {
  const body = `${JSON.stringify(problemOf(statusCode, message))}\n`;
  const lines = [
    `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? 'Error'}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries({ Connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  if (lingerMs === 0) {
    socket.destroy();
    return;
  }
  const cutOff = setTimeout(() => socket.destroy(), lingerMs);
  cutOff.unref();
  socket.once('close', () => clearTimeout(cutOff));
  socket.on('end', () => socket.destroy()).resume();
}
