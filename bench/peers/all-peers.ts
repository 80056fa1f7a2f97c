/** All peers, in the order of the tables. */

import { AIOSMTPD } from './aiosmtpd.ts';
import { C_FLOOR, NODE_FLOOR } from './floors.ts';
import { HARAKA, SMTP_SERVER } from './node-servers.ts';
import { OPENSMTPD } from './opensmtpd.ts';
import type { Peer } from './peer.ts';
import { PERL_FORKSERVER, PERL_PREFORK } from './perl-qpsmtpd.ts';
import { POSTFIX, POSTFIX_QUEUE, SMTP_SINK } from './postfix.ts';
import {
  QPSMTPD,
  QPSMTPD_FORWARD,
  QPSMTPD_FORWARD_CHUNKS,
  QPSMTPD_MAILDIR,
  QPSMTPD_SAMPLE,
} from './qpsmtpd.ts';

export const PEERS: readonly Peer[] = [
  C_FLOOR,
  NODE_FLOOR,
  QPSMTPD,
  QPSMTPD_SAMPLE,
  QPSMTPD_MAILDIR,
  QPSMTPD_FORWARD,
  QPSMTPD_FORWARD_CHUNKS,
  SMTP_SINK,
  SMTP_SERVER,
  HARAKA,
  AIOSMTPD,
  OPENSMTPD,
  POSTFIX,
  POSTFIX_QUEUE,
  PERL_PREFORK,
  PERL_FORKSERVER,
];

/** What every other figure is a multiple of. */
export const BASE = NODE_FLOOR.name;
