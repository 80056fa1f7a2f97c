import type { Address } from '../wire/address.ts';
import type { Parameters } from './connection.ts';
import type { HookContext, Setup } from './context.ts';
import type { Finding } from './finding.ts';
import type { LogLevel } from './log-level.ts';
import type { Verdict } from './verdict.ts';

/** What a line says, for logs that have fields of their own: `name` says what it is about. */
export type LogRecord = Readonly<Record<string, string | number | readonly string[]>>;

/** A line of the log before it is written. */
export interface LogEvent {
  readonly level: LogLevel;
  readonly text: string;
  readonly plugin: string | undefined;
  readonly hook: HookName | undefined;
  /** The connection it belongs to, if any. */
  readonly connectionId: string | undefined;
  /** The transaction it belongs to, if any: the connection and a number. */
  readonly transactionId: string | undefined;
  /** The fields of a summary, as docs/reference/logging.md lists them; other lines have none. */
  readonly event?: LogRecord | undefined;
}

/** What each hook is told besides its context. The names and their order are qpsmtpd's. */
export interface HookArguments {
  'pre-connection': [];
  connect: [];
  helo_parse: [line: string];
  ehlo_parse: [line: string];
  helo: [host: string, args: readonly string[]];
  ehlo: [host: string, args: readonly string[]];
  auth_parse: [line: string];
  auth: [mechanism: string, credentials: Credentials];
  'auth-plain': [mechanism: string, credentials: Credentials];
  'auth-login': [mechanism: string, credentials: Credentials];
  'auth-cram-md5': [mechanism: string, credentials: Credentials];
  /** OK with `COUNT:SALT` (base64): what the client is told to mix into its password. RFC 5802 section 3. */
  auth_scram_salt: [user: string];
  'auth-scram-sha-256': [mechanism: string, credentials: Credentials];
  'auth-oauthbearer': [mechanism: string, credentials: Credentials];
  'auth-xoauth2': [mechanism: string, credentials: Credentials];
  mail_parse: [line: string];
  mail_pre: [path: string, parameters: Parameters];
  mail: [reversePath: Address, parameters: Parameters];
  rcpt_parse: [line: string];
  rcpt_pre: [path: string, parameters: Parameters];
  rcpt: [forwardPath: Address, parameters: Parameters];
  data: [];
  data_headers_end: [];
  data_post_headers: [];
  received_line: [parts: ReceivedParts];
  data_post: [];
  queue_pre: [];
  queue: [];
  queue_post: [];
  vrfy: [];
  noop: [];
  help: [argument: string];
  quit: [];
  unrecognized_command: [verb: string, argument: string];
  reset_transaction: [];
  disconnect: [];
  'post-connection': [];
  deny: [plugin: string, verdict: Verdict];
  ok: [plugin: string, verdict: Verdict];
  logging: [event: LogEvent];
  config: [name: string];
  user_config: [address: Address, name: string];
  'post-fork': [];
}

/** What a Received field would say, for a plugin that writes it differently. */
export interface ReceivedParts {
  /** Transmission type of RFC 3848, such as `ESMTPS`. */
  readonly protocol: string;
  /** User and mechanism of a successful AUTH in brackets, or ''. */
  readonly authentication: string;
  /** Cipher suite in brackets, or ''. */
  readonly cipher: string;
}

export type HookName = keyof HookArguments;

/** Hooks that run outside any session and get the plugin's own side only; `config` must answer at once. */
export type SetupHookName = 'logging' | 'config' | 'post-fork';

/** Hooks that are asked about a session. */
export type SessionHookName = Exclude<HookName, SetupHookName>;

/** The hooks that judge credentials; each mechanism has its own, and `auth` is asked after it. */
export type AuthHookName = Extract<HookName, `auth-${string}`>;

/**
 * What AUTH brought. `verify` compares it, whatever the mechanism; the rest is for plugins that ask another service.
 */
export interface Credentials {
  /** 1 to 255 octets without control characters. */
  readonly user: string;
  /** PLAIN and LOGIN. */
  readonly password: string | undefined;
  /** CRAM-MD5: the challenge, and the client's hex digest of it. RFC 2195. */
  readonly ticket: string | undefined;
  readonly digest: string | undefined;
  /** OAUTHBEARER and XOAUTH2. RFC 6750. */
  readonly token: string | undefined;
  /**
   * True if the client has shown that it knows the secret; compared in time that does not depend on it. OK without it
   * counts for nothing with SCRAM-SHA-256. Rejects if `scram` cannot be read.
   */
  verify(secret: Secret): Promise<boolean>;
}

/**
 * What a site keeps of a user: the password (or token) itself, or SCRAM keys as RFC 5803 writes them:
 * `SCRAM-SHA-256$COUNT:SALT$STOREDKEY:SERVERKEY`. The keys serve PLAIN, LOGIN and SCRAM-SHA-256, the latter if
 * `auth_scram_salt` has told the salt; CRAM-MD5 needs the password.
 */
export type Secret = string | { readonly scram: string };

/** No opinion (nothing returned), an order, or what a check saw. */
export type Answer = void | undefined | Verdict | Finding;

export type Hook<O, N extends HookName> = (
  context: N extends SetupHookName ? Setup<O> : HookContext<O>,
  ...args: HookArguments[N]
) => Answer | Promise<Answer>;

/** Hooks that only announce something: every plugin is told, and none is waited for to answer. */
export const ANNOUNCING_HOOKS = ['reset_transaction', 'disconnect', 'post-connection'] as const;

/** Hooks whose answers are waited for, one plugin after the other. */
export type AwaitedHookName = Exclude<SessionHookName, (typeof ANNOUNCING_HOOKS)[number]>;

/**
 * What a plugin can begin before its turn in a hook. Called once a plugin that stands before it has to be waited for, so that both
 * wait together; not called at all if none has, so the hook begins what it finds undone. It starts tasks and answers nothing.
 */
export type Begins<O> = {
  readonly [N in AwaitedHookName]?: (context: HookContext<O>, ...args: HookArguments[N]) => void;
};

/** The hooks of one plugin. */
export type Hooks<O> = { readonly [N in HookName]?: Hook<O, N> } & { readonly begins?: Begins<O> };

/** Every hook name, in the order of a session. */
export const HOOK_NAMES = [
  'logging',
  'config',
  'user_config',
  'post-fork',
  'pre-connection',
  'connect',
  'helo_parse',
  'ehlo_parse',
  'helo',
  'ehlo',
  'auth_parse',
  'auth-plain',
  'auth-login',
  'auth-cram-md5',
  'auth_scram_salt',
  'auth-scram-sha-256',
  'auth-oauthbearer',
  'auth-xoauth2',
  'auth',
  'mail_parse',
  'mail_pre',
  'mail',
  'rcpt_parse',
  'rcpt_pre',
  'rcpt',
  'data',
  'data_headers_end',
  'data_post_headers',
  'received_line',
  'data_post',
  'queue_pre',
  'queue',
  'queue_post',
  'vrfy',
  'noop',
  'help',
  'quit',
  'unrecognized_command',
  'reset_transaction',
  'disconnect',
  'post-connection',
  'deny',
  'ok',
] as const satisfies readonly HookName[];
