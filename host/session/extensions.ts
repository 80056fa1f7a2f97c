/** The extensions EHLO offers, computed from what is handled. RFC 5321 section 4.1.1.1. */

import type { Session } from './session.ts';

export function extensionsOf(session: Session): readonly string[] {
  const { settings } = session.host;
  const words = ['PIPELINING', '8BITMIME'];
  if (settings.databytes > 0) words.push(`SIZE ${settings.databytes}`);
  if (session.host.printer.style === 'enhanced') words.push('ENHANCEDSTATUSCODES');
  return words;
}
