/** Listen specs: `tcp://127.0.0.1:2525`, `tcp://[::]:25`, `unix:/run/qpsmtpd.sock?mode=0660`. */

import { isIP } from 'node:net';
import { QpsmtpdError } from '../errors.ts';

export interface TcpSpec {
  readonly kind: 'tcp';
  readonly address: string;
  readonly port: number;
}

export interface UnixSpec {
  readonly kind: 'unix';
  readonly path: string;
  /** Permissions of the socket file: whoever may open it may talk SMTP. */
  readonly mode: number;
}

export type ListenSpec = TcpSpec | UnixSpec;

const DEFAULT_SOCKET_MODE = 0o660;

/** Reads a listen spec; throws `Q_USAGE` with the offending part. */
export function parseListen(spec: string): ListenSpec {
  if (spec.startsWith('tcp://')) return parseTcp(spec, spec.slice('tcp://'.length));
  if (spec.startsWith('unix:')) return parseUnix(spec, spec.slice('unix:'.length));
  throw refused(spec, 'it must start with tcp:// or unix:', 'for instance tcp://127.0.0.1:2525');
}

function parseTcp(spec: string, rest: string): TcpSpec {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(rest);
  if (!match)
    throw refused(
      spec,
      'address and port are missing',
      'for instance tcp://127.0.0.1:2525 or tcp://[::1]:25',
    );
  const address = match[1] ?? match[2] ?? '';
  const port = Number(match[3]);
  if (isIP(address) === 0)
    throw refused(spec, `"${address}" is no IP address`, 'names are not looked up here');
  if (match[1] !== undefined && isIP(address) !== 6)
    throw refused(spec, 'only IPv6 addresses stand in brackets');
  if (port > 65_535) throw refused(spec, `port ${port} is out of range`);
  return { kind: 'tcp', address, port };
}

function parseUnix(spec: string, rest: string): UnixSpec {
  const [path = '', query] = rest.split('?', 2);
  if (!path.startsWith('/')) throw refused(spec, 'the path of the socket must be absolute');
  if (Buffer.byteLength(path) > 107)
    throw refused(spec, 'the path is longer than 107 octets, the most the system takes');
  if (query === undefined) return { kind: 'unix', path, mode: DEFAULT_SOCKET_MODE };
  const mode = /^mode=(0?[0-7]{3})$/.exec(query)?.[1];
  if (mode === undefined) throw refused(spec, `"${query}" is not understood`, 'only ?mode=0660 and the like');
  return { kind: 'unix', path, mode: Number.parseInt(mode, 8) };
}

/** The inverse of `parseListen`, for the log. */
export function printListen(spec: ListenSpec): string {
  if (spec.kind === 'unix') return `unix:${spec.path}`;
  return spec.address.includes(':')
    ? `tcp://[${spec.address}]:${spec.port}`
    : `tcp://${spec.address}:${spec.port}`;
}

function refused(spec: string, problem: string, hint?: string): QpsmtpdError {
  return new QpsmtpdError(
    'Q_USAGE',
    `listen address "${spec}": ${problem}${hint === undefined ? '' : ` (${hint})`}`,
  );
}
