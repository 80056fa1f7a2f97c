/**
 * Takes the PROXY header off a connection before anybody else reads of it. SMTP's server speaks first, so whether a header
 * comes cannot be found out by waiting: the listener or the peer's address says so.
 */

import type { Duplex } from 'node:stream';
import { AddressRanges } from '../config/address-ranges.ts';
import type { TlsFacts } from '../../bindings/plugin/connection.ts';
import { readProxyHeader, type ProxyHeader } from '../../bindings/wire/proxy-header.ts';
import type { ProxiedTls } from '../../bindings/wire/proxy-fields.ts';
import type { IncomingConnection, ProxyOptions } from './incoming-connection.ts';

/** Why the connection cannot be served. The message is for the log. */
export class ProxyHeaderError extends Error {
  override readonly name = 'ProxyHeaderError';
}

export interface ProxySettings {
  readonly proxyHosts: AddressRanges;
  readonly proxyTimeoutMs: number;
}

/** A line of the log for a connection whose header was refused. */
export const tellNoHeader = ({ peer }: IncomingConnection, { message }: Error): string =>
  `no PROXY header from ${peer.path ?? peer.address}: ${message}`;

const THIS_HOST = AddressRanges.compile(['127.0.0.0/8', '::1', 'unix']);

/**
 * Begins to take the header from a peer that has to send one; undefined if the peer may not, and is the client itself. Trust
 * goes by the socket's other end: anybody could claim any address otherwise. Rejects as `takeProxyHeader` does.
 */
export function takeProxied(
  intake: IncomingConnection,
  proxy: ProxyOptions,
  settings: ProxySettings,
): Promise<void> | undefined {
  const { peer, hops } = intake;
  const proxies = proxy.from ?? (settings.proxyHosts.isEmpty ? THIS_HOST : settings.proxyHosts);
  // A listener on a Unix socket that asks for headers has no other peers than proxies; its mode says who may connect.
  const isUnix = hops[0] === 'unix';
  if (isUnix ? proxy.from === undefined || proxies.hasUnix : proxies.has(peer.address))
    return takeProxyHeader(intake, settings.proxyTimeoutMs, proxy.refusal);
  if (!proxy.isRequired) return undefined;
  intake.stream.destroy();
  return Promise.reject(new ProxyHeaderError('it is none of the proxies that may connect to this listener'));
}

/**
 * Resolves once the header is taken and `intake` says who the client is; what follows the header is left in the stream, for
 * TLS or SMTP. Nobody may be listening to the stream. Rejects with a `ProxyHeaderError` once it is destroyed, without a
 * reply, which would go to somebody who does not speak SMTP yet; `refusal` is said where it is known to be understood.
 */
export function takeProxyHeader(
  intake: IncomingConnection,
  timeoutMs: number,
  refusal?: string,
): Promise<void> {
  const { stream } = intake;
  return new Promise((resolve, reject) => {
    let octets: Buffer = Buffer.alloc(0);
    const stop = (): void => {
      clearTimeout(cutOff);
      stream.off('readable', read).off('end', leave).off('close', leave);
    };
    const settle = (problem?: string): void => {
      stop();
      if (problem === undefined) return resolve();
      stream.destroy();
      reject(new ProxyHeaderError(problem));
    };
    const refuse = (problem: string): void => {
      if (refusal === undefined) return settle(problem);
      stop();
      endWith(stream, refusal, () => reject(new ProxyHeaderError(problem)));
    };
    const leave = (): void => settle(`the connection ended after ${octets.length} octets of a PROXY header`);
    const read = (): void => {
      const chunk = stream.read() as Buffer | null;
      if (chunk === null) return;
      octets = octets.length === 0 ? chunk : Buffer.concat([octets, chunk]);
      const reading = readProxyHeader(octets);
      if (reading.kind === 'incomplete') return;
      if (reading.kind === 'fault') return refuse(reading.reason);
      const { header } = reading;
      settle();
      if (header.octets < octets.length) stream.unshift(octets.subarray(header.octets));
      believe(intake, header);
    };
    const cutOff = setTimeout(() => settle(`no PROXY header within ${timeoutMs / 1_000} s`), timeoutMs);
    cutOff.unref();
    stream.on('readable', read).on('end', leave).on('close', leave);
    if (stream.destroyed) leave();
  });
}

/** How long a peer has to read why its header is refused, and to close. */
const LINGER_MS = 1_000;

/** Unread input would turn the end into a reset, and the text would be lost. The connection keeps its place until it is gone. */
function endWith(stream: Duplex, text: string, gone: () => void): void {
  const cutOff = setTimeout(() => stream.destroy(), LINGER_MS);
  cutOff.unref();
  stream.once('close', () => {
    clearTimeout(cutOff);
    gone();
  });
  stream.on('end', () => stream.destroy()).resume();
  stream.end(text);
}

function believe(intake: IncomingConnection, { isLocal, ends, fields, version }: ProxyHeader): void {
  intake.hops = [...intake.hops, `proxy-v${version}`];
  if (isLocal) {
    intake.isProbe = true;
    return;
  }
  if (fields.tls === undefined) takeProxyTls(intake);
  if (ends === undefined) return;
  intake.remote = ends.source;
  intake.local = ends.destination;
  if (fields.uniqueId !== undefined) intake.proxyId = fields.uniqueId;
  if (fields.tls !== undefined && fields.tls !== null) intake.tls = factsOf(fields.tls, fields.serverName);
}

/** TLS of which nothing is known but that it was. */
const BY_PROXY: TlsFacts = { by: 'proxy', verified: false };

/**
 * With `tls=by-proxy` the client of a proxy has come by TLS. To be called only where the other end of the socket has shown
 * that it is a proxy: a client that connects to such a listener by itself would be believed to be encrypted otherwise, and
 * its password would be asked for in the clear (tls_before_auth), in reach of anybody on the way.
 */
export function takeProxyTls(intake: IncomingConnection): void {
  if (intake.listener?.isTlsByProxy === true) intake.tls ??= BY_PROXY;
}

/** Proxies that do not say which version or cipher it was have ended TLS all the same. */
function factsOf(
  { version, cipher, clientName, isVerified }: ProxiedTls,
  serverName: string | undefined,
): TlsFacts {
  return {
    by: 'proxy',
    verified: isVerified,
    ...(version === undefined ? {} : { version }),
    ...(cipher === undefined ? {} : { cipher }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(clientName === undefined ? {} : { clientName }),
  };
}
