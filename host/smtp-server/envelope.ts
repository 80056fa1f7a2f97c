/** MAIL and RCPT of the facade. */

import type { Progress } from '../session/steps.ts';
import { answered } from './answered.ts';
import type { SMTPConnection } from './connection.ts';
import { parsePathCommand, type PathCommand } from './path-command.ts';
import type { ReplyTopic } from './replies.ts';
import type { SMTPServerAddress, SMTPServerAddressArgs, SMTPServerError } from './types.ts';

/** Parameters that need a value. */
const MAIL_VALUES = ['BODY', 'SIZE', 'RET', 'ENVID'];
const RCPT_VALUES = ['NOTIFY', 'ORCPT'];

type Refusal = readonly [code: number, text: string, topic?: ReplyTopic];

const NO_ARGS: SMTPServerAddressArgs = {};
const textOf = (value: string | true | undefined): string => (typeof value === 'string' ? value : '');

export function mail(connection: SMTPConnection, line: string): Progress {
  const { server, session } = connection;
  const isLenient = server.options.lenientAddressParsing === true;
  const parsed = parsePathCommand(line, { name: 'MAIL FROM', isLenient });
  connection.announce();
  if (parsed === undefined) return connection.send(501, 'Error: Bad sender address syntax', 'sender syntax');
  const refusal =
    refuseForm(parsed, MAIL_VALUES) ??
    (session.envelope.mailFrom ? ([503, 'Error: nested MAIL command'] as const) : undefined) ??
    refuseMailParameters(connection, parsed.path.args || NO_ARGS);
  if (refusal !== undefined) return connection.send(...refusal);
  const { path } = parsed;
  applyMailParameters(connection, path.args || NO_ARGS);
  return answered<[error?: Error | null]>(
    connection,
    (callback) => server.onMailFrom(path, session, callback),
    (error) => {
      if (error) return refuse(connection, error);
      session.envelope.mailFrom = path;
      return connection.send(250, 'Accepted', 'sender accepted');
    },
  );
}

export function rcpt(connection: SMTPConnection, line: string): Progress {
  const { server, session } = connection;
  const isLenient = server.options.lenientAddressParsing === true;
  const parsed = parsePathCommand(line, { name: 'RCPT TO', isLenient });
  if (parsed === undefined || parsed.path.address === '')
    return connection.send(501, 'Error: Bad recipient address syntax', 'recipient syntax');
  const { path } = parsed;
  const refusal =
    refuseForm(parsed, RCPT_VALUES) ??
    (session.envelope.mailFrom ? undefined : ([503, 'Error: need MAIL command'] as const)) ??
    takeRecipientDsn(connection, path) ??
    refuseNumber(connection, path) ??
    refuseWeight(connection, line);
  if (refusal !== undefined) return connection.send(...refusal);
  // The program may change the address.
  const key = path.address.toLowerCase();
  return answered<[error?: Error | null]>(
    connection,
    (callback) => server.onRcptTo(path, session, callback),
    (error) => {
      if (error) return refuse(connection, error);
      addRecipient(connection, path, key);
      return connection.send(250, 'Accepted', 'recipient accepted');
    },
  );
}

const refuse = (connection: SMTPConnection, { responseCode, message }: SMTPServerError): Progress =>
  connection.send(responseCode || 550, message);

function refuseForm({ path, repeated }: PathCommand, needValues: readonly string[]): Refusal | undefined {
  if (repeated !== undefined) return [501, `Error: duplicate ${repeated} parameter`];
  const args = path.args || NO_ARGS;
  const bare = needValues.find((key) => args[key] === true);
  return bare === undefined ? undefined : [501, `Error: ${bare} parameter requires a value`];
}

function refuseMailParameters(
  { server, secure }: SMTPConnection,
  args: SMTPServerAddressArgs,
): Refusal | undefined {
  const { hideSize = false, size, hideDSN } = server.options;
  const given = textOf(args['SIZE']);
  if (given !== '' && !/^\d{1,20}$/.test(given)) return [501, 'Error: Bad message size syntax'];
  if (given !== '' && !hideSize && size && Number(given) > size)
    return [552, `Error: message exceeds fixed maximum message size ${size}`, 'message too big'];
  if (args['BODY'] !== undefined && !/^(?:7bit|8bitmime)$/i.test(textOf(args['BODY'])))
    return [501, 'Invalid BODY parameter value. Must be 7BIT or 8BITMIME'];
  if (typeof args['SMTPUTF8'] === 'string')
    return [501, 'Invalid SMTPUTF8 parameter. This flag does not accept a value'];
  if (args['REQUIRETLS'] !== undefined && !secure)
    return [530, 'REQUIRETLS not permitted on non-TLS connections'];
  if (typeof args['REQUIRETLS'] === 'string')
    return [501, 'Invalid REQUIRETLS parameter. This flag does not accept a value'];
  if (hideDSN === false && args['RET'] !== undefined && !/^(?:full|hdrs)$/i.test(textOf(args['RET'])))
    return [501, 'Invalid RET parameter value. Must be FULL or HDRS'];
  return undefined;
}

/** Before the program is asked, which looks at the envelope. */
function applyMailParameters({ session }: SMTPConnection, args: SMTPServerAddressArgs): void {
  const { envelope } = session;
  if (args['BODY'] !== undefined) envelope.bodyType = textOf(args['BODY']).toLowerCase();
  if (args['SMTPUTF8'] === true) envelope.smtpUtf8 = true;
  if (args['REQUIRETLS'] === true) envelope.requireTLS = true;
  if (envelope.dsn === undefined) return;
  if (args['RET'] !== undefined) envelope.dsn.ret = textOf(args['RET']).toUpperCase();
  if (args['ENVID'] !== undefined) envelope.dsn.envid = textOf(args['ENVID']);
}

const NOTIFY = new Set(['NEVER', 'SUCCESS', 'FAILURE', 'DELAY']);
/** RFC 3461 section 4.2: a type, and something of it. */
const ORIGINAL_RECIPIENT = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+;./i;

function takeRecipientDsn({ server }: SMTPConnection, path: SMTPServerAddress): Refusal | undefined {
  if (server.options.hideDSN !== false) return undefined;
  const args = path.args || NO_ARGS;
  const notify = textOf(args['NOTIFY']).toUpperCase().split(',');
  if (args['NOTIFY'] !== undefined) {
    if (!notify.every((event) => NOTIFY.has(event)))
      return [501, 'Error: NOTIFY parameter must be NEVER, SUCCESS, FAILURE, or DELAY'];
    if (notify.includes('NEVER') && notify.length > 1)
      return [501, 'Error: NOTIFY=NEVER cannot be combined with other values'];
    path.dsn = { notify };
  }
  const original = textOf(args['ORCPT']);
  if (original === '') return undefined;
  if (!ORIGINAL_RECIPIENT.test(original)) return [501, 'Error: Bad ORCPT parameter syntax'];
  path.dsn = { ...path.dsn, orcpt: original };
  return undefined;
}

/** One that was accepted before does not count again. */
function refuseNumber(
  { server, session, recipientPlaces }: SMTPConnection,
  { address }: SMTPServerAddress,
): Refusal | undefined {
  const most = Number(server.options.maxRecipients) || 0;
  const isFull = most > 0 && session.envelope.rcptTo.length >= most;
  if (!isFull || recipientPlaces.has(address.toLowerCase())) return undefined;
  return [452, 'Error: too many recipients', 'too many recipients'];
}

/** Octets of a recipient besides its address: objects and their places in lists. */
const RECIPIENT_OCTETS = 400;

/** Without a limit of the program, memory is one: a client may name recipients without end. */
const refuseWeight = (connection: SMTPConnection, line: string): Refusal | undefined =>
  connection.takesWeight(RECIPIENT_OCTETS + 2 * line.length)
    ? undefined
    : [452, 'Error: too little memory, try again later'];

/** In place of the same one, if it is there. The program may have changed the list. */
function addRecipient(
  { session, recipientPlaces }: SMTPConnection,
  path: SMTPServerAddress,
  key: string,
): void {
  const { rcptTo } = session.envelope;
  const isIt = (recipient: SMTPServerAddress | undefined): boolean =>
    recipient?.address.toLowerCase() === key;
  let place = recipientPlaces.get(key) ?? -1;
  if (place >= 0 && !isIt(rcptTo[place])) place = rcptTo.findIndex(isIt);
  if (place >= 0) rcptTo[place] = path;
  else recipientPlaces.set(key, rcptTo.push(path) - 1);
}
