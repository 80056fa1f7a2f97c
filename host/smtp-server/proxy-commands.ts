/** XCLIENT and XFORWARD of the facade: a proxy says who its client is. Postfix's XCLIENT_README and XFORWARD_README. */

import { canonicalIpAddress } from '../../bindings/lists/client-ranges.ts';
import { isIP, isIPv6 } from '../../bindings/wire/ip-address.ts';
import { STOP, type Progress } from '../session/steps.ts';
import { isSupported, wordsOf } from './commands.ts';
import { isHostName, type SMTPConnection } from './connection.ts';
import { decodeXtext, shortIPv6 } from './path-command.ts';
import { hasControls } from './replies.ts';
import { askAuth } from './sasl.ts';

type ProxyCommand = 'XCLIENT' | 'XFORWARD';
type Value = string | false;

const KEYS: Readonly<Record<ProxyCommand, readonly string[]>> = {
  XCLIENT: ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'LOGIN'],
  XFORWARD: ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'IDENT', 'SOURCE'],
};
const UNKNOWN: Readonly<Record<ProxyCommand, readonly string[]>> = {
  XCLIENT: ['[UNAVAILABLE]', '[TEMPUNAVAIL]'],
  XFORWARD: ['[UNAVAILABLE]'],
};

/** As lists of addresses compare them. */
function plainAddress(address: string): string {
  const plain = address.trim();
  return canonicalIpAddress(plain) ?? plain.toLowerCase();
}

/** `true`, or `*` in a list, trusts everybody. */
export function isTrustedPeer(trusted: boolean | readonly string[] | undefined, address: string): boolean {
  if (trusted === undefined || typeof trusted === 'boolean') return trusted === true;
  const peer = plainAddress(address);
  return trusted.some((entry) => entry === '*' || plainAddress(entry) === peer);
}

/** With ADDR the session has become the client's own, which may not name another. */
export function mayUse(connection: SMTPConnection, command: ProxyCommand): boolean {
  const { server, xClient, peerAddress } = connection;
  const trusted = command === 'XCLIENT' ? server.options.useXClient : server.options.useXForward;
  return !xClient.has('ADDR') && isTrustedPeer(trusted, peerAddress) && isSupported(connection, command);
}

export function xclient(connection: SMTPConnection, line: string): Progress {
  const values = open(connection, 'XCLIENT', line);
  if (!(values instanceof Map)) return values;
  for (const [key, value] of values) applyXclient(connection, key, value);
  if (values.has('ADDR')) connection.announce();
  const login = values.get('LOGIN');
  if (typeof login !== 'string') return startOver(connection);
  return askAuth(connection, { method: 'XCLIENT', username: login, password: null }, (error, response) => {
    if (error === undefined && (response === undefined || response.user)) return startOver(connection);
    return connection.end(550, error?.message ?? 'Authentication credentials invalid');
  });
}

/** The session begins again, with the greeting. */
function startOver(connection: SMTPConnection): Progress {
  connection.resetSession();
  connection.sendGreeting();
  return STOP;
}

export function xforward(connection: SMTPConnection, line: string): Progress {
  const values = open(connection, 'XFORWARD', line);
  if (!(values instanceof Map)) return values;
  for (const [key, value] of values) applyXforward(connection, key, value);
  connection.resetSession();
  if (values.get('ADDR')) connection.announce(true);
  return connection.send(250, 'OK');
}

/** The values by key; none of them is believed if one is wrong. Otherwise what was answered. */
function open(
  connection: SMTPConnection,
  command: ProxyCommand,
  line: string,
): Map<string, Value> | Progress {
  if (!mayUse(connection, command)) return connection.send(550, 'Error: Not allowed', 'not allowed');
  if (connection.session.envelope.mailFrom)
    return connection.send(503, 'Error: Mail transaction in progress');
  const values = new Map<string, Value>();
  const words = wordsOf(line).slice(1);
  if (words.length === 0) return connection.send(501, BAD_SYNTAX);
  for (const word of words) {
    const [key = '', text, ...more] = word.split('=');
    const name = key.toUpperCase();
    if (text === undefined || more.length > 0 || !KEYS[command].includes(name))
      return connection.send(501, BAD_SYNTAX);
    const value = readValue(name, decodeXtext(text), UNKNOWN[command]);
    if (typeof value === 'object') return connection.send(501, `${BAD_SYNTAX}${value.problem}`);
    if (!values.has(name)) values.set(name, value);
  }
  return values;
}

const BAD_SYNTAX = 'Error: Bad command parameter syntax';

function readValue(
  key: string,
  text: string,
  unknown: readonly string[],
): Value | { readonly problem: string } {
  if (hasControls(text)) return { problem: '' };
  if (unknown.includes(text.toUpperCase())) return false;
  if (key === 'ADDR' && text !== '') {
    const address = text.replace(/^IPV6:/i, '');
    if (isIP(address) === 0) return { problem: '. Invalid address' };
    return isIPv6(address) && !address.includes('%') ? shortIPv6(address) : address;
  }
  if (key === 'NAME' && text !== '' && !isHostName(text)) return { problem: '. Invalid hostname' };
  return text;
}

function applyXclient(connection: SMTPConnection, key: string, value: Value): void {
  const { xClient } = connection;
  const keepFirst = (name: string, first: string | number): void => {
    if (!xClient.has(name)) xClient.set(name, first);
  };
  let kept: string | number | false = value;
  if (key === 'ADDR' && value) {
    note(connection, 'xclient', key, value, 'XCLIENT from %s through %s', connection.remoteAddress);
    keepFirst('ADDR:DEFAULT', connection.remoteAddress);
    connection.remoteAddress = value;
    connection.hostNameAppearsAs = false;
    // A login that comes with it is applied afterwards; the proxy's own is none of the client's.
    connection.session.user = false;
  } else if (key === 'NAME') {
    kept = value || '';
    note(connection, 'xclient', key, kept, 'XCLIENT hostname resolved as "%s"');
    keepFirst('NAME:DEFAULT', connection.clientHostname);
    connection.setClientHostname(kept);
  } else if (key === 'PORT') {
    const port = Number(value) || 0;
    kept = port || '';
    note(connection, 'xclient', key, kept, 'XCLIENT remote port resolved as "%s"');
    keepFirst('PORT:DEFAULT', connection.remotePort || '');
    connection.remotePort = port;
  }
  xClient.set(key, kept);
}

function applyXforward(connection: SMTPConnection, key: string, value: Value): void {
  const { xForward } = connection;
  let kept: string | number | false = value;
  if (key === 'ADDR' && value) {
    note(connection, 'xforward', key, value, 'XFORWARD from %s through %s', connection.remoteAddress);
    if (!xForward.has('ADDR:DEFAULT')) xForward.set('ADDR:DEFAULT', connection.remoteAddress);
    connection.remoteAddress = value;
  } else if (key === 'NAME') {
    kept = value || '';
    note(connection, 'xforward', key, kept, 'XFORWARD hostname resolved as "%s"');
    connection.setClientHostname(kept);
  } else if (key === 'PORT') {
    connection.remotePort = Number(value) || 0;
    kept = connection.remotePort;
    note(connection, 'xforward', key, kept, 'XFORWARD port resolved as "%s"');
  } else if (key === 'HELO') {
    kept = (value || '').toLowerCase();
    note(connection, 'xforward', key, kept, 'XFORWARD HELO name resolved as "%s"');
    connection.hostNameAppearsAs = kept;
  }
  xForward.set(key, kept);
}

function note(
  { server, id: cid, user }: SMTPConnection,
  tnx: 'xclient' | 'xforward',
  key: string,
  value: string | number,
  text: string,
  ...more: string[]
): void {
  server.logger.info({ tnx, cid, [`${tnx}Key`]: key, [tnx]: value, user }, text, value, ...more);
}
