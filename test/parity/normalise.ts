import { hostname } from 'node:os';

/** Lines after which nothing of a dialogue means anything: the connection is gone. */
const isEnd = (line: string): boolean =>
  line === 'S: [EOF]' || line === 'S: [RST]' || (line.startsWith('-- ') && !line.startsWith('-- TLS'));

/** A reply that may carry the challenge of CRAM-MD5, RFC 2195: base64 of something that starts with `<`. */
const TICKET = /^S: 334 P[A-Za-z0-9+/]+=*$/;

/**
 * Puts fixed words for what differs from run to run: the version in banner and HELP, the challenge of CRAM-MD5,
 * the cipher. What was said after the connection had ended is cut off; the end itself stays.
 */
export function normaliseTranscript(lines: readonly string[]): string[] {
  const end = lines.findIndex(isEnd);
  const kept = end < 0 ? lines : lines.slice(0, end + 1);
  return kept.map(normaliseLine);
}

function normaliseLine(line: string): string {
  if (line.startsWith('-- TLS')) return '-- TLS';
  if (isTicket(line)) return 'S: 334 TICKET';
  return line
    .replace(/^(S: 220[ -].* ESMTP qpsmtpd )\S+( ready;)/, '$1VERSION$2')
    .replace(/^(S: 250 Queued! )[0-9a-z]{8}-[0-9a-z]+-[0-9a-z]+\.\d+$/, '$1')
    .replace(/^(S: 214-This is qpsmtpd )\S+$/, '$1VERSION');
}

function isTicket(line: string): boolean {
  if (!TICKET.test(line)) return false;
  return /^<[^<>@]+@[^<>@]+>$/.test(Buffer.from(line.slice(7), 'base64').toString('latin1'));
}

const DATE = /; (?:[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} [+-]\d{4})$/m;

/** The same for a stored message: version and date of the Received field this server added, this machine in Received-SPF. */
export function normaliseMail(mail: string): string {
  return mail
    .replaceAll(` receiver=${hostname()};`, ' receiver=HOST;')
    .replace(
      /^( by \S+ \(qpsmtpd\/)[^)\s]+(\) with [^\n]*)/m,
      (_, by: string, rest: string) => `${by}VERSION${rest.replace(DATE, '; DATE')}`,
    );
}
