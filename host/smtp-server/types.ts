/** The public types of the facade, under the names that programs for nodemailer's smtp-server import. */

import type { PassThrough } from 'node:stream';
import type { NetServerOptions, NetSocket } from '../intake/handover-acceptor.ts';
import type { CipherFacts, ServerTlsOptions, TlsStream } from '../tls/program-tls.ts';

/** An error of a callback. `responseCode` is the code of the reply; without it the command has its own. */
export interface SMTPServerError extends Error {
  responseCode?: number | undefined;
}

/** Parameters of MAIL or RCPT by keyword in upper case; `true` without a value. */
export type SMTPServerAddressArgs = Record<string, string | true>;

/** RFC 3461 section 4. Present with `hideDSN: false`. */
export interface SMTPServerRecipientDSN {
  notify?: string[] | undefined;
  orcpt?: string | undefined;
}

export interface SMTPServerAddress {
  /** Empty for the null reverse-path. */
  address: string;
  /** False without parameters. */
  args: SMTPServerAddressArgs | false;
  dsn?: SMTPServerRecipientDSN | undefined;
}

/** `XCLIENT` is the LOGIN of that command. */
export type SMTPServerAuthenticationMethod = 'PLAIN' | 'LOGIN' | 'XOAUTH2' | 'CRAM-MD5' | 'XCLIENT';

export interface SMTPServerAuthentication {
  method: SMTPServerAuthenticationMethod;
  username?: string | undefined;
  /** PLAIN and LOGIN; null for XCLIENT. */
  password?: string | null | undefined;
  /** PLAIN: both identities as sent. RFC 4616 section 2. */
  authcid?: string | undefined;
  authzid?: string | undefined;
  /** XOAUTH2. */
  accessToken?: string | undefined;
  /** CRAM-MD5: the challenge, and the client's hex digest of it. */
  challenge?: string | undefined;
  challengeResponse?: string | undefined;
  /** CRAM-MD5: true if the client has shown that it knows `password`. Throws for another method. */
  validatePassword(password: string): boolean;
}

export interface SMTPServerAuthenticationResponse {
  /** Anything but a false value: the client is logged in, and this becomes `session.user`. */
  user?: unknown;
  /** XOAUTH2: what a client without success is told, as JSON. */
  data?: object | undefined;
  /** Text and code of the refusal. */
  message?: string | undefined;
  responseCode?: number | undefined;
}

export interface SMTPServerEnvelopeDSN {
  ret: string | null;
  envid: string | null;
}

export interface SMTPServerEnvelope {
  mailFrom: SMTPServerAddress | false;
  rcptTo: SMTPServerAddress[];
  /** RFC 8689. */
  requireTLS?: boolean | undefined;
  /** `7bit` or `8bitmime`. RFC 6152. */
  bodyType?: string | undefined;
  /** RFC 6531. */
  smtpUtf8?: boolean | undefined;
  /** Present with `hideDSN: false`. RFC 3461. */
  dsn?: SMTPServerEnvelopeDSN | undefined;
}

export interface SMTPServerSession {
  /** Random, 16 characters. */
  id: string;
  localAddress: string;
  localPort: number;
  remoteAddress: string;
  remotePort: number;
  /** The name of the address, else the address in brackets. */
  clientHostname: string;
  /** HELO, EHLO or LHLO; false at run time before it. */
  openingCommand: string;
  /** The name in it; false at run time before it. */
  hostNameAppearsAs: string;
  envelope: SMTPServerEnvelope;
  secure: boolean;
  /** For a Received field, such as `ESMTPSA`. RFC 3848. */
  transmissionType: string;
  /** The cipher, false in the clear. */
  tlsOptions: CipherFacts | false;
  /** The server's name that the client asked for. */
  servername?: string | false | null | undefined;
  /** What `onAuth` has called the client. */
  user?: unknown;
  xClient: Map<string, string | number | false>;
  xForward: Map<string, string | number | false>;
  /** The ordinal number of the transaction in this connection. */
  transaction: number;
  /** The last reply of 4yz or 5yz. */
  error?: string | undefined;
  isWizard?: boolean | undefined;
  /** Set by the program: takes the place of the option, for this connection. */
  disabledCommands?: string[] | undefined;
}

export interface SMTPServerDataStream extends PassThrough {
  /** Octets that have come, without the dots of dot-stuffing. */
  byteLength: number;
  /** They are more than `size`. */
  sizeExceeded: boolean;
}

/** What the event `connect` tells. */
export interface SMTPServerConnectionInfo {
  id: string;
  localAddress: string;
  localPort: number;
  remoteAddress: string;
  remotePort: number;
  hostNameAppearsAs: string | false;
  clientHostname: string | false;
}

export interface SMTPServerResolver {
  reverse(ip: string, callback: (error: Error | null, hostnames?: string[]) => void): void;
}

/** What `onData` has to say of one recipient, for LMTP. */
export type SMTPServerDataResult = string | Error;

/** A logger as bunyan's: the fields of the line first. Levels that it lacks go to one that it has. */
export type SMTPServerLogger = Partial<
  Record<
    'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal',
    (entry: Record<string, unknown>, message: string, ...args: unknown[]) => void
  >
>;

type Callback = (error?: Error | null) => void;

/** The callbacks; each is a method of `SMTPServer` as well. */
export interface SMTPServerHandlers {
  onAuth(
    auth: SMTPServerAuthentication,
    session: SMTPServerSession,
    callback: (error: Error | null | undefined, response?: SMTPServerAuthenticationResponse) => void,
  ): void;
  onConnect(session: SMTPServerSession, callback: Callback): void;
  onSecure(socket: NetSocket | TlsStream, session: SMTPServerSession, callback: Callback): void;
  onMailFrom(address: SMTPServerAddress, session: SMTPServerSession, callback: Callback): void;
  onRcptTo(address: SMTPServerAddress, session: SMTPServerSession, callback: Callback): void;
  onData(
    stream: SMTPServerDataStream,
    session: SMTPServerSession,
    callback: (error?: Error | null, message?: string | SMTPServerDataResult[]) => void,
  ): void;
  /** There is nothing to call back for. */
  onClose(session: SMTPServerSession, callback: Callback): void;
}

/** What is left out has its default; undefined counts as left out. */
type Optional<T> = { [K in keyof T]?: T[K] | undefined };

export interface SMTPServerOptions extends ServerTlsOptions, NetServerOptions, Optional<SMTPServerHandlers> {
  /** TLS begins with the connection. */
  secure?: boolean | undefined;
  /** TLS was ended by somebody in front. */
  secured?: boolean | undefined;
  /** With `secure`: the handshake is the session's first step, within its limits and events. */
  needsUpgrade?: boolean | undefined;
  /** Default: the host's name. */
  name?: string | undefined;
  /** Follows the name in the greeting. */
  banner?: string | undefined;
  /** Reply to HELO and EHLO: the first `%s` is the server, the second the client. */
  heloResponse?: string | undefined;
  /** Octets of a message; only announced, unless `rejectOversized`. */
  size?: number | undefined;
  hideSize?: boolean | undefined;
  /** A message above `size` is answered 552 whatever `onData` says. */
  rejectOversized?: boolean | undefined;
  /** Default LOGIN and PLAIN. */
  authMethods?: string[] | undefined;
  authOptional?: boolean | undefined;
  /** Text of 530. */
  authRequiredMessage?: string | undefined;
  disabledCommands?: string | string[] | undefined;
  /** STARTTLS is not offered, but taken. */
  hideSTARTTLS?: boolean | undefined;
  hidePIPELINING?: boolean | undefined;
  hide8BITMIME?: boolean | undefined;
  hideSMTPUTF8?: boolean | undefined;
  /** Default true, as are the next two. */
  hideENHANCEDSTATUSCODES?: boolean | undefined;
  hideDSN?: boolean | undefined;
  hideREQUIRETLS?: boolean | undefined;
  /** AUTH in the clear. */
  allowInsecureAuth?: boolean | undefined;
  disableReverseLookup?: boolean | undefined;
  /** In place of the DNS. */
  resolver?: SMTPServerResolver | undefined;
  /** TLS options by server name. `SNICallback` comes first. */
  sniOptions?: Record<string, ServerTlsOptions> | Map<string, ServerTlsOptions> | undefined;
  /** True: the console. */
  logger?: SMTPServerLogger | boolean | undefined;
  /** Stands in every line of the log; default `smtp-server`. */
  component?: string | undefined;
  maxClients?: number | undefined;
  /** Everybody has to send a PROXY header (version 1 or 2), or these addresses. */
  useProxy?: boolean | string[] | undefined;
  /** Addresses whose PROXY header makes no line in the log. */
  ignoredHosts?: string[] | undefined;
  /** Everybody may use XCLIENT, or these addresses. */
  useXClient?: boolean | string[] | undefined;
  useXForward?: boolean | string[] | undefined;
  lmtp?: boolean | undefined;
  /** Milliseconds a client may keep silent; default 60,000. */
  socketTimeout?: number | undefined;
  /** Milliseconds between `close` and the end of the last connection; default 30,000. */
  closeTimeout?: number | undefined;
  /** Default 10; false for no limit. */
  maxAllowedUnauthenticatedCommands?: number | false | undefined;
  /** Octets of a command line; default 16,384. */
  maxCommandLength?: number | undefined;
  /** Of one message; default no limit. */
  maxRecipients?: number | undefined;
  /** Addresses are hardly looked at. */
  lenientAddressParsing?: boolean | undefined;
}

export interface SMTPServerEvents {
  listening: [];
  close: [];
  error: [error: Error];
  connect: [info: SMTPServerConnectionInfo];
}
