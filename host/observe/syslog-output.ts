/**
 * Sends log lines to syslog, by the first of several ways that works.
 *
 * Messages for syslog: RFC 5424 for the network, and the older form that daemons expect on their local socket.
 */

import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import type { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { LogOutput, SyslogTarget } from '../../bindings/plugin/log-services.ts';
import { connectProblem } from '../../bindings/plugin/connect.ts';
import { MAX_WAITING } from './line-queue.ts';
import { LogCommand } from './log-command.ts';

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

/** How long a way that failed is left alone. */
const RETRY_MS = 1_000;
/** Messages that wait for a connection. */
const MAX_HELD = 1_000;

type Complain = (problem: string) => void;

/** One way to syslog. */
interface Carrier {
  send(severity: number, text: string): void;
  close(): void;
}

/** Throws an Error that names the one of `sockets` that is no way to syslog. */
export function openSyslog(
  { ident, facility, sockets }: SyslogTarget,
  host: string,
  complain: Complain,
): LogOutput {
  const origin: SyslogOrigin = { ident, facility, host, pid: process.pid };
  const routes = sockets.map((socket) => {
    const route = parseRoute(socket);
    if (route === undefined)
      throw new Error(`\`${socket}\` is no way to syslog: unix, udp, tcp, a path or a URL`);
    return route;
  });
  return new SyslogOutput(routes, origin, complain);
}

class SyslogOutput implements LogOutput {
  readonly #routes: readonly SyslogRoute[];
  readonly #origin: SyslogOrigin;
  readonly #complain: Complain;
  #carrier: Carrier | undefined = undefined;
  #next = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  #lost = 0;

  constructor(routes: readonly SyslogRoute[], origin: SyslogOrigin, complain: Complain) {
    this.#routes = routes;
    this.#origin = origin;
    this.#complain = complain;
  }

  write(text: string, level: LogLevel = 6): void {
    const carrier = this.#carrier ?? this.#open();
    if (carrier === undefined) {
      this.#lost++;
      return;
    }
    carrier.send(level, text);
  }

  close(): void {
    this.#carrier?.close();
    this.#carrier = undefined;
  }

  #open(): Carrier | undefined {
    if (performance.now() < this.#retryAt) return undefined;
    const route = this.#routes[this.#next]!;
    if (this.#lost > 0) this.#complain(`syslog: ${this.#lost} lines are lost`);
    this.#lost = 0;
    const fail = (problem: string): void => this.#fail(route, problem);
    this.#carrier =
      route.kind === 'udp'
        ? new DatagramCarrier(route, this.#origin, fail)
        : new StreamCarrier(route, this.#origin, fail);
    return this.#carrier;
  }

  /** On to the next way; after the last the first is tried again, in a while. */
  #fail(route: SyslogRoute, problem: string): void {
    const where = route.kind === 'unix' ? route.path : `${route.kind}://${route.host}:${route.port}`;
    this.#complain(`syslog ${where}: ${problem}`);
    this.#carrier?.close();
    this.#carrier = undefined;
    this.#next = (this.#next + 1) % this.#routes.length;
    if (this.#next === 0) this.#retryAt = performance.now() + RETRY_MS;
  }
}

class DatagramCarrier implements Carrier {
  readonly #route: { readonly host: string; readonly port: number };
  readonly #origin: SyslogOrigin;
  readonly #socket: DatagramSocket;

  constructor(
    route: { readonly host: string; readonly port: number },
    origin: SyslogOrigin,
    fail: (problem: string) => void,
  ) {
    this.#route = route;
    this.#origin = origin;
    this.#socket = createSocket(route.host.includes(':') ? 'udp6' : 'udp4');
    this.#socket.on('error', (error) => fail(error.message));
    this.#socket.unref();
  }

  send(severity: number, text: string): void {
    const message = networkMessage(this.#origin, severity, text, new Date());
    // Errors need a listener; a host name that can't be resolved is an 'error' of the socket.
    this.#socket.send(cutToOctets(message, MAX_DATAGRAM), this.#route.port, this.#route.host);
  }

  close(): void {
    this.#socket.close();
  }
}

/** TCP, with the length before each message (RFC 6587 section 3.4.1), or a local socket. */
class StreamCarrier implements Carrier {
  readonly #route: Exclude<SyslogRoute, { kind: 'udp' }>;
  readonly #origin: SyslogOrigin;
  readonly #fail: (problem: string) => void;
  readonly #stream: Socket;
  /** Lines written before the connection was established. */
  #held: (readonly [severity: number, text: string])[] | undefined = [];
  /** Speaks to a local socket of the kind Node can't: for whole messages instead of a stream. */
  #logger: LogCommand | undefined = undefined;

  constructor(
    route: Exclude<SyslogRoute, { kind: 'udp' }>,
    origin: SyslogOrigin,
    fail: (problem: string) => void,
  ) {
    this.#route = route;
    this.#origin = origin;
    this.#fail = fail;
    this.#stream = route.kind === 'unix' ? connect(route.path) : connect(route.port, route.host);
    this.#stream.unref();
    this.#stream.on('connect', () => this.#sendHeld());
    this.#stream.on('error', (error: NodeJS.ErrnoException) => this.#refused(error));
    this.#stream.on('close', () => this.#logger ?? fail('closed the connection'));
  }

  send(severity: number, text: string): void {
    if (this.#held !== undefined) {
      if (this.#held.length < MAX_HELD) this.#held.push([severity, text]);
    } else if (this.#logger !== undefined) {
      this.#logger.write(`<${priorityOf(this.#origin.facility, severity)}>${text}`);
    } else if (this.#stream.writableLength < MAX_WAITING) {
      this.#stream.write(this.#framed(severity, text));
    }
  }

  close(): void {
    this.#stream.removeAllListeners('close');
    this.#stream.end();
    this.#logger?.close();
  }

  #framed(severity: number, text: string): Buffer {
    const at = new Date();
    if (this.#route.kind === 'unix')
      return Buffer.from(`${localMessage(this.#origin, severity, text, at)}\n`);
    const message = Buffer.from(networkMessage(this.#origin, severity, text, at));
    return Buffer.concat([Buffer.from(`${message.length} `), message]);
  }

  #refused(cause: NodeJS.ErrnoException): void {
    const port = this.#route.kind === 'unix' ? undefined : this.#route.port;
    if (this.#route.kind !== 'unix' || cause.code !== 'EPROTOTYPE')
      return void this.#fail(connectProblem(cause, port));
    const { ident, pid } = this.#origin;
    const args = ['--socket', this.#route.path, '--prio-prefix', `--id=${pid}`, '--tag', ident];
    this.#logger = new LogCommand('logger', this.#fail, args);
    this.#sendHeld();
  }

  #sendHeld(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const [severity, text] of held) this.send(severity, text);
  }
}

/** Where syslog messages may go, as `logsock` names it. */
export type SyslogRoute =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'udp' | 'tcp'; readonly host: string; readonly port: number };

export const LOCAL_SOCKET = '/dev/log';
/** RFC 5426 section 3.3, and what RFC 6587 section 4 calls customary. */
const PORTS = { udp: 514, tcp: 601 } as const;

/** Undefined for a text that names no way to syslog. */
export function parseRoute(text: string): SyslogRoute | undefined {
  if (text === 'unix' || text === 'native' || text === 'stream') return { kind: 'unix', path: LOCAL_SOCKET };
  if (text.startsWith('/')) return { kind: 'unix', path: text };
  const [, kind, address = ''] = /^(udp|tcp|inet)(?::\/\/(.+))?$/.exec(text) ?? [];
  if (kind === undefined) return undefined;
  const transport = kind === 'udp' ? 'udp' : 'tcp';
  if (address === '') return { kind: transport, host: 'localhost', port: PORTS[transport] };
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:\s]+))(?::(\d{1,5}))?$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  const number = port === undefined ? PORTS[transport] : Number(port);
  if (host === undefined || number < 1 || number > 65_535) return undefined;
  return { kind: transport, host, port: number };
}
