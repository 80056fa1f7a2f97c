/**
 * The extensions EHLO offers. Each row is offered only where it is handled: the file that handles it is named in the row's
 * comment. RFC 5321 section 4.1.1.1.
 */

import { mechanisms, type Mechanism } from '../auth/mechanisms.ts';
import type { AddressRanges } from '../config/address-ranges.ts';
import type { IncomingConnection } from '../intake/incoming-connection.ts';
import type { Session } from './session.ts';

export interface Extension {
  /** The EHLO keyword. */
  readonly keyword: string;
  /** Where it is defined, for the documentation. */
  readonly rfc: string;
  /** Its purpose, for the documentation. */
  readonly about: string;
  /** When it is offered, for the documentation; absent: always. */
  readonly offered?: string;
  /** What follows the keyword (`''` for none), or undefined if it is not offered to this client now. */
  args(session: Session): string | undefined;
}

/** What XCLIENT may name, in the order of Postfix; xclient.ts reads them. */
const XCLIENT_ATTRIBUTES = 'NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT';

/** The same for XFORWARD and xforward.ts. */
const XFORWARD_ATTRIBUTES = 'NAME ADDR PORT PROTO HELO IDENT SOURCE';

const always = (): string => '';

/** In the order in which qpsmtpd lists its own, with STARTTLS and AUTH last. */
export const extensions: readonly Extension[] = [
  {
    keyword: 'PIPELINING',
    rfc: 'RFC 2920',
    about: 'Commands may follow each other without waiting for replies.',
    args: always,
  },
  {
    keyword: '8BITMIME',
    rfc: 'RFC 6152',
    about: 'Octets above 127 may stand in the content.',
    args: always,
  },
  {
    keyword: 'SIZE',
    rfc: 'RFC 1870',
    about: 'The largest message.',
    offered: 'if `databytes` sets a limit',
    args: ({ host }) => (host.settings.databytes > 0 ? String(host.settings.databytes) : undefined),
  },
  {
    keyword: 'ENHANCEDSTATUSCODES',
    rfc: 'RFC 2034',
    about: 'Replies carry status codes.',
    offered: 'if `reply_style` is `enhanced`, and always with `lmtp=yes`',
    args: ({ host }) => (host.printer.style === 'enhanced' ? '' : undefined),
  },
  {
    keyword: 'SMTPUTF8',
    rfc: 'RFC 6531',
    about: 'Addresses and header fields may hold UTF-8.',
    offered: 'unless 8BITMIME is off',
    args: (session) => (offers(session, '8BITMIME') ? '' : undefined),
  },
  {
    keyword: 'CHUNKING',
    rfc: 'RFC 3030',
    about: 'The message may come in chunks of announced size, by BDAT.',
    args: always,
  },
  {
    keyword: 'BINARYMIME',
    rfc: 'RFC 3030',
    about: 'The message may hold any octets in lines of any length; it has to come by BDAT.',
    offered: 'unless CHUNKING is off',
    args: (session) => (offers(session, 'CHUNKING') ? '' : undefined),
  },
  {
    keyword: 'DSN',
    rfc: 'RFC 3461',
    about: 'The client says which reports it wants; queue plugins are told.',
    args: always,
  },
  {
    keyword: 'LIMITS',
    rfc: 'RFC 9422',
    about: 'How many recipients a message, and messages a connection may have.',
    args: recipientLimits,
  },
  {
    keyword: 'REQUIRETLS',
    rfc: 'RFC 8689',
    about: 'The message may only go on by verified TLS.',
    offered: 'inside TLS if `requiretls` is set',
    args: ({ facts, host }) => (facts.tls !== undefined && host.settings.requireTls ? '' : undefined),
  },
  {
    keyword: 'XCLIENT',
    rfc: "Postfix's XCLIENT_README",
    about: 'A proxy says who its client is.',
    offered: 'to clients in `xclient_hosts`, until the client that they have named has sent mail',
    args: ({ intake, host, isNamed, counters }) =>
      isTrusted(intake, host.settings.xclientHosts) && !(isNamed && counters.transactions > 0)
        ? XCLIENT_ATTRIBUTES
        : undefined,
  },
  {
    keyword: 'XFORWARD',
    rfc: "Postfix's XFORWARD_README",
    about: 'A mail server in front says which client it had a message from, for the log.',
    offered: 'to clients in `xforward_hosts`',
    args: ({ intake, host }) =>
      isTrusted(intake, host.settings.xforwardHosts) ? XFORWARD_ATTRIBUTES : undefined,
  },
  {
    keyword: 'STARTTLS',
    rfc: 'RFC 3207',
    about: 'The connection may be encrypted.',
    offered: 'outside TLS if the plugin `tls` is loaded',
    args: ({ facts, host }) => (host.tls !== undefined && facts.tls === undefined ? '' : undefined),
  },
  {
    keyword: 'AUTH',
    rfc: 'RFC 4954',
    about: 'The client may show who it is, by one of the mechanisms that follow.',
    offered: 'if a plugin can judge a mechanism, and inside TLS if `tls_before_auth` is set',
    args: mechanismNames,
  },
];

/** True once the client was told of them, by EHLO or LHLO. */
export const knowsExtensions = ({ hello }: Pick<Session['facts'], 'hello'>): boolean =>
  hello === 'ehlo' || hello === 'lhlo';

/** True if the client may use the extension now: it is handled, offered and not switched off. */
export function offers(session: Session, keyword: string): boolean {
  const extension = extensions.find((row) => row.keyword === keyword);
  return extension !== undefined && argumentsOf(session, extension) !== undefined;
}

/** The lines of the EHLO reply after the first. */
export function extensionLines(session: Session): readonly string[] {
  const lines: string[] = [];
  for (const extension of extensions) {
    const args = argumentsOf(session, extension);
    if (args !== undefined) lines.push(args === '' ? extension.keyword : `${extension.keyword} ${args}`);
  }
  return lines;
}

function recipientLimits({ host }: Session): string {
  const { maxRecipients, maxTransactions } = host.settings;
  return `RCPTMAX=${maxRecipients}${maxTransactions > 0 ? ` MAILMAX=${maxTransactions}` : ''}`;
}

/** What no server of LMTP may be without. RFC 2033 section 5. */
const NEEDED_BY_LMTP: ReadonlySet<string> = new Set(['PIPELINING', 'ENHANCEDSTATUSCODES']);

export const isLmtp = ({ intake }: Pick<Session, 'intake'>): boolean => intake.listener?.isLmtp === true;

/** `extensions_off` hides what some client cannot cope with. */
function argumentsOf(session: Session, extension: Extension): string | undefined {
  const { keyword } = extension;
  const isOff = session.host.settings.extensionsOff.has(keyword);
  return isOff && !(NEEDED_BY_LMTP.has(keyword) && isLmtp(session)) ? undefined : extension.args(session);
}

const NO_MECHANISM: readonly Mechanism[] = [];

/** True if passwords may not be asked for yet, because anybody on the way could read them. */
export const needsTls = ({ facts, host }: Session): boolean =>
  host.settings.tlsBeforeAuth && facts.tls === undefined;

/** The mechanisms that some plugin can judge, where the site allows AUTH. */
export function offeredMechanisms(session: Session): readonly Mechanism[] {
  if (needsTls(session)) return NO_MECHANISM;
  const { hooks } = session.host;
  const hasAuth = hooks.has('auth');
  return mechanisms.filter(({ hook, isCoveredByAuth }) => hooks.has(hook) || (hasAuth && isCoveredByAuth));
}

function mechanismNames(session: Session): string | undefined {
  const offered = offeredMechanisms(session);
  return offered.length === 0 ? undefined : offered.map(({ name }) => name).join(' ');
}

/**
 * True if the other end of the socket is on the list. `remote` is never asked: a proxy may have named it, and a
 * client that could choose it would choose an address on the list.
 */
export function isTrusted(
  { hops, peer, listener }: Pick<IncomingConnection, 'hops' | 'peer' | 'listener'>,
  list: AddressRanges,
): boolean {
  if (list.isEmpty) return false;
  // What comes after a PROXY header, as by HAProxy, was written by anybody: it would be believed for the proxy's address.
  if (listener?.hasSpeakingProxies !== true && hops.slice(1).some((hop) => hop !== 'tls')) return false;
  // Clients on a Unix socket count as 127.0.0.1 elsewhere; here they count only if they are named.
  return hops[0] === 'unix' ? list.hasUnix : list.has(peer.address);
}
