/** Where syslog messages may go, in the words of `logsock`. */

export type SyslogRoute =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'udp' | 'tcp'; readonly host: string; readonly port: number };

export const LOCAL_SOCKET = '/dev/log';
/** RFC 5426 section 3.3, and what RFC 6587 section 4 calls customary. */
const PORTS = { udp: 514, tcp: 601 } as const;

/** Undefined for a word that names no way to syslog. */
export function parseRoute(word: string): SyslogRoute | undefined {
  if (word === 'unix' || word === 'native' || word === 'stream') return { kind: 'unix', path: LOCAL_SOCKET };
  if (word.startsWith('/')) return { kind: 'unix', path: word };
  const [, kind, address = ''] = /^(udp|tcp|inet)(?::\/\/(.+))?$/.exec(word) ?? [];
  if (kind === undefined) return undefined;
  const transport = kind === 'udp' ? 'udp' : 'tcp';
  if (address === '') return { kind: transport, host: 'localhost', port: PORTS[transport] };
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:\s]+))(?::(\d{1,5}))?$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  const number = port === undefined ? PORTS[transport] : Number(port);
  if (host === undefined || number < 1 || number > 65_535) return undefined;
  return { kind: transport, host, port: number };
}
