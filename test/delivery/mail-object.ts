/** MailObjects and outlets for tests of the hop client. */

import type { Recipient } from '../../bindings/plugin/connection.ts';
import type { MailObject } from '../../bindings/plugin/delivery.ts';
import type { HopOptions, HopOutlet } from '../../plugins/queue/smtp/hop-options.ts';
import type { Log } from '../../bindings/plugin/log-level.ts';
import { Address } from '../../bindings/wire/address.ts';
import { connect } from '../../host/connect/connect.ts';
import { SystemFiles } from '../../host/services/files.ts';
import { type HopSetup, openHops } from '../../plugins/queue/smtp/hops.ts';
import { systemClock } from '../../host/services/services.ts';
import { PLAIN_MAIL } from '../../host/session/envelope-parameters.ts';
import type { ScriptedHop } from './scripted-hop.ts';
import { address, messageOf } from './transaction.ts';

/** The real network and real files; chance stays where it is. */
export const hopServices: HopSetup['services'] = {
  connect,
  files: new SystemFiles(systemClock),
  random: () => 0.5,
};

/** A set-up whose outlets a test closes by itself. */
export const hopSetup: HopSetup = { services: hopServices, onClose: () => undefined };

export const LETTER = 'Subject: x\r\n\r\n.one\r\ntwo\r\n';

export function mailTo(
  recipients: readonly (string | Recipient)[],
  parts: Partial<MailObject> = {},
): MailObject {
  return {
    reversePath: new Address('s', 'c.example'),
    recipients: recipients.map((recipient) =>
      typeof recipient === 'string' ? { address: address(recipient), parameters: new Map() } : recipient,
    ),
    mailOptions: PLAIN_MAIL,
    message: messageOf(LETTER),
    client: undefined,
    id: 'p1',
    ...parts,
  };
}

/** A log that keeps its lines. */
export function keptLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const add = (text: string): void => void lines.push(text);
  return {
    lines,
    writes: () => true,
    at: (_, text) => add(text),
    error: add,
    warn: add,
    notice: add,
    info: add,
    debug: add,
  };
}

/** Short waits: the pass that looks after deadlines comes twice a second. */
export const SHORT = {
  connectMs: 300,
  greetingMs: 300,
  helloMs: 300,
  mailMs: 300,
  rcptMs: 300,
  dataMs: 300,
  blockMs: 300,
  endMs: 300,
};

const STAGES = [
  ['GREETING', 'greetingMs'],
  ['EHLO', 'helloMs'],
  ['MAIL', 'mailMs'],
  ['RCPT', 'rcptMs'],
  ['DATA', 'dataMs'],
  ['END', 'endMs'],
] as const;

/** Short waits from the stage on at which a hop says nothing: what it answers before may be late where a machine is busy. */
export function shortFrom(silent: string): Partial<typeof SHORT> {
  const first = STAGES.findIndex(([stage]) => stage === silent);
  return first < 0 ? {} : Object.fromEntries(STAGES.slice(first).map(([, name]) => [name, SHORT[name]]));
}

export const hostOf = (hop: ScriptedHop, name = 'hop.test') => ({
  name,
  address: '127.0.0.1',
  port: hop.port,
});

export function outletTo(
  hops: readonly ScriptedHop[],
  options: Partial<HopOptions> = {},
): HopOutlet & { readonly log: string[] } {
  const log = keptLog();
  const hosts = hops.map((hop, index) => ({ ...hostOf(hop), preference: index }));
  const outlet = openHops({ hosts, helloName: 'mx.test', log, ...options }, hopSetup);
  return Object.assign(outlet, { log: log.lines });
}
