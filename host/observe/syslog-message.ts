/** Messages for syslog: RFC 5424 for the network, and the older form that daemons expect on their local socket. */

export interface SyslogOrigin {
  readonly ident: string;
  /** RFC 5424 section 6.2.1. */
  readonly facility: number;
  readonly host: string;
  readonly pid: number;
}

/** Octets that receivers should be able to take in one datagram. RFC 5426 section 3.2. */
export const MAX_DATAGRAM = 2_048;

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** PRI: facility and severity in one number. RFC 5424 section 6.2.1. */
export const priorityOf = (facility: number, severity: number): number => facility * 8 + severity;

/** One message without structured data. RFC 5424 section 6. */
export function networkMessage(origin: SyslogOrigin, severity: number, text: string, at: Date): string {
  const { ident, facility, host, pid } = origin;
  const name = /^[\x21-\x7e]{1,255}$/.test(host) ? host : '-';
  const stamp = at.toISOString();
  return `<${priorityOf(facility, severity)}>1 ${stamp} ${name} ${ident} ${pid} - - ${text}`;
}

/** What syslog(3) writes: local time, no host. */
export function localMessage(origin: SyslogOrigin, severity: number, text: string, at: Date): string {
  const { ident, facility, pid } = origin;
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = String(at.getDate()).padStart(2, ' ');
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const stamp = `${MONTHS[at.getMonth()]} ${day} ${clock}`;
  return `<${priorityOf(facility, severity)}>${stamp} ${ident}[${pid}]: ${text}`;
}

/** Cut to `most` octets, never inside a character. */
export function cutToOctets(text: string, most: number): Buffer {
  const octets = Buffer.from(text);
  if (octets.length <= most) return octets;
  let end = most;
  while (end > 0 && (octets[end]! & 0xc0) === 0x80) end--;
  return octets.subarray(0, end);
}
