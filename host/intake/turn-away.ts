/** Sends a client off with one line, before any session: too many connections, or the daemon is about to stop. */

import type { Intake } from './intake.ts';

/** How long the client has to read the line and close. */
const LINGER_MS = 2_000;

/**
 * `text` is a whole reply with its CRLF. What the client sends is dropped: unread input would turn the close into a reset.
 * Who waits for a TLS handshake could not read it.
 */
export function turnAway({ stream, startsWithTls, tls }: Intake, text: string): void {
  if (startsWithTls === true && tls === undefined) {
    stream.destroy();
    return;
  }
  const cutOff = setTimeout(() => stream.destroy(), LINGER_MS);
  cutOff.unref();
  stream.on('close', () => clearTimeout(cutOff));
  stream.on('end', () => stream.destroy());
  stream.resume();
  stream.end(text, 'latin1');
}
