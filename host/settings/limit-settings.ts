/** The limits of sessions and messages, beside those that stand with the settings they belong to. RFC 5321 section 4.5.3. */

import { MAX_HEADER_FIELDS, MAX_HEADER_OCTETS } from '../../bindings/core/contract.ts';
import { count, derivedLimit, octets, seconds } from './setting-kinds.ts';

const AT_CONNECT = 'next connection';
const MANY = 1_000_000;

/** 0 means no limit wherever the range has it. */
export const LIMITS = {
  /** The command line has the last word. */
  maxConnections: derivedLimit({
    file: 'max_connections',
    about:
      'Connections served at a time, for `qpsmtpd serve` without `--max-connections`; 0 is as many as the descriptors are enough for. A client that comes then waits; the reply is for clients that find the waiting line full. `max_connections.SERVICE` is how many of them a service may have at most.',
    takesEffect: 'start',
    otherwise: 'what half of `memory_budget` has room for',
    min: 1,
    max: MANY,
    exceeded: 'tooManyConnections',
  }),
  /** Undefined: a share of what there is; 0: no limit. */
  memoryBudget: derivedLimit(
    {
      file: 'memory_budget',
      about:
        'What all clients of one process may make it keep in memory; 0 is no limit. Where it runs short, messages go to disk, then mail is deferred, then connections are.',
      takesEffect: 'start, SIGHUP',
      isOfProcess: true,
      otherwise: 'a share of the machine',
      min: 1_048_576,
      max: 1_099_511_627_776,
      exceeded: 'systemFull',
    },
    'octets',
  ),
  maxFromIp: count({
    file: 'max_from_ip',
    about:
      'Connections of one address at a time, for `qpsmtpd serve` without `--max-from-ip`; 0 is no limit.',
    takesEffect: 'start',
    isOfProcess: true,
    otherwise: 0,
    min: 0,
    max: MANY,
    exceeded: 'tooManyFromAddress',
  }),
  maxCommands: count({
    file: 'max_commands',
    about: 'Commands in a row without a message that was accepted; 0 is no limit.',
    takesEffect: 'next connection, next message',
    otherwise: 10_000,
    min: 0,
    max: 1_000_000_000,
    exceeded: 'tooManyCommands',
  }),
  maxUnrecognized: count({
    file: 'max_unrecognized',
    about:
      'Unknown commands, over-long lines and lines with control characters in one connection; 0 is no limit.',
    takesEffect: 'at once',
    otherwise: 20,
    min: 0,
    max: MANY,
    exceeded: 'tooManyUnrecognized',
  }),
  maxRefusedRecipients: count({
    file: 'max_refused_recipients',
    about:
      'Recipients refused for good in one connection, so that nobody tries out a dictionary; 0 is no limit.',
    takesEffect: 'at once',
    otherwise: 100,
    min: 0,
    max: MANY,
    exceeded: 'tooManyRefused',
  }),
  maxTransactions: count({
    file: 'max_transactions',
    about: 'Mail transactions in one connection; 0 is no limit.',
    takesEffect: 'next MAIL',
    otherwise: 0,
    min: 0,
    max: MANY,
    exceeded: 'tooManyTransactions',
  }),
  headerOctets: octets({
    file: 'header_octets',
    about: 'Octets of the header of a message.',
    takesEffect: 'next message',
    otherwise: MAX_HEADER_OCTETS,
    min: 1_000,
    max: MAX_HEADER_OCTETS,
    exceeded: 'headerTooBig',
  }),
  headerFields: count({
    file: 'header_fields',
    about: 'Fields in the header of a message.',
    takesEffect: 'next message',
    otherwise: MAX_HEADER_FIELDS,
    min: 10,
    max: MAX_HEADER_FIELDS,
    exceeded: 'headerTooBig',
  }),
  maxLineOctets: octets({
    file: 'max_line_octets',
    about:
      'Longest line of a message, its line end not counted; 0 is no limit. RFC 5321 section 4.5.3.1.6 asks for 998, and real mail has longer ones.',
    takesEffect: 'next message',
    otherwise: 0,
    min: 0,
    max: 1_000_000_000,
    exceeded: 'textLineTooLong',
  }),
  /** From DATA to the final dot, however steadily the octets come. */
  dataTotalTimeoutMs: seconds({
    file: 'data_total_timeout',
    about: 'Time a client may take for one whole message; 0 is no limit.',
    takesEffect: 'next message',
    otherwise: 3_600,
    min: 0,
    max: 86_400,
    exceeded: 'tookTooLong',
  }),
  sessionTimeoutMs: seconds({
    file: 'session_timeout',
    about: 'Time a client may stay connected; 0 is no limit.',
    takesEffect: AT_CONNECT,
    otherwise: 14_400,
    min: 0,
    max: 604_800,
    exceeded: 'tookTooLong',
  }),
};
