/**
 * Refusals that carry an RFC 3463 status, with qpsmtpd's default texts. The class digit follows the verdict:
 * 5 for DENY, 4 for DENYSOFT, 2 for OK.
 */

import { deny, denySoft, ok, type EnhancedStatus, type Verdict } from './verdict.ts';

type Make = (text?: string) => Verdict;

const permanent =
  (status: EnhancedStatus, standard: string): Make =>
  (text = standard) =>
    deny(text, status);
const transient =
  (status: EnhancedStatus, standard: string): Make =>
  (text = standard) =>
    denySoft(text, status);
const accepted =
  (status: EnhancedStatus, standard: string): Make =>
  (text = standard) =>
    ok(text, status);

export const dsn = {
  unspecified: transient('0.0', 'Other or Undefined Status'),
  addrUnspecified: transient('1.0', 'Other address status.'),
  noSuchUser: permanent('1.1', 'No such user'),
  addrBadDestMbox: permanent('1.1', 'Bad destination mailbox address.'),
  addrBadDestSystem: permanent('1.2', 'Bad destination system address.'),
  addrBadDestSyntax: permanent('1.3', 'Bad destination mailbox address syntax.'),
  addrDestAmbiguous: transient('1.4', 'Destination mailbox address ambiguous.'),
  addrRcptOk: accepted('1.5', 'Destination address valid.'),
  addrMboxMoved: permanent('1.6', 'Destination mailbox has moved, No forwarding address.'),
  addrBadFromSyntax: permanent('1.7', "Bad sender's mailbox address syntax."),
  addrBadFromSystem: permanent('1.8', "Bad sender's system address."),
  mboxUnspecified: transient('2.0', 'Other or undefined mailbox status.'),
  mboxDisabled: permanent('2.1', 'Mailbox disabled, not accepting messages.'),
  mboxFull: transient('2.2', 'Mailbox full.'),
  mboxMsgTooLong: permanent('2.3', 'Message length exceeds administrative limit.'),
  mboxListExpansionProblem: transient('2.4', 'Mailing list expansion problem.'),
  sysUnspecified: transient('3.0', 'Other or undefined mail system status.'),
  sysDiskFull: transient('3.1', 'Mail system full.'),
  sysNotAcceptingMail: transient('3.2', 'System not accepting network messages.'),
  sysNotSupported: transient('3.3', 'System not capable of selected features.'),
  sysMsgTooBig: permanent('3.4', 'Message too big for system.'),
  netUnspecified: transient('4.0', 'Other or undefined network or routing status.'),
  tempResolverFailed: transient('4.3', 'Temporary address resolution failure'),
  netDirectoryServerFailed: transient('4.3', 'Directory server failure.'),
  netSystemCongested: transient('4.5', 'Mail system congestion.'),
  netRoutingLoop: permanent('4.6', 'Routing loop detected.'),
  tooManyHops: permanent('4.6', 'Too many hops'),
  protoUnspecified: transient('5.0', 'Other or undefined protocol status.'),
  protoInvalidCommand: permanent('5.1', 'Invalid command.'),
  protoSyntaxError: permanent('5.2', 'Syntax error.'),
  tooManyRcpts: transient('5.3', 'Too many recipients.'),
  protoInvalidCmdArgs: permanent('5.4', 'Invalid command arguments.'),
  protoWrongVersion: transient('5.5', 'Wrong protocol version.'),
  mediaUnspecified: transient('6.0', 'Other or undefined media error.'),
  mediaUnsupported: permanent('6.1', 'Media not supported.'),
  mediaConvProhibited: permanent('6.2', 'Conversion required and prohibited.'),
  mediaConvUnsupported: transient('6.3', 'Conversion required but not supported.'),
  mediaConvLossy: transient('6.4', 'Conversion with loss performed.'),
  secUnspecified: transient('7.0', 'Other or undefined security status.'),
  secSenderUnauthorized: permanent('7.1', 'Delivery not authorized, message refused.'),
  badSenderIp: permanent('7.1', "Bad sender's IP"),
  relayingDenied: permanent('7.1', 'Relaying denied'),
  secListDestProhibited: permanent('7.2', 'Mailing list expansion prohibited.'),
  secConvFailed: permanent('7.3', 'Security conversion required but not possible.'),
  secFeatureUnsupported: permanent('7.4', 'Security features not supported.'),
  secCryptoFailure: permanent('7.5', 'Cryptographic failure.'),
  secCryptoAlgorithmUnsupported: transient('7.6', 'Cryptographic algorithm not supported.'),
  secMsgIntegrityFailure: permanent('7.7', 'Message integrity failure.'),
} as const;
