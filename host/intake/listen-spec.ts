/**
 * Listen specs: an address, then options parted by blanks. `tcp://127.0.0.1:2525`, `tcp://[::]:465 tls=implicit`,
 * `unix:/run/qpsmtpd.sock mode=0660`, `fd:3`, `fdname:submission`, `stdin:`, `http://127.0.0.1:8025 upgrade=smtp`.
 */

import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { AddressRanges } from '../config/address-ranges.ts';
import { SERVICE_NAME } from '../config/service-files.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { nearest, suggest } from '../errors/nearest.ts';
import { faultOf, printHttp, takeHttp } from './http-options.ts';
import type { ListenerOptions, ProxyOptions } from './incoming-connection.ts';

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

const SMTP_PORT = 25;
const DEFAULT_SOCKET_MODE = 0o660;

/** Reads a listen spec; throws `Q_USAGE` with the offending part. */
export function parseListen(spec: string): ListenSpec {
  const [where = '', ...given] = spec.trim().split(/[ \t]+/);
  const options = new Options(spec, given);
  const place = parseAddress(spec, where, options);
  const http = where.startsWith('http') ? takeHttp(options) : undefined;
  // HTTPS is for the server in front. Inside a tunnel TLS can only begin by STARTTLS, whatever the port.
  const tls =
    http === undefined
      ? options.take('tls', /^(implicit|starttls|by-proxy)$/, 'tls=implicit, tls=starttls or tls=by-proxy')
      : 'starttls';
  const proxy = takeProxy(spec, options);
  const isLmtp = options.take('lmtp', /^(yes|no)$/, 'lmtp=yes or lmtp=no') === 'yes';
  const service = options.take('service', SERVICE_NAME, 'such as service=submission');
  const hasSpeakingProxies = options.take('xclient', /^(yes|no)$/, 'xclient=yes or xclient=no') === 'yes';
  options.refuseRest();
  const fault = http && faultOf(http);
  if (fault !== undefined) throw refused(spec, fault);
  if (isLmtp && place.kind === 'tcp' && place.port === SMTP_PORT)
    throw refused(spec, 'clients of port 25 speak SMTP', 'LMTP takes another, RFC 2033 section 5');
  return {
    ...place,
    ...(tls === undefined ? {} : { startsWithTls: tls === 'implicit' }),
    ...(tls === 'by-proxy' ? { isTlsByProxy: true } : {}),
    ...(proxy === undefined ? {} : { proxy }),
    ...(http === undefined ? {} : { http }),
    ...(hasSpeakingProxies ? { hasSpeakingProxies } : {}),
    ...(isLmtp ? { isLmtp } : {}),
    ...(service === undefined ? {} : { service }),
  };
}

/** There is no way to leave it open: SMTP's server speaks first, so a header can't be waited for. */
function takeProxy(spec: string, options: Options): ProxyOptions | undefined {
  const required = options.take('proxy', /^required$/, 'proxy=required, or proxy-from=NETWORK,NETWORK');
  const networks = options.take('proxy-from', /^[^,]+(,[^,]+)*$/, 'such as proxy-from=10.0.0.0/8,::1');
  if (required === undefined && networks === undefined) return undefined;
  const isRequired = required !== undefined;
  if (networks === undefined) return { isRequired, from: undefined };
  try {
    return { isRequired, from: AddressRanges.compile(networks.split(',')) };
  } catch (cause) {
    throw refused(spec, (cause as Error).message, 'proxy-from takes addresses and networks, and "unix"');
  }
}

function parseAddress(spec: string, where: string, options: Options): ListenSpec {
  if (where.startsWith('tcp://')) return parseTcp(spec, where.slice('tcp://'.length));
  if (where.startsWith('unix:')) return parseUnix(spec, where.slice('unix:'.length), options);
  if (where.startsWith('http://')) return parseTcp(spec, where.slice('http://'.length));
  if (where.startsWith('http+unix:')) return parseUnix(spec, where.slice('http+unix:'.length), options);
  if (where.startsWith('fd:')) return parseFd(spec, where.slice('fd:'.length));
  if (where.startsWith('fdname:')) return parseFdName(spec, where.slice('fdname:'.length));
  if (where === 'stdin:') return { kind: 'stdin' };
  const meant = nearest(where.split(':', 1)[0]!, [
    'tcp',
    'unix',
    'fd',
    'fdname',
    'stdin',
    'http',
    'http+unix',
  ]);
  throw refused(
    spec,
    'it must start with tcp://, unix:, fd:, fdname:, stdin: or http://',
    meant === undefined ? 'for instance tcp://127.0.0.1:2525' : `did you mean ${meant}:?`,
  );
}

/** The options after the address, each `NAME=VALUE`. */
export class Options {
  readonly #spec: string;
  readonly #options: string[];
  /** All that were asked for: what this kind of listener takes. */
  readonly #known: string[] = [];

  constructor(spec: string, options: readonly string[]) {
    this.#spec = spec;
    this.#options = [...options];
  }

  /** The value of an option, which then is done with; undefined if it is not given. */
  take(name: string, form: RegExp, hint: string): string | undefined {
    this.#known.push(name);
    const index = this.#options.findIndex((option) => option.startsWith(`${name}=`));
    const [option] = index === -1 ? [] : this.#options.splice(index, 1);
    const value = option?.slice(name.length + 1);
    if (option !== undefined && !form.test(value!))
      throw refused(this.#spec, `"${option}" is not understood`, hint);
    return value;
  }

  /** Also what is given twice is left over. */
  refuseRest(): void {
    const [option] = this.#options;
    if (option === undefined) return;
    const name = option.split('=', 1)[0]!;
    const problem = this.#known.includes(name) ? 'is given twice, or has no value' : 'is not understood';
    const hint = this.#known.includes(name) ? '' : suggest(name, this.#known);
    throw refused(this.#spec, `"${option}" ${problem}${hint}`);
  }
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

function parseUnix(spec: string, path: string, options: Options): UnixSpec {
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
  const { http, service } = spec;
  const xclient = spec.hasSpeakingProxies === true ? ' xclient=yes' : '';
  const lmtp = spec.isLmtp === true ? ' lmtp=yes' : '';
  const end =
    http === undefined ? printTls(spec) + printProxy(spec.proxy) : printProxy(spec.proxy) + printHttp(http);
  return `${printPlace(spec)}${end}${xclient}${lmtp}${service === undefined ? '' : ` service=${service}`}`;
}

function printPlace(spec: ListenSpec): string {
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

function printTls({ startsWithTls, isTlsByProxy }: ListenerOptions): string {
  if (isTlsByProxy === true) return ' tls=by-proxy';
  return startsWithTls === undefined ? '' : ` tls=${startsWithTls ? 'implicit' : 'starttls'}`;
}

function printProxy(proxy: ProxyOptions | undefined): string {
  if (proxy === undefined) return '';
  const required = proxy.isRequired ? ' proxy=required' : '';
  return proxy.from === undefined ? required : `${required} proxy-from=${proxy.from.text}`;
}

function refused(spec: string, problem: string, hint?: string): QpsmtpdError {
  return new QpsmtpdError(
    'Q_USAGE',
    `listen address "${spec}": ${problem}${hint === undefined ? '' : ` (${hint})`}`,
  );
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
