/**
 * Listen specs: an address, then options parted by blanks. `tcp://127.0.0.1:2525`, `tcp://[::]:465 tls=implicit`,
 * `unix:/run/qpsmtpd.sock mode=0660`, `fd:3`, `fdname:submission`, `stdin:`, `http://127.0.0.1:8025 upgrade=smtp`.
 */

import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { QpsmtpdError } from '../errors/error-classes.ts';
import { nearest } from '../../bindings/lists/nearest.ts';
import type { ListenerOptions } from './incoming-connection.ts';
import { printListenerOptions, refuseLmtpAt, takeListenerOptions } from './listener-options.ts';
import { OptionList, refused } from './option-list.ts';

export interface TcpSpec extends ListenerOptions {
  readonly kind: 'tcp';
  readonly address: string;
  readonly port: number;
}

export interface UnixSpec extends ListenerOptions {
  readonly kind: 'unix';
  readonly path: string;
  /** Permissions of the socket file: users that may open it may speak SMTP. */
  readonly mode: number;
}

/** A listening socket of TCP or Unix that the starter has opened, by its number. */
export interface FdSpec extends ListenerOptions {
  readonly kind: 'fd';
  readonly fd: number;
}

/** The same by its name, which several sockets may share. `PassedSockets` knows their numbers. */
export interface FdNameSpec extends ListenerOptions {
  readonly kind: 'fdname';
  readonly name: string;
}

/** One client that is connected already, on descriptor 0. */
export interface StdinSpec extends ListenerOptions {
  readonly kind: 'stdin';
}

export type ListenSpec = TcpSpec | UnixSpec | FdSpec | FdNameSpec | StdinSpec;

const DEFAULT_SOCKET_MODE = 0o660;

/** Reads a listen spec; throws `Q_USAGE` with the offending part. */
export function parseListen(text: string): ListenSpec {
  const [where = '', ...given] = text.trim().split(/[ \t]+/);
  const options = new OptionList(text, given);
  const place = parsePlace(text, where, options);
  const spec = { ...place, ...takeListenerOptions(options, where.startsWith('http')) };
  if (spec.kind === 'tcp') refuseLmtpAt(spec.port, spec, text);
  return spec;
}

function parsePlace(spec: string, where: string, options: OptionList): ListenSpec {
  if (where === 'stdin:') return { kind: 'stdin' };
  const [, scheme = '', rest = ''] =
    /^(tcp:\/\/|http:\/\/|unix:|http\+unix:|fd:|fdname:)(.*)$/.exec(where) ?? [];
  switch (scheme) {
    case 'tcp://':
    case 'http://':
      return parseTcp(spec, rest);
    case 'unix:':
    case 'http+unix:':
      return parseUnix(spec, rest, options);
    case 'fd:':
      return parseFd(spec, rest);
    case 'fdname:':
      return parseFdName(spec, rest);
    default:
      throw unknownKind(spec, where);
  }
}

const KINDS = ['tcp', 'unix', 'fd', 'fdname', 'stdin', 'http', 'http+unix'];

function unknownKind(spec: string, where: string): QpsmtpdError {
  const meant = nearest(where.split(':', 1)[0]!, KINDS);
  return refused(
    spec,
    'it must start with tcp://, unix:, fd:, fdname:, stdin: or http://',
    meant === undefined ? 'for instance tcp://127.0.0.1:2525' : `did you mean ${meant}:?`,
  );
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

function parseUnix(spec: string, path: string, options: OptionList): UnixSpec {
  if (!path.startsWith('/')) throw refused(spec, 'the path of the socket must be absolute');
  if (Buffer.byteLength(path) > 107)
    throw refused(spec, 'the path is longer than 107 octets, the most the system takes');
  // The owner has to read and write: what does not let it was meant as a decimal number.
  const mode = options.take('mode', /^0?[67][0-7]{2}$/, 'only octal modes such as mode=0660');
  return { kind: 'unix', path, mode: mode === undefined ? DEFAULT_SOCKET_MODE : Number.parseInt(mode, 8) };
}

function parseFd(spec: string, number: string): FdSpec {
  if (!/^\d{1,7}$/.test(number)) throw refused(spec, 'the number of a descriptor is missing', 'such as fd:3');
  return { kind: 'fd', fd: Number(number) };
}

/** What systemd allows in FileDescriptorName= (systemd.socket(5)), less the blank. */
function parseFdName(spec: string, name: string): FdNameSpec {
  if (!/^[!-9;-~]{1,255}$/.test(name))
    throw refused(spec, 'the name of a descriptor is missing, or has a colon', 'such as fdname:submission');
  return { kind: 'fdname', name };
}

/** The inverse of `parseListen`, for the log. */
export function printListen(spec: ListenSpec): string {
  return `${printPlace(spec)}${printListenerOptions(spec)}`;
}

/** Without the options. */
export function printPlace(spec: ListenSpec): string {
  const isHttp = spec.http !== undefined;
  switch (spec.kind) {
    case 'tcp':
      return `${isHttp ? 'http' : 'tcp'}://${spec.address.includes(':') ? `[${spec.address}]` : spec.address}:${spec.port}`;
    case 'unix':
      return `${isHttp ? 'http+unix' : 'unix'}:${spec.path}`;
    case 'fd':
      return `fd:${spec.fd}`;
    case 'fdname':
      return `fdname:${spec.name}`;
    case 'stdin':
      return 'stdin:';
  }
}

/** Where a daemon listens by default: `[::]`, which takes IPv4 as well, where the host has IPv6; otherwise `0.0.0.0`. */
export function anyAddress(interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces()): string {
  const hasIpv6 = Object.values(interfaces).some((list) => list?.some(({ family }) => family === 'IPv6'));
  return hasIpv6 ? '[::]' : '0.0.0.0';
}

/** Every address with every port; an address that brings its own port is taken as it is. */
export function listenSpecs(addresses: readonly string[], ports: readonly number[]): readonly string[] {
  return addresses.flatMap((address) =>
    hasPort(address) ? [`tcp://${address}`] : ports.map((port) => `tcp://${address}:${port}`),
  );
}

/** In `[::1]:25` the colons inside the brackets are none of the port's. */
function hasPort(address: string): boolean {
  return /^(?:\[[^\]]*\]|[^:[\]]*):\d+$/.test(address);
}
