/** Opens outlets over next hops. */

import type { Setup } from '../../../bindings/plugin/index.ts';
import { Deadlines } from '../../../bindings/timing/deadlines.ts';
import { readLoginFile } from './hop-login.ts';
import type { OpeningOptions } from './hop-opening.ts';
import {
  DEFAULT_TIMEOUTS,
  type HopOptions,
  type HopOutlet,
  type HopTlsFiles,
  type TlsDemand,
} from './hop-options.ts';
import type { TransactionOptions } from './hop-transaction.ts';
import { SmtpOutlet } from './smtp-outlet.ts';

/** One timer for all connections to all hops. */
const deadlines = new Deadlines();

/** What of its set-up a plugin gives to those that talk to hops. */
export interface HopSetup extends Pick<Setup<unknown>, 'onClose'> {
  readonly services: Pick<Setup<unknown>['services'], 'connect' | 'files' | 'random'>;
}

/**
 * An outlet over next hops, with kept connections. Unless the mail object is tracked by recipient, nobody gets it unless all
 * can: one recipient the hop does not take decides for the others too. LMTP answers for recipients after the content, so there
 * it cannot be promised. What it needs of files is read now: throws with file and remedy. Closed with the plugin.
 */
export function openHops(options: HopOptions, { services, onClose }: HopSetup): HopOutlet {
  const outlet = new SmtpOutlet({
    ...connectionOptions(options, options.protocol ?? 'smtp', services),
    hosts: options.hosts,
    withinMs: options.withinMs ?? Number.POSITIVE_INFINITY,
    connections: options.connections ?? 10,
    messages: options.messages ?? 1_000,
    waiting: options.waiting ?? 1_000,
  });
  onClose(() => outlet.close());
  return outlet;
}

/** What connections are made and used with. Throws as `openHops` does. */
export function connectionOptions(
  options: Omit<HopOptions, 'hosts' | 'protocol'>,
  protocol: 'smtp' | 'lmtp',
  { connect, files, random }: HopSetup['services'],
): OpeningOptions & TransactionOptions & { readonly idleMs: number; readonly random: () => number } {
  const { tls = { level: 'opportunistic' }, loginFile, allowsClearLogin = false } = options;
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const { key } = options.tlsFiles ?? {};
  const warning = key === undefined ? undefined : files.openKeyWarning(key);
  if (warning !== undefined) options.log.warn(warning);
  const read = loginFile === undefined ? undefined : () => readLoginFile(loginFile, files);
  read?.();
  return {
    protocol,
    helloName: options.helloName,
    timeouts,
    tls: withTlsFiles(tls, options.tlsFiles, { connect, files }),
    login: read && { read, allowsClear: allowsClearLogin, timeoutMs: timeouts.helloMs },
    connect,
    introduction: options.introduction,
    deadlines,
    log: options.log,
    idleMs: options.idleMs ?? 15_000,
    eightBit: options.eightBit ?? 'refuse',
    random,
  };
}

/** The authorities of a whole system have less than a megabyte. */
const MAX_PEM_OCTETS = 16_777_216;

/** The demand with what the files hold. Throws with the path if one can't be read, or if they don't fit together. */
function withTlsFiles(
  demand: TlsDemand,
  paths: HopTlsFiles | undefined,
  { files, connect }: Pick<HopSetup['services'], 'files' | 'connect'>,
): TlsDemand {
  if (paths === undefined) return demand;
  const { authorities, certificate, key } = paths;
  if ((certificate === undefined) !== (key === undefined))
    throw new Error('a certificate and its key have to be given together');
  const textOf = (path: string): string => {
    const text = files.readNow(path, { maxOctets: MAX_PEM_OCTETS });
    if (!text.includes('-----BEGIN ')) throw new Error(`${path}: holds nothing in PEM`);
    return text;
  };
  const read: Pick<TlsDemand, 'authorities' | 'certificate' | 'key'> = {
    ...(authorities !== undefined && { authorities: textOf(authorities) }),
    ...(certificate !== undefined && { certificate: textOf(certificate) }),
    ...(key !== undefined && { key: textOf(key) }),
  };
  try {
    connect.check(read);
  } catch (cause) {
    const named = [authorities, certificate, key].filter((path) => path !== undefined).join(', ');
    throw new Error(`${named}: ${(cause as Error).message}`, { cause });
  }
  return { ...demand, ...read };
}
