/**
 * The extensions EHLO offers. Each row is offered only where it is handled: the file that handles it is named in the row's
 * comment. RFC 5321 section 4.1.1.1.
 */

import type { Session } from './session.ts';

export interface Extension {
  /** The EHLO keyword. */
  readonly keyword: string;
  /** Where it is defined, for the documentation. */
  readonly rfc: string;
  /** What it is good for, for the documentation. */
  readonly about: string;
  /** The words behind the keyword (`''` for none), or undefined if it is not offered to this client now. */
  words(session: Session): string | undefined;
}

const always = (): string => '';

/** In the order in which qpsmtpd lists its own, with STARTTLS and AUTH last. */
export const extensions: readonly Extension[] = [
  {
    keyword: 'PIPELINING',
    rfc: 'RFC 2920',
    about: 'Commands may follow each other without waiting for replies.',
    words: always,
  },
  {
    keyword: '8BITMIME',
    rfc: 'RFC 6152',
    about: 'Octets above 127 may stand in the content.',
    words: always,
  },
  {
    keyword: 'SIZE',
    rfc: 'RFC 1870',
    about: 'The largest message, offered if `databytes` sets a limit.',
    words: ({ host }) => (host.settings.databytes > 0 ? String(host.settings.databytes) : undefined),
  },
  {
    keyword: 'ENHANCEDSTATUSCODES',
    rfc: 'RFC 2034',
    about: 'Replies carry status codes, offered if `reply_style` is `enhanced`.',
    words: ({ host }) => (host.printer.style === 'enhanced' ? '' : undefined),
  },
];

/** True if the client may use the extension now: it is handled, offered and not switched off. */
export function offers(session: Session, keyword: string): boolean {
  const extension = extensions.find((row) => row.keyword === keyword);
  return extension !== undefined && wordsOf(session, extension) !== undefined;
}

/** The lines of the EHLO reply behind the first. */
export function extensionLines(session: Session): readonly string[] {
  const lines: string[] = [];
  for (const extension of extensions) {
    const words = wordsOf(session, extension);
    if (words !== undefined) lines.push(words === '' ? extension.keyword : `${extension.keyword} ${words}`);
  }
  return lines;
}

/** `extensions_off` hides what some client cannot cope with. */
function wordsOf(session: Session, extension: Extension): string | undefined {
  return session.host.settings.extensionsOff.has(extension.keyword) ? undefined : extension.words(session);
}
