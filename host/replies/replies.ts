/**
 * Every reply the session gives by itself: when, code, status, qpsmtpd's text, plain text. Replies stand nowhere else,
 * except those of refusing hooks in `refusals.ts`.
 */

import { template, type Template } from './reply.ts';

export interface Reply extends Template {
  /** When it is given, for docs/reference/replies.md. */
  readonly when: string;
}

function reply(when: string, ...given: Parameters<typeof template>): Reply {
  return { ...template(...given), when };
}

export const replies = {
  // Connection. RFC 5321 section 3.1.
  greeting: reply('the connection is open; `%1` is `smtpgreeting` or the built-in greeting', 220, '', '%1'),
  closing: reply(
    'QUIT; the connection is closed',
    221,
    '2.0.0',
    '%1 closing connection. Have a wonderful day.',
    '%1 closing connection',
  ),
  timedOut: reply(
    'the client kept silent longer than `timeout`; the connection is closed',
    421,
    '4.4.2',
    'Connection Timed Out',
    'Connection timed out',
  ),
  shuttingDown: reply(
    'the daemon stops and the grace period is over; the connection is closed',
    421,
    '4.3.2',
    '%1 shutting down, please try again',
    '%1 shutting down, try again',
  ),
  tooManyConnections: reply(
    'all places are taken and the line of those who wait is full; the connection is closed',
    421,
    '4.3.2',
    'Too many connections, try again later',
  ),
  shortOfMemory: reply(
    'instead of the banner; there is hardly any memory left (`memory_budget`)',
    421,
    '4.3.2',
    '%1 is too busy, try again later',
  ),
  tooManyFromAddress: reply(
    '`max_from_ip` is reached; the connection is closed',
    451,
    '4.7.0',
    'too many connections from %1, try again later',
    'Too many connections from your address, try again later',
  ),

  tookTooLong: reply(
    '`data_total_timeout` or `session_timeout` has passed; the connection is closed',
    421,
    '4.4.2',
    'Connection Timed Out',
    'This takes too long, closing',
  ),
  tooManyCommands: reply(
    '`max_commands` is exceeded; the connection is closed',
    421,
    '4.7.0',
    '%1 too many commands without a message, closing',
  ),
  tooManyUnrecognized: reply(
    '`max_unrecognized` is exceeded; the connection is closed',
    421,
    '4.7.0',
    '%1 too many unrecognized commands, closing',
  ),
  tooManyRefused: reply(
    'RCPT; `max_refused_recipients` is exceeded; the connection is closed',
    421,
    '4.7.0',
    '%1 too many refused recipients, closing',
  ),
  tooManyTransactions: reply(
    'MAIL; `max_transactions` is exceeded; the connection is closed',
    421,
    '4.7.0',
    '%1 too many messages in one connection, closing',
  ),

  // HELO and EHLO. RFC 5321 section 4.1.1.1.
  helloNeedsHost: reply(
    'HELO, EHLO or LHLO without an argument',
    501,
    '5.5.4',
    '%1 requires domain/address - see RFC-2821 4.1.1.1',
    '%1 needs a domain or an address literal (RFC 5321 section 4.1.1.1)',
  ),
  helloAgain: reply(
    'a second HELO or EHLO, if `hello_again` is `refuse`',
    503,
    '5.5.1',
    'but you already said HELO ...',
    'HELO or EHLO was given already',
  ),
  helo: reply('HELO', 250, '', '%1 Hi %2; I am so happy to meet you.', '%1 greets %2'),
  ehlo: reply('EHLO or LHLO; lines with the extensions follow', 250, '', '%1 Hi %2', '%1 greets %2'),
  needHello: reply(
    'MAIL before HELO or EHLO',
    503,
    '5.5.1',
    'please say hello first ...',
    'Send HELO or EHLO first',
  ),
  lmtpNeedsLhlo: reply(
    'HELO or EHLO on a listener with `lmtp=yes`',
    500,
    '5.5.1',
    'Command not recognized; this is LMTP, which begins with LHLO',
  ),
  needLhlo: reply('MAIL before LHLO, on a listener with `lmtp=yes`', 503, '5.5.1', 'Send LHLO first'),

  // AUTH. RFC 4954 sections 4 and 6.
  challenge: reply('AUTH; `%1` is the challenge of the mechanism in base64', 334, '', '%1'),
  /** The blank is qpsmtpd's. */
  emptyChallenge: reply(
    'AUTH without an initial response, where the mechanism begins with one',
    334,
    '',
    ' ',
    '',
  ),
  authSuccess: reply(
    'AUTH; the credentials are right',
    235,
    '2.7.0',
    '%1 authentication successful for %2',
    'Authentication successful',
  ),
  authFailed: reply(
    'AUTH; the credentials are wrong',
    535,
    '5.7.8',
    '%1 authentication failed for %2',
    'Authentication credentials invalid',
  ),
  authTemporary: reply(
    'AUTH; the credentials could not be checked',
    454,
    '4.7.0',
    '%1 authentication failed for now, try again later',
    'Temporary authentication failure, try again later',
  ),
  authInvalid: reply(
    'AUTH; the response lacks a user or a password',
    535,
    '5.7.8',
    'Authentication invalid',
    'Authentication credentials invalid',
  ),
  authInvalidAs: reply(
    'AUTH PLAIN; the response lacks what `%1` names',
    535,
    '5.7.8',
    'Authentication invalid (%1)',
    'Authentication credentials invalid',
  ),
  authInvalidFor: reply(
    'AUTH; the user wants to act for another one',
    535,
    '5.7.8',
    'Authentication invalid for %1',
    'Nobody may act for somebody else',
  ),
  authMalformed: reply(
    'AUTH; the response is not of the form of the mechanism',
    504,
    '5.5.2',
    'Invalid authentication string',
    'Malformed response',
  ),
  authCanceled: reply('AUTH; the client sent `*`', 501, '5.7.0', 'Authentication canceled'),
  authUndecodable: reply(
    'AUTH; a response that is no base64',
    501,
    '5.5.2',
    'The response is not valid base64',
  ),
  noInitialResponse: reply(
    'AUTH with an initial response, where the server begins',
    501,
    '5.7.0',
    'This mechanism has no initial response',
  ),
  unknownMechanism: reply(
    'AUTH with a mechanism that is not offered, or none',
    504,
    '5.5.4',
    'Unimplemented authentication mechanism: %1',
    'Authentication mechanism not offered: %1',
  ),
  authAgain: reply(
    'AUTH after a successful one',
    503,
    '5.5.1',
    'but you already said AUTH ...',
    'The client is authenticated already',
  ),
  authNeedsTls: reply(
    'AUTH outside TLS with `tls_before_auth`, in the enhanced style',
    538,
    '5.7.11',
    'SSL/TLS required before AUTH',
    'Send STARTTLS before AUTH',
  ),
  needAuth: reply('MAIL before AUTH, with `auth_required`', 530, '5.7.0', 'Authentication required'),
  needTls: reply(
    'the same outside TLS, with `tls_before_auth` as well',
    530,
    '5.7.0',
    'Must issue a STARTTLS command first',
  ),
  tooManyAuthFailures: reply(
    'AUTH after `auth_failures` failed ones; the connection is closed',
    421,
    '4.7.0',
    '%1 too many failed authentications, closing',
  ),

  // MAIL and RCPT. RFC 5321 sections 4.1.1.2 and 4.1.1.3.
  syntaxInCommand: reply('MAIL without `FROM:`, RCPT without `TO:`', 501, '5.5.2', 'Syntax error in command'),
  syntaxInParameters: reply(
    'MAIL or RCPT; what follows the address is no parameter',
    501,
    '5.5.4',
    'Syntax error in parameters',
  ),
  syntaxInAddress: reply('RCPT without an address', 501, '5.1.3', 'Syntax error in address'),
  badReversePath: reply(
    'MAIL; the address is none',
    501,
    '5.1.7',
    'could not parse your mail from command',
    'Not a valid reverse-path',
  ),
  badForwardPath: reply(
    'RCPT; the address is none, or empty',
    501,
    '5.1.3',
    'could not parse recipient',
    'Not a valid forward-path',
  ),
  senderOk: reply(
    'MAIL',
    250,
    '2.1.0',
    '%1, sender OK - how exciting to get mail from you!',
    '%1 sender accepted',
  ),
  recipientOk: reply(
    'RCPT; a plugin accepted the recipient',
    250,
    '2.1.5',
    '%1, recipient ok',
    '%1 recipient accepted',
  ),
  needMail: reply('RCPT before MAIL', 503, '5.5.1', 'Use MAIL before RCPT', 'Send MAIL first'),
  nobodyDecided: reply(
    'RCPT; no plugin accepted or refused the recipient',
    450,
    '4.7.1',
    'No plugin decided if relaying is allowed',
    'No plugin decided whether this recipient is accepted',
  ),
  tooManyRecipients: reply('RCPT; `max_recipients` is reached', 452, '4.5.3', 'Too many recipients'),
  needsSmtpUtf8: reply(
    'MAIL or RCPT; the address is not ASCII, and MAIL had no SMTPUTF8',
    553,
    '5.6.7',
    'Addresses beyond ASCII need SMTPUTF8',
  ),

  // Parameters of MAIL and RCPT. RFC 5321 section 4.1.1.11.
  parameterNotOffered: reply(
    'MAIL or RCPT with a parameter that EHLO did not offer',
    555,
    '5.5.4',
    'Parameter not recognized or not offered',
  ),
  parametersNeedEhlo: reply(
    'MAIL or RCPT with a parameter after HELO',
    555,
    '5.5.4',
    'Parameters are for clients that said EHLO',
  ),
  parameterRepeated: reply('MAIL or RCPT with a parameter twice', 501, '5.5.4', 'Parameter given twice'),
  badParameterValue: reply(
    'MAIL or RCPT; the value of a parameter is malformed',
    501,
    '5.5.4',
    'Syntax error in the value of a parameter',
  ),

  // DATA. RFC 5321 section 4.1.1.4.
  mailFirst: reply('DATA before MAIL', 503, '5.5.1', 'MAIL first', 'Send MAIL first'),
  recipientFirst: reply(
    'DATA before a recipient was accepted',
    503,
    '5.5.1',
    'RCPT first',
    'Send RCPT first; no recipient was accepted',
  ),
  goAhead: reply('DATA', 354, '', 'go ahead', 'Send the message, end it with CRLF . CRLF'),
  incompleteData: reply(
    'the client closed its side inside the message',
    451,
    '4.4.2',
    'Incomplete DATA',
    'The connection ended inside the message',
  ),
  lookAlike: reply(
    'a dot between bare line feeds inside the message; the connection is closed',
    421,
    '4.5.2',
    'See http://smtpd.develooper.com/barelf.html',
    'A dot between bare line feeds is no end of data (RFC 5321 section 4.1.1.4); closing',
  ),
  bareLineEnds: reply(
    'end of data; a CR or LF stands alone in the message',
    550,
    '5.6.11',
    'Message contains bare CR or LF; lines must end in CRLF (RFC 5321 section 2.3.8)',
  ),
  messageTooBig: reply(
    'end of data; the message is larger than `databytes`',
    552,
    '5.3.4',
    'Message too big!',
    'The message is larger than this host accepts',
  ),
  headerTooBig: reply(
    'end of data; the header exceeds `header_octets` or `header_fields`',
    552,
    '5.3.4',
    'The header has more fields or octets than this host examines',
  ),
  textLineTooLong: reply(
    'end of data; a line is longer than `max_line_octets`',
    550,
    '5.6.0',
    'The message has a line that is too long',
  ),
  binaryNeedsBdat: reply(
    'DATA after `BODY=BINARYMIME`',
    503,
    '5.5.1',
    'A BINARYMIME message has to come by BDAT',
  ),

  // BDAT. RFC 3030 section 2.
  badChunkSize: reply(
    'BDAT without a size, or with more than LAST after it',
    501,
    '5.5.4',
    'BDAT needs a size in octets, and LAST or nothing behind it',
  ),
  chunkReceived: reply('BDAT; the chunk has come and is not the last', 250, '2.0.0', '%1 octets received'),
  bdatBegun: reply(
    'RCPT or DATA between two chunks of BDAT',
    503,
    '5.5.1',
    'BDAT has begun; go on with BDAT, or RSET',
  ),

  systemFull: reply(
    'MAIL, RCPT, DATA or end of data; there is no room for the message',
    452,
    '4.3.1',
    'Mail system full.',
    'Not enough storage here, try again later',
  ),
  queued: reply('end of data; a queue plugin took the message', 250, '2.6.0', 'Queued', 'Queued'),
  notQueued: reply(
    'end of data; no queue plugin took the message',
    451,
    '4.3.0',
    'Queuing declined or disabled; try again later',
    'The message could not be queued, try again later',
  ),

  // XCLIENT. Codes and texts are Postfix's.
  xclientRefused: reply(
    'XCLIENT of a client that is not in `xclient_hosts`',
    550,
    '5.7.0',
    'Error: insufficient authorization',
    'XCLIENT is for trusted proxies',
  ),
  inTransaction: reply(
    'AUTH, XCLIENT or XFORWARD between MAIL and the end of data',
    503,
    '5.5.1',
    'Error: MAIL transaction in progress',
    'A mail transaction is in progress',
  ),
  badXclient: reply(
    'XCLIENT; an attribute is unknown, stands twice or has a value that cannot be',
    501,
    '5.5.4',
    'Bad XCLIENT attributes',
  ),
  // XFORWARD. Codes and classic texts are Postfix's as well.
  xforwardRefused: reply(
    'XFORWARD of a client that is not in `xforward_hosts`',
    550,
    '5.7.0',
    'Error: insufficient authorization',
    'XFORWARD is for mail servers in front',
  ),
  badXforward: reply(
    'XFORWARD; an attribute is unknown, stands twice or has a value that cannot be',
    501,
    '5.5.4',
    'Bad XFORWARD attributes',
  ),

  // STARTTLS. RFC 3207 section 4.
  startTls: reply('STARTTLS; TLS begins after it', 220, '2.0.0', 'Go ahead with TLS'),
  noParameters: reply('STARTTLS with an argument', 500, '5.5.4', 'Syntax error (no parameters allowed)'),

  // The rest of RFC 5321 section 4.1.1.
  ok: reply('RSET, NOOP, XFORWARD', 250, '2.0.0', 'OK'),
  verified: reply('VRFY; a plugin knows the user', 250, '2.1.5', 'User OK'),
  cannotVerify: reply(
    'VRFY',
    252,
    '2.1.5',
    "Just try sending a mail and we'll see how it turns out ...",
    'Cannot verify the user; send the message and it will be tried',
  ),
  help: reply(
    'HELP',
    214,
    '2.0.0',
    [
      'This is qpsmtpd %1',
      'See http://smtpd.develooper.com/',
      'To report bugs or send comments, mail to <ask@develooper.com>.',
    ],
    ['This is qpsmtpd %1', 'Commands are those of RFC 5321; EHLO lists the extensions'],
  ),
  lineTooLong: reply(
    'a command line of more than 512 octets, or 2,048 for MAIL, RCPT and AUTH',
    500,
    '5.5.6',
    'Line too long',
  ),
  unsafeOctets: reply(
    'a command line with control characters',
    500,
    '5.5.2',
    'Syntax error, control characters in command',
  ),
  unrecognized: reply(
    'an unknown verb; in the classic style also EXPN and ETRN',
    500,
    '5.5.2',
    'Unrecognized command',
  ),
  /** EXPN and ETRN in the enhanced style; otherwise they are unrecognized as in qpsmtpd. */
  notImplemented: reply(
    'EXPN or ETRN, in the enhanced style',
    502,
    '5.5.1',
    'Unrecognized command',
    'Command not implemented',
  ),
  internalError: reply(
    'a fault of this program; `%1` is the verb',
    451,
    '4.3.0',
    "Internal error - try again later - command '%1' failed unexpectedly",
    'Internal error, try again later',
  ),
} as const;
