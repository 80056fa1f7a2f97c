/** The core's own settings: file, default, unit and range of each, once. */

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogLevel, parseLogLevel } from '../../bindings/plugin/log-level.ts';
import type { ConfigService } from '../config/config-directory.ts';
import { meansFalse } from '../config/config-list.ts';
import { hostNameOf } from '../../bindings/wire/domain-name.ts';
import { DNS_SETTINGS } from './dns-settings.ts';
import { HTTP_SETTINGS } from './http-settings.ts';
import { LIMITS } from './limit-settings.ts';
import {
  addressRanges,
  allLines,
  count,
  directoryMode,
  directoryPath,
  flag,
  octets,
  oneOf,
  seconds,
  text,
  names,
  type Setting,
} from './setting-kinds.ts';
import { STORE_SETTINGS } from './store-settings.ts';
import { TLS_SETTINGS } from './tls-settings.ts';

const AT_START = 'start, SIGHUP';
/** Room in a reply line of 512 octets (RFC 5321 section 4.5.3.1.5) beside `220 `, ` ESMTP` and CRLF. */
const MAX_GREETING_OCTETS = 500;

function hostName(text: string): string {
  const name = hostNameOf(text);
  if (name === undefined) throw new Error(`'${text}' is not a host name`);
  return name;
}

/** RFC 8601 section 2.2 wants a token or a quoted string; qpsmtpd's `none` leaves the field alone. */
function authservId(text: string): string | undefined {
  if (text === 'none') return undefined;
  if (!/^[!#-'*+\-.0-9A-Z^-~]{1,255}$/.test(text)) throw new Error(`'${text}' is not a single word`);
  return text;
}

function greeting(text: string): string {
  if (/[\u0000-\u001f\u007f-\u009f]/.test(text)) throw new Error('the greeting contains control characters');
  if (Buffer.byteLength(text) > MAX_GREETING_OCTETS) {
    throw new Error(`the greeting is longer than ${MAX_GREETING_OCTETS} octets`);
  }
  return text;
}

function logLevel(text: string): LogLevel {
  const level = parseLogLevel(text);
  if (level === undefined) throw new Error(`'${text}' is not a log level from 0 to 7`);
  return level;
}

/**
 * A predictable name in a directory where anyone may write: the code that makes the spool has to refuse one that belongs
 * to somebody else, or a local user could read and replace mail.
 */
const ownSpool = (): string => join(tmpdir(), `qpsmtpd-spool-${process.getuid?.() ?? 'user'}`);

/** The files of which no service has one of its own. */
export const sharedFiles = (): ReadonlySet<string> =>
  new Set(
    Object.values<Setting<unknown>>(SETTINGS)
      .filter(({ isOfProcess }) => isOfProcess === true)
      .flatMap(({ files }) => files),
  );

/** For a `ConfigDirectory`. */
export const namedService = (name: string | undefined): ConfigService | undefined =>
  name === undefined ? undefined : { name, sharedFiles: sharedFiles() };

/** A further limit is one more entry: `count`, `octets` or `seconds` with its file, default, range and meaning. */
export const SETTINGS = {
  me: text(
    {
      file: 'me',
      about: 'Name of this host, in the greeting, replies and Received fields.',
      takesEffect: 'next use',
      form: 'host name',
      otherwise: "the system's host name",
    },
    hostName,
    (surroundings) => surroundings.hostName,
  ),
  /** Undefined: leave Authentication-Results alone. */
  authservId: text<string | undefined>(
    {
      file: 'me-auth-results',
      about: 'Name in Authentication-Results fields; `none` neither adds one nor renames those that came in.',
      takesEffect: 'next message',
      form: 'text without blanks',
      otherwise: '`me`',
    },
    authservId,
    (surroundings) => surroundings.me,
  ),
  /** Undefined: the built-in greeting. */
  smtpGreeting: text<string | undefined>(
    {
      file: 'smtpgreeting',
      about: 'Greeting in place of the built-in one; ` ESMTP` is appended unless it contains that.',
      takesEffect: 'next connection',
      form: `text, up to ${MAX_GREETING_OCTETS} octets`,
      otherwise: 'name and version',
    },
    greeting,
    () => undefined,
  ),
  databytes: octets({
    file: 'databytes',
    about: 'Largest message, header included, line ends counted as two octets (RFC 1870); 0 is no limit.',
    takesEffect: 'next EHLO, next message',
    otherwise: 0,
    min: 0,
    max: 1e15 - 1,
    exceeded: 'messageTooBig',
  }),
  sizeThreshold: octets({
    file: 'size_threshold',
    about: 'A message is kept in memory up to this size, and in a file of the spool from there on.',
    takesEffect: 'next message',
    otherwise: 1_048_576,
    min: 0,
    max: 1_073_741_824,
  }),
  spoolDirectory: text(
    {
      file: 'spool_dir',
      about: 'Directory for messages that outgrow `size_threshold`; `~/` is the home directory.',
      takesEffect: AT_START,
      isOfProcess: true,
      form: 'path',
      otherwise: "`qpsmtpd-spool-UID` in the system's directory for temporary files",
    },
    directoryPath,
    ownSpool,
  ),
  spoolMode: directoryMode({
    file: 'spool_perms',
    about: 'Mode of the spool directory.',
    takesEffect: AT_START,
    isOfProcess: true,
    otherwise: 0o700,
  }),
  ...STORE_SETTINGS,
  ...DNS_SETTINGS,
  /** Between commands. */
  commandTimeoutMs: seconds({
    file: ['timeoutsmtpd', 'timeout'],
    about: 'Time a client may take for its next command.',
    takesEffect: 'next connection',
    otherwise: 1_200,
    min: 1,
    max: 86_400,
    exceeded: 'timedOut',
  }),
  /** Between two pieces of mail data. */
  dataTimeoutMs: seconds({
    file: 'timeout',
    about: 'Time a client may take for the next line of a message.',
    takesEffect: 'next message',
    otherwise: 1_200,
    min: 1,
    max: 86_400,
    exceeded: 'timedOut',
  }),
  logLevel: text<LogLevel>(
    {
      file: 'loglevel',
      about:
        'Level up to which the built-in log writes while `logging` names no plugin: 3 errors, 4 warnings, 6 information, 7 all.',
      takesEffect: AT_START,
      form: '0 to 7, or a name such as `LOGWARN`',
      otherwise: '4',
    },
    logLevel,
    () => LogLevel.WARN,
  ),
  logging: allLines({
    file: 'logging',
    about: 'Logging plugins, all of which are loaded.',
    takesEffect: AT_START,
    form: 'plugin lines',
  }),
  listeners: allLines({
    file: 'listeners',
    about: 'Where the daemon listens, for `qpsmtpd serve` without `--listen`.',
    takesEffect: AT_START,
    isOfProcess: true,
    form: 'listen specs',
  }),
  pluginTimeoutMs: seconds({
    file: 'plugin_timeout',
    about:
      'Time a plugin may take for an answer, ten times as long after the end of data; `timeout` in its line comes first.',
    takesEffect: 'next question',
    otherwise: 30,
    min: 1,
    max: 3_600,
  }),
  /** 0: processes are not watched. */
  workerTimeoutMs: seconds({
    file: 'worker_timeout',
    about:
      'Time a process may be stuck in one place, such as an endless loop in a plugin, before it is killed and replaced; 0: never. See [running](../guide/running.md#a-process-that-is-stuck).',
    takesEffect: AT_START,
    isOfProcess: true,
    otherwise: 60,
    min: 0,
    max: 3_600,
  }),
  replyStyle: oneOf({
    file: 'reply_style',
    about: "Texts of the replies: qpsmtpd's own, or plain texts with status codes of RFC 2034.",
    takesEffect: AT_START,
    values: ['classic', 'enhanced'],
  }),
  /** `refuse` is qpsmtpd's way, against RFC 5321 section 4.1.4. */
  helloAgain: oneOf({
    file: 'hello_again',
    about: 'What a second HELO or EHLO does: `reset` starts over, `refuse` answers 503.',
    takesEffect: 'next HELO, next EHLO',
    values: ['reset', 'refuse'],
  }),
  /** Keywords in upper case. */
  extensionsOff: names({
    file: 'extensions_off',
    about: 'EHLO keywords that are neither offered nor taken, one a line.',
    takesEffect: 'next EHLO',
    form: 'keywords',
  }),
  maxRecipients: count({
    file: 'max_recipients',
    about: 'Recipients of one message; further ones are deferred with 452. RFC 5321 asks for 100 at least.',
    takesEffect: 'next RCPT',
    otherwise: 1_000,
    min: 1,
    max: 1_000_000,
    exceeded: 'tooManyRecipients',
  }),
  ...LIMITS,
  ...TLS_SETTINGS,
  proxyHosts: addressRanges({
    file: 'proxy_hosts',
    about:
      'Proxies whose PROXY header is believed, and required, by the address they connect from, on listeners that take one (`proxy=required`, `proxy-from=…`). Without the file: this host. `unix` stands for clients on Unix sockets.',
    takesEffect: 'next connection',
  }),
  proxyTimeoutMs: seconds({
    file: 'proxy_timeout',
    about: 'How long the PROXY header of a connection is waited for.',
    takesEffect: 'next connection',
    otherwise: 5,
    min: 1,
    max: 60,
  }),
  ...HTTP_SETTINGS,
  xclientHosts: addressRanges({
    file: 'xclient_hosts',
    about:
      'Proxies whose XCLIENT is believed, by the address they connect from; `unix` stands for clients on Unix sockets. After a PROXY header only on listeners with `xclient=yes`.',
    takesEffect: 'next EHLO, next XCLIENT',
  }),
  xforwardHosts: addressRanges({
    file: 'xforward_hosts',
    about:
      'Mail servers whose XFORWARD is taken, by the address they connect from; `unix` stands for clients on Unix sockets. What they say is logged and handed on, and changes no decision.',
    takesEffect: 'next EHLO, next XFORWARD',
  }),
  /** Off: the user is known, and a plugin may let the client relay. */
  xclientLoginRelays: flag(
    {
      file: 'xclient_login_relays',
      about: 'A LOGIN that comes with XCLIENT counts as a successful AUTH: the client may relay.',
      takesEffect: 'next XCLIENT',
    },
    (text) => !meansFalse(text),
  ),
  esmtpParameters: oneOf({
    file: 'esmtp_parameters',
    about:
      'Parameters of MAIL and RCPT: `strict` refuses what was not offered, is malformed or repeated; `lenient` ignores it, as qpsmtpd does.',
    takesEffect: 'next MAIL, next RCPT',
    values: ['strict', 'lenient'],
  }),
  addressGrammar: oneOf({
    file: 'address_grammar',
    about:
      "Addresses in MAIL and RCPT: RFC 5321's, or qpsmtpd's: anything that begins like one, up to the last `@`.",
    takesEffect: 'next MAIL, next RCPT',
    values: ['strict', 'lenient'],
  }),
  requireTls: flag(
    {
      file: 'requiretls',
      about: 'Offer REQUIRETLS inside TLS: only where the queue plugins deliver here or honour it.',
      takesEffect: 'next EHLO, next MAIL',
    },
    (text) => !meansFalse(text),
  ),
  /** RFC 6409 section 4.3. */
  authRequired: flag(
    {
      file: 'auth_required',
      about:
        'Refuse MAIL of clients that have not authenticated, unless a plugin such as `relay` lets them relay without: for [submission](../guide/submission.md), never for mail from other servers.',
      takesEffect: 'next MAIL',
    },
    (text) => !meansFalse(text),
  ),
  authFailures: count({
    file: 'auth_failures',
    about: 'Failed authentications in one connection, each answered 535; a further attempt closes it.',
    takesEffect: 'next AUTH',
    otherwise: 5,
    min: 1,
    max: 1_000_000,
    exceeded: 'tooManyAuthFailures',
  }),
  /** Measured from the client's last line, so that it hides how long the plugins took. */
  authDelayMs: count(
    {
      file: 'auth_delay',
      about:
        'Time until a failed authentication is answered; doubled with each further one, up to 30 seconds.',
      takesEffect: 'next AUTH',
      otherwise: 1_000,
      min: 0,
      max: 30_000,
    },
    'milliseconds',
  ),
  tlsBeforeAuth: flag(
    { file: 'tls_before_auth', about: 'Offer AUTH only inside TLS.', takesEffect: 'next EHLO, next AUTH' },
    (text) => !meansFalse(text),
  ),
};
