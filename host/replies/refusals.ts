/**
 * The refusals, by hook and return code: reply code, default text, what it resets and whether the connection ends. The
 * irregularities are qpsmtpd's; log scrapers and clients depend on them.
 */

import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import type { HookName } from '../../bindings/plugin/hooks.ts';
import { template, type Template } from './reply.ts';

export interface Refusal {
  /** Code and status, and the text when the verdict has none. `%1` is the subject of the command. */
  readonly reply: Template;
  readonly disconnects?: boolean;
  readonly resetsTransaction?: boolean;
}

type Row = Partial<Record<ReturnCode, Refusal>>;

const { DENY, DENYSOFT, DENY_DISCONNECT, DENYSOFT_DISCONNECT } = ReturnCode;

/** Most hooks: the soft codes share one reply, so do the hard ones, and the disconnecting two also close. */
function row(hard: Template, soft: Template, hardClosing = hard, softClosing = soft): Row {
  return {
    [DENY]: { reply: hard },
    [DENYSOFT]: { reply: soft },
    [DENY_DISCONNECT]: { reply: hardClosing, disconnects: true },
    [DENYSOFT_DISCONNECT]: { reply: softClosing, disconnects: true },
  };
}

/** Both codes of a kind close the connection. */
function closing(hard: Template, soft: Template): Row {
  const refuse: Refusal = { reply: hard, disconnects: true };
  const defer: Refusal = { reply: soft, disconnects: true };
  return { [DENY]: refuse, [DENY_DISCONNECT]: refuse, [DENYSOFT]: defer, [DENYSOFT_DISCONNECT]: defer };
}

/** Refusals that do not close the connection end the transaction. */
function resetting(row: Row): Row {
  const entries = Object.entries(row).map(([code, refusal]) => [
    code,
    { ...refusal, resetsTransaction: true },
  ]);
  return Object.fromEntries(entries) as Row;
}

const DENIED = 'Message denied';
const DENIED_FOR_NOW = 'Message denied temporarily';

/** qpsmtpd has no default text here and sends nothing, which leaves the client waiting; we always answer. */
const hello = row(
  template(550, '5.7.1', 'HELO name refused'),
  template(450, '4.7.1', 'HELO name refused for now'),
);

/** A parser's denial says that it could not make sense of the line; soft ones make no difference to qpsmtpd. */
const helloUnparsed = row(
  template(501, '5.5.4', '%1 requires domain/address - see RFC-2821 4.1.1.1', 'HELO name not understood'),
  template(501, '5.5.4', '%1 requires domain/address - see RFC-2821 4.1.1.1', 'HELO name not understood'),
);
const envelopeUnparsed = row(
  template(501, '5.5.2', 'Syntax error in command'),
  template(501, '5.5.2', 'Syntax error in command'),
);

export const refusals: Partial<Record<HookName, Row>> = {
  'pre-connection': closing(
    template(550, '5.7.1', 'Sorry, service not available for you'),
    template(451, '4.7.1', 'Sorry, try again later'),
  ),
  connect: closing(
    template(550, '5.7.1', 'Connection from you denied, bye bye.', 'Connection refused'),
    template(450, '4.7.1', 'Connection from you temporarily denied, bye bye.', 'Connection refused for now'),
  ),
  helo: hello,
  ehlo: hello,
  helo_parse: helloUnparsed,
  ehlo_parse: helloUnparsed,
  mail_parse: envelopeUnparsed,
  rcpt_parse: envelopeUnparsed,
  mail: row(
    template(550, '5.7.1', '%1, denied', '%1 sender refused'),
    template(450, '4.7.1', '%1, temporarily denied', '%1 sender refused for now'),
    template(550, '5.7.1', '%1, denied', '%1 sender refused'),
    template(421, '4.7.1', '%1, temporarily denied', '%1 sender refused for now'),
  ),
  rcpt: row(
    template(550, '5.7.1', 'relaying denied', 'Relaying denied'),
    template(450, '4.7.1', 'relaying denied', 'Relaying denied for now'),
    template(550, '5.7.1', 'delivery denied', 'Delivery denied'),
    template(421, '4.7.1', 'relaying denied', 'Relaying denied for now'),
  ),
  data: resetting(row(template(554, '5.7.1', DENIED), template(451, '4.7.1', DENIED_FOR_NOW))),
  data_headers_end: {
    [DENY_DISCONNECT]: { reply: template(554, '5.7.1', DENIED), disconnects: true },
    [DENYSOFT_DISCONNECT]: { reply: template(421, '4.7.1', DENIED_FOR_NOW), disconnects: true },
  },
  data_post: resetting(row(template(552, '5.7.1', DENIED), template(452, '4.7.1', DENIED_FOR_NOW))),
  queue: {
    [DENY]: { reply: template(552, '5.7.1', DENIED) },
    [DENYSOFT]: { reply: template(452, '4.3.0', DENIED_FOR_NOW) },
  },
  vrfy: {
    [DENY]: { reply: template(554, '5.7.1', 'Access Denied', 'Access denied'), resetsTransaction: true },
  },
  noop: {
    [DENY]: { reply: template(500, '5.7.1', 'Stop wasting my time.', 'Refused') },
    [DENY_DISCONNECT]: {
      reply: template(500, '5.7.1', 'Stop wasting my time.', 'Refused'),
      disconnects: true,
    },
  },
  help: { [DENY]: { reply: template(500, '5.5.1', 'Syntax error, command not recognized') } },
  unrecognized_command: {
    [DENY]: { reply: template(500, '5.5.2', 'Unrecognized command') },
    [DENY_DISCONNECT]: {
      reply: template(521, '5.7.0', 'Closing connection', 'Too many unrecognized commands, closing'),
      disconnects: true,
    },
  },
};
