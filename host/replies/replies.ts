/**
 * Every reply the session gives by itself: code, status, qpsmtpd's text, plain text. Nobody types a reply anywhere else.
 * What hooks make of replies stands in `refusals.ts`.
 */

import { template } from './reply.ts';

export const replies = {
  // Connection. RFC 5321 section 3.1.
  greeting: template(220, '', '%1'),
  closing: template(221, '2.0.0', '%1 closing connection. Have a wonderful day.', '%1 closing connection'),
  timedOut: template(421, '4.4.2', 'Connection Timed Out', 'Connection timed out'),
  shuttingDown: template(421, '4.3.2', '%1 shutting down, please try again', '%1 shutting down, try again'),
  tooManyConnections: template(421, '4.3.2', 'Too many connections, try again later'),
  shortOfMemory: template(421, '4.3.2', '%1 is too busy, try again later'),
  tooManyFromAddress: template(
    451,
    '4.7.0',
    'too many connections from %1, try again later',
    'Too many connections from your address, try again later',
  ),

  tookTooLong: template(421, '4.4.2', 'Connection Timed Out', 'This takes too long, closing'),
  tooManyCommands: template(421, '4.7.0', '%1 too many commands without a message, closing'),
  tooManyUnrecognized: template(421, '4.7.0', '%1 too many unrecognized commands, closing'),
  tooManyRefused: template(421, '4.7.0', '%1 too many refused recipients, closing'),
  tooManyTransactions: template(421, '4.7.0', '%1 too many messages in one connection, closing'),

  // HELO and EHLO. RFC 5321 section 4.1.1.1.
  helloNeedsHost: template(
    501,
    '5.5.4',
    '%1 requires domain/address - see RFC-2821 4.1.1.1',
    '%1 needs a domain or an address literal (RFC 5321 section 4.1.1.1)',
  ),
  helloAgain: template(503, '5.5.1', 'but you already said HELO ...', 'HELO or EHLO was given already'),
  helo: template(250, '', '%1 Hi %2; I am so happy to meet you.', '%1 greets %2'),
  ehlo: template(250, '', '%1 Hi %2', '%1 greets %2'),
  needHello: template(503, '5.5.1', 'please say hello first ...', 'Send HELO or EHLO first'),

  // AUTH. RFC 4954 sections 4 and 6.
  challenge: template(334, '', '%1'),
  /** The blank is qpsmtpd's. */
  emptyChallenge: template(334, '', ' ', ''),
  authSuccess: template(235, '2.7.0', '%1 authentication successful for %2', 'Authentication successful'),
  authFailed: template(535, '5.7.8', '%1 authentication failed for %2', 'Authentication credentials invalid'),
  authTemporary: template(
    454,
    '4.7.0',
    '%1 authentication failed for now, try again later',
    'Temporary authentication failure, try again later',
  ),
  authInvalid: template(535, '5.7.8', 'Authentication invalid', 'Authentication credentials invalid'),
  authInvalidAs: template(535, '5.7.8', 'Authentication invalid (%1)', 'Authentication credentials invalid'),
  authInvalidFor: template(535, '5.7.8', 'Authentication invalid for %1', 'Nobody may act for somebody else'),
  authMalformed: template(504, '5.5.2', 'Invalid authentication string', 'Malformed response'),
  authCanceled: template(501, '5.7.0', 'Authentication canceled'),
  authUndecodable: template(501, '5.5.2', 'The response is not valid base64'),
  noInitialResponse: template(501, '5.7.0', 'This mechanism has no initial response'),
  unknownMechanism: template(
    504,
    '5.5.4',
    'Unimplemented authentication mechanism: %1',
    'Authentication mechanism not offered: %1',
  ),
  authAgain: template(503, '5.5.1', 'but you already said AUTH ...', 'The client is authenticated already'),
  authNeedsTls: template(538, '5.7.11', 'SSL/TLS required before AUTH', 'Send STARTTLS before AUTH'),
  tooManyAuthFailures: template(421, '4.7.0', '%1 too many failed authentications, closing'),

  // MAIL and RCPT. RFC 5321 sections 4.1.1.2 and 4.1.1.3.
  syntaxInCommand: template(501, '5.5.2', 'Syntax error in command'),
  syntaxInParameters: template(501, '5.5.4', 'Syntax error in parameters'),
  syntaxInAddress: template(501, '5.1.3', 'Syntax error in address'),
  badReversePath: template(
    501,
    '5.1.7',
    'could not parse your mail from command',
    'Not a valid reverse-path',
  ),
  badForwardPath: template(501, '5.1.3', 'could not parse recipient', 'Not a valid forward-path'),
  senderOk: template(
    250,
    '2.1.0',
    '%1, sender OK - how exciting to get mail from you!',
    '%1 sender accepted',
  ),
  recipientOk: template(250, '2.1.5', '%1, recipient ok', '%1 recipient accepted'),
  needMail: template(503, '5.5.1', 'Use MAIL before RCPT', 'Send MAIL first'),
  nobodyDecided: template(
    450,
    '4.7.1',
    'No plugin decided if relaying is allowed',
    'No plugin decided whether this recipient is accepted',
  ),
  tooManyRecipients: template(452, '4.5.3', 'Too many recipients'),
  needsSmtpUtf8: template(553, '5.6.7', 'Addresses beyond ASCII need SMTPUTF8'),

  // Parameters of MAIL and RCPT. RFC 5321 section 4.1.1.11.
  parameterNotOffered: template(555, '5.5.4', 'Parameter not recognized or not offered'),
  parametersNeedEhlo: template(555, '5.5.4', 'Parameters are for clients that said EHLO'),
  parameterRepeated: template(501, '5.5.4', 'Parameter given twice'),
  badParameterValue: template(501, '5.5.4', 'Syntax error in the value of a parameter'),

  // DATA. RFC 5321 section 4.1.1.4.
  mailFirst: template(503, '5.5.1', 'MAIL first', 'Send MAIL first'),
  recipientFirst: template(503, '5.5.1', 'RCPT first', 'Send RCPT first; no recipient was accepted'),
  goAhead: template(354, '', 'go ahead', 'Send the message, end it with CRLF . CRLF'),
  incompleteData: template(451, '4.4.2', 'Incomplete DATA', 'The connection ended inside the message'),
  lookAlike: template(
    421,
    '4.5.2',
    'See http://smtpd.develooper.com/barelf.html',
    'A dot between bare line feeds is no end of data (RFC 5321 section 4.1.1.4); closing',
  ),
  bareLineEnds: template(
    550,
    '5.6.11',
    'Message contains bare CR or LF; lines must end in CRLF (RFC 5321 section 2.3.8)',
  ),
  messageTooBig: template(552, '5.3.4', 'Message too big!', 'The message is larger than this host accepts'),
  headerTooBig: template(552, '5.3.4', 'The header has more fields or octets than this host examines'),
  textLineTooLong: template(550, '5.6.0', 'The message has a line that is too long'),
  binaryNeedsBdat: template(503, '5.5.1', 'A BINARYMIME message has to come by BDAT'),

  // BDAT. RFC 3030 section 2.
  badChunkSize: template(501, '5.5.4', 'BDAT needs a size in octets, and LAST or nothing behind it'),
  chunkReceived: template(250, '2.0.0', '%1 octets received'),
  bdatBegun: template(503, '5.5.1', 'BDAT has begun; go on with BDAT, or RSET'),

  systemFull: template(452, '4.3.1', 'Mail system full.', 'Not enough storage here, try again later'),
  queued: template(250, '2.6.0', 'Queued', 'Queued'),
  notQueued: template(
    451,
    '4.3.0',
    'Queuing declined or disabled; try again later',
    'The message could not be queued, try again later',
  ),

  // XCLIENT. Codes and texts are Postfix's.
  xclientRefused: template(
    550,
    '5.7.0',
    'Error: insufficient authorization',
    'XCLIENT is for trusted proxies',
  ),
  inTransaction: template(
    503,
    '5.5.1',
    'Error: MAIL transaction in progress',
    'A mail transaction is in progress',
  ),
  badXclient: template(501, '5.5.4', 'Bad XCLIENT attributes'),

  // STARTTLS. RFC 3207 section 4.
  startTls: template(220, '2.0.0', 'Go ahead with TLS'),
  noParameters: template(500, '5.5.4', 'Syntax error (no parameters allowed)'),

  // The rest of RFC 5321 section 4.1.1.
  ok: template(250, '2.0.0', 'OK'),
  verified: template(250, '2.1.5', 'User OK'),
  cannotVerify: template(
    252,
    '2.1.5',
    "Just try sending a mail and we'll see how it turns out ...",
    'Cannot verify the user; send the message and it will be tried',
  ),
  help: template(
    214,
    '2.0.0',
    [
      'This is qpsmtpd %1',
      'See http://smtpd.develooper.com/',
      'To report bugs or send comments, mail to <ask@develooper.com>.',
    ],
    ['This is qpsmtpd %1', 'Commands are those of RFC 5321; EHLO lists the extensions'],
  ),
  lineTooLong: template(500, '5.5.6', 'Line too long'),
  unsafeOctets: template(500, '5.5.2', 'Syntax error, control characters in command'),
  unrecognized: template(500, '5.5.2', 'Unrecognized command'),
  /** EXPN and ETRN in the enhanced style; otherwise they are unrecognized as in qpsmtpd. */
  notImplemented: template(502, '5.5.1', 'Unrecognized command', 'Command not implemented'),
  internalError: template(
    451,
    '4.3.0',
    "Internal error - try again later - command '%1' failed unexpectedly",
    'Internal error, try again later',
  ),
} as const;
