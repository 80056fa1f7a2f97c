/** Sends a client off with one line, before any session: too many connections, or the daemon is about to stop. */

import type { IncomingConnection } from './incoming-connection.ts';

/** How long the client has to read the line and close. */
const LINGER_MS = 2_000;
/** Clients that may have that time at once. A flood of them must not take the descriptors of those who are served. */
const MAX_LINGERING = 8;

let lingering = 0;

/**
 * `text` is a whole reply with its CRLF. What the client sends is dropped: unread input would turn the close into a reset.
 * A client that waits for a TLS handshake could not read it.
 */
export function turnAway({ stream, startsWithTls, tls }: IncomingConnection, text: string): void {
  if (startsWithTls === true && tls === undefined) {
    stream.destroy();
    return;
  }
  if (lingering >= MAX_LINGERING) {
    stream.end(text, 'latin1');
    stream.destroy();
    return;
  }
  lingering++;
  const cutOff = setTimeout(() => stream.destroy(), LINGER_MS);
  cutOff.unref();
  stream.once('close', () => {
    lingering--;
    clearTimeout(cutOff);
  });
  stream.on('end', () => stream.destroy());
  stream.resume();
  stream.end(text, 'latin1');
}
