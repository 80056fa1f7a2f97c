/** The commands of the facade: who may use which, and what is answered. */

import { STOP, type Progress } from '../session/steps.ts';
import { guarded } from './answered.ts';
import type { SMTPConnection } from './connection.ts';
import { mail, rcpt } from './envelope.ts';
import { data } from './message-stream.ts';
import { mayUse, xclient, xforward } from './proxy-commands.ts';
import { hasControls } from './replies.ts';
import { auth } from './sasl.ts';

/** `line` is the whole command. */
export type Handler = (connection: SMTPConnection, line: string) => Progress;

const MAX_UNRECOGNIZED = 10;
const MAX_UNAUTHENTICATED = 10;
/** RFC 5321 section 4.5.3.1.2, with some slack. */
const MAX_HELLO_NAME = 300;

/** A web page can make a browser send its requests to any port. */
const HTTP = /^(?:OPTIONS|GET|HEAD|POST|PUT|DELETE|TRACE|CONNECT) \/.* HTTP\/\d\.\d$/i;

const handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['EHLO', ehlo],
  ['HELO', helo],
  ['QUIT', quit],
  ['NOOP', (connection) => connection.send(250, 'OK')],
  ['RSET', rset],
  ['HELP', (connection) => connection.send(214, 'See https://tools.ietf.org/html/rfc5321 for details')],
  ['VRFY', vrfy],
  ['STARTTLS', starttls],
  ['AUTH', auth],
  ['MAIL', mail],
  ['RCPT', rcpt],
  ['DATA', data],
  ['XCLIENT', xclient],
  ['XFORWARD', xforward],
  ['WIZ', wiz],
  ['SHELL', shell],
  ['KILL', kill],
]);

const HELLOS = new Set(['HELO', 'EHLO', 'LHLO']);
const NEEDS_HELLO = new Set(['MAIL', 'RCPT', 'DATA', 'AUTH']);
const NEEDS_AUTH = new Set(['MAIL', 'RCPT', 'DATA']);

export const wordsOf = (line: string): readonly string[] => line.trim().split(/\s+/);

/** True if the command is there and not disabled, for the server or, if the program says so, for the session. */
export function isSupported(connection: SMTPConnection, command: string): boolean {
  const { disabledCommands } = connection.session;
  const disabled = Array.isArray(disabledCommands)
    ? disabledCommands.map((each) => String(each).trim().toUpperCase())
    : connection.server.options.disabledCommands;
  return handlers.has(command) && !disabled.includes(command);
}

/** The steps of one line. */
export function dispatch(connection: SMTPConnection, line: string): Progress {
  const command = line.split(' ', 1)[0]!.toUpperCase();
  logCommand(connection, command, line);
  if (connection.server.isClosing) return connection.end(421, 'Server shutting down');
  if (HTTP.test(line)) return connection.end(421, 'HTTP requests not allowed');
  const { nextLine } = connection;
  if (nextLine !== undefined) {
    connection.nextLine = undefined;
    return refusal(connection, command) ?? guarded(connection, command, () => nextLine(line));
  }
  if (HELLOS.has(command)) connection.openingCommand = command;
  const named = nameInDialect(connection, command);
  if (named === undefined)
    return connection.send(500, `Error: ${command} not allowed in LMTP server`, 'none');
  const handler = isSupported(connection, named) ? handlers.get(named) : undefined;
  if (handler === undefined) return refuseUnknown(connection);
  return refusal(connection, named) ?? guarded(connection, named, () => handler(connection, line));
}

/** LMTP has LHLO in place of HELO and EHLO, which are undefined there. RFC 2033 section 4.1. */
function nameInDialect({ server }: SMTPConnection, command: string): string | undefined {
  if (server.options.lmtp !== true) return command;
  if (command === 'HELO' || command === 'EHLO') return undefined;
  return command === 'LHLO' ? 'EHLO' : command;
}

function refuseUnknown(connection: SMTPConnection): Progress {
  if (++connection.unrecognized >= MAX_UNRECOGNIZED)
    return connection.end(421, 'Error: too many unrecognized commands');
  return connection.send(500, 'Error: command not recognized');
}

/** What stands against the command before it is looked at. */
function refusal(connection: SMTPConnection, command: string): Progress | undefined {
  const { options } = connection.server;
  const needsAuth =
    !connection.session.user && isSupported(connection, 'AUTH') && options.authOptional !== true;
  if (needsAuth && command !== 'AUTH') {
    const most = options.maxAllowedUnauthenticatedCommands;
    if (most !== false && ++connection.unauthenticated >= (most || MAX_UNAUTHENTICATED))
      return connection.end(421, 'Error: too many unauthenticated commands');
  }
  if (!connection.hostNameAppearsAs && NEEDS_HELLO.has(command)) {
    const hello = options.lmtp === true ? 'LHLO' : 'HELO/EHLO';
    return connection.send(503, `Error: send ${hello} first`);
  }
  if (!needsAuth || !NEEDS_AUTH.has(command)) return undefined;
  return connection.send(530, options.authRequiredMessage ?? 'Error: authentication Required');
}

/** What follows AUTH and its mechanism, and the lines of its exchange, hold passwords. */
function logCommand(connection: SMTPConnection, command: string, line: string): void {
  const { server, id: cid, user } = connection;
  const isExchange = connection.nextLine !== undefined;
  let shown = isExchange ? '/* secured */' : line;
  // Also where blanks or tabs make it a command that is none.
  if (!isExchange && /^\s*AUTH\b/i.test(line)) {
    const words = wordsOf(line);
    if (words.length > 2) shown = `${words.slice(0, 2).join(' ')} /* secured */`;
  }
  server.logger.debug(
    { tnx: 'command', cid, command: isExchange ? 'AUTH' : command.split(/\s/, 1)[0], user },
    'C:',
    shown,
  );
}

function ehlo(connection: SMTPConnection, line: string): Progress {
  const { options } = connection.server;
  const command = options.lmtp === true ? 'LHLO' : 'EHLO';
  if (!takeHello(connection, line, `Error: syntax: ${command} hostname`)) return STOP;
  const lines = extensionsOf(connection);
  connection.resetSession();
  return connection.send(250, [helloText(connection), ...lines], 'none');
}

function helo(connection: SMTPConnection, line: string): Progress {
  if (!takeHello(connection, line, 'Error: Syntax: HELO hostname')) return STOP;
  connection.resetSession();
  return connection.send(250, helloText(connection), 'none');
}

function takeHello(connection: SMTPConnection, line: string, syntax: string): boolean {
  const [, name = '', ...more] = wordsOf(line);
  if (name === '' || more.length > 0) {
    connection.send(501, syntax, 'none');
    return false;
  }
  if (name.length > MAX_HELLO_NAME || hasControls(name)) {
    connection.send(501, 'Error: Bad hostname syntax', 'none');
    return false;
  }
  connection.hostNameAppearsAs = name.toLowerCase();
  return true;
}

function helloText({ server, name, clientHostname }: SMTPConnection): string {
  const names = [name, clientHostname];
  const form = server.options.heloResponse || '%s Nice to meet you, %s';
  return form.replace(/%s/g, () => names.shift() ?? '');
}

function extensionsOf(connection: SMTPConnection): string[] {
  const { server, secure, session } = connection;
  const { options } = server;
  const offered: (readonly [isOffered: boolean, line: string])[] = [
    [options.hidePIPELINING !== true, 'PIPELINING'],
    [options.hide8BITMIME !== true, '8BITMIME'],
    [options.hideSMTPUTF8 !== true, 'SMTPUTF8'],
    [options.hideENHANCEDSTATUSCODES === false, 'ENHANCEDSTATUSCODES'],
    [options.hideDSN === false, 'DSN'],
    [
      options.authMethods.length > 0 && isSupported(connection, 'AUTH') && !session.user,
      ['AUTH', ...options.authMethods].join(' '),
    ],
    [!secure && isSupported(connection, 'STARTTLS') && options.hideSTARTTLS !== true, 'STARTTLS'],
    [secure && options.hideREQUIRETLS === false, 'REQUIRETLS'],
    [Boolean(options.size), options.hideSize === true ? 'SIZE' : `SIZE ${options.size}`],
    [mayUse(connection, 'XCLIENT'), 'XCLIENT NAME ADDR PORT PROTO HELO LOGIN'],
    [mayUse(connection, 'XFORWARD'), 'XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE'],
  ];
  return offered.flatMap(([isOffered, line]) => (isOffered ? [line] : []));
}

function quit(connection: SMTPConnection): Progress {
  connection.send(221, 'Bye');
  connection.engine.hasQuit = true;
  connection.close();
  return STOP;
}

function rset(connection: SMTPConnection): Progress {
  connection.resetSession();
  return connection.send(250, 'Flushed');
}

const vrfyText = 'Try to send something. No promises though';

function vrfy(connection: SMTPConnection, line: string): Progress {
  if (wordsOf(line).length < 2) return connection.send(501, 'Error: Syntax: VRFY address');
  return connection.send(252, vrfyText);
}

function starttls(connection: SMTPConnection, line: string): Progress {
  if (wordsOf(line).length > 1) return connection.send(501, 'Error: syntax: STARTTLS');
  if (connection.secure) return connection.send(503, 'Error: TLS already active');
  connection.send(220, 'Ready to start TLS');
  return connection.upgrade();
}

// Commands of an old sendmail, which scanners try.

function wiz(connection: SMTPConnection, line: string): Progress {
  if (wordsOf(line).length < 2) return connection.send(500, 'You are no wizard!');
  connection.session.isWizard = true;
  return connection.send(200, 'Please pass, oh mighty wizard');
}

function shell(connection: SMTPConnection): Progress {
  const { server, id: cid, user, session } = connection;
  server.logger.info({ tnx: 'shell', cid, user }, 'Client tried to invoke SHELL');
  return session.isWizard === true
    ? connection.send(500, 'Error: Invoking shell is not allowed. This incident will be reported.')
    : connection.send(500, 'Mere mortals must not mutter that mantra');
}

function kill(connection: SMTPConnection): Progress {
  const { server, id: cid, user } = connection;
  server.logger.info({ tnx: 'kill', cid, user }, 'Client tried to invoke KILL');
  return connection.send(500, 'Can not kill Mom');
}
