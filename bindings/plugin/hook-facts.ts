/** When each hook is asked, and what it is told, for docs/reference/hooks.md. The compiler holds it against `HookArguments`. */

import type { Address } from '../wire/address.ts';
import type { Parameters } from './connection.ts';
import type { Credentials, HookArguments, HookName, LogEvent, ReceivedParts } from './hooks.ts';
import type { Verdict } from './verdict.ts';

/** The types of arguments, by the names plugins import them under. */
interface ArgumentTypes {
  string: string;
  'readonly string[]': readonly string[];
  Address: Address;
  Parameters: Parameters;
  Credentials: Credentials;
  ReceivedParts: ReceivedParts;
  Verdict: Verdict;
  LogEvent: LogEvent;
}

type NameOf<T> = {
  [K in keyof ArgumentTypes]: [T, ArgumentTypes[K]] extends [ArgumentTypes[K], T] ? K : never;
}[keyof ArgumentTypes];

/** Its name, the name of its type, and what it is. */
export type ArgumentFacts<T = unknown> = readonly [name: string, type: NameOf<T>, about: string];

type Facts<A extends readonly unknown[]> = {
  readonly asked: string;
  /** One for each argument besides the context. */
  readonly told: { readonly [I in keyof A]: ArgumentFacts<A[I]> };
};

const HELO_ARGS = 'what follows the name, split at blanks';
const AUTH_TOLD = [
  ['mechanism', 'string', 'its name in lower case, such as `scram-sha-256`'],
  ['credentials', 'Credentials', 'user, and what the mechanism brings; `verify(secret)` compares it'],
] as const;
const MAIL_PARAMETERS = ['parameters', 'Parameters', 'the ESMTP parameters, keywords in lower case'] as const;

const judging = (mechanism: string) => ({
  asked: `AUTH ${mechanism}, once the credentials are complete`,
  told: AUTH_TOLD,
});

export const hookFacts: { readonly [N in HookName]: Facts<HookArguments[N]> } = {
  logging: {
    asked: 'for each line of the log that `logsUpTo` wants; outside sessions',
    told: [['event', 'LogEvent', 'the line before it is written']],
  },
  config: {
    asked:
      'for each configuration file, at start and then once a second; outside sessions, and must answer at once',
    told: [['name', 'string', 'of the file']],
  },
  user_config: {
    asked: 'when a plugin reads a configuration file for one user (`linesFor`)',
    told: [
      ['address', 'Address', 'of the user'],
      ['name', 'string', 'of the file'],
    ],
  },
  'post-fork': {
    asked:
      'before the first client of each process and of each reading of the configuration; outside sessions',
    told: [],
  },
  'pre-connection': { asked: 'a client has connected; its name is not known yet', told: [] },
  connect: { asked: 'before the banner', told: [] },
  helo_parse: {
    asked: 'HELO, before the line is taken apart',
    told: [['line', 'string', 'what follows the verb']],
  },
  ehlo_parse: {
    asked: 'EHLO, before the line is taken apart',
    told: [['line', 'string', 'what follows the verb']],
  },
  helo: {
    asked: 'HELO',
    told: [
      ['host', 'string', 'the name the client gives itself'],
      ['args', 'readonly string[]', HELO_ARGS],
    ],
  },
  ehlo: {
    asked: 'EHLO',
    told: [
      ['host', 'string', 'the name the client gives itself'],
      ['args', 'readonly string[]', HELO_ARGS],
    ],
  },
  auth_parse: {
    asked: 'AUTH, before the line is taken apart',
    told: [['line', 'string', 'what follows the verb; it may hold a secret']],
  },
  'auth-plain': judging('PLAIN'),
  'auth-login': judging('LOGIN'),
  'auth-cram-md5': judging('CRAM-MD5'),
  auth_scram_salt: {
    asked: 'AUTH SCRAM-SHA-256, once the user is named (RFC 5802 section 3)',
    told: [['user', 'string', 'the name the client gives']],
  },
  'auth-scram-sha-256': judging('SCRAM-SHA-256'),
  'auth-oauthbearer': judging('OAUTHBEARER'),
  'auth-xoauth2': judging('XOAUTH2'),
  auth: { asked: 'after the hook of the mechanism, if that had no opinion', told: AUTH_TOLD },
  mail_parse: {
    asked: 'MAIL, before the line is taken apart',
    told: [['line', 'string', 'what follows the verb']],
  },
  mail_pre: {
    asked: 'MAIL, before the address is',
    told: [['path', 'string', 'the reverse-path in angle brackets'], MAIL_PARAMETERS],
  },
  mail: {
    asked: 'MAIL with an address in order',
    told: [['reversePath', 'Address', 'the sender'], MAIL_PARAMETERS],
  },
  rcpt_parse: {
    asked: 'RCPT, before the line is taken apart',
    told: [['line', 'string', 'what follows the verb']],
  },
  rcpt_pre: {
    asked: 'RCPT, before the address is',
    told: [['path', 'string', 'the forward-path in angle brackets'], MAIL_PARAMETERS],
  },
  rcpt: {
    asked: 'RCPT with an address in order',
    told: [['forwardPath', 'Address', 'the recipient'], MAIL_PARAMETERS],
  },
  data: { asked: 'DATA, before sender and recipients are asked for; the first BDAT of a message', told: [] },
  data_headers_end: {
    asked: 'the header of the message is there; the body may still come',
    told: [],
  },
  data_post_headers: { asked: 'the message is whole; Received is not in its header yet', told: [] },
  received_line: {
    asked: 'when Received is written',
    told: [['parts', 'ReceivedParts', 'what it would say: protocol, authentication, cipher']],
  },
  data_post: { asked: 'the message is whole, and its header has Received', told: [] },
  queue_pre: { asked: 'before the message is handed on', told: [] },
  queue: { asked: 'to hand the message on; not with a plugin that cuts through', told: [] },
  queue_post: { asked: 'after the reply to the message', told: [] },
  vrfy: { asked: 'VRFY', told: [] },
  noop: { asked: 'NOOP', told: [] },
  help: { asked: 'HELP', told: [['argument', 'string', 'what follows the verb']] },
  quit: { asked: 'QUIT', told: [] },
  unrecognized_command: {
    asked: 'an unknown verb, or one that is not offered',
    told: [
      ['verb', 'string', 'in lower case'],
      ['argument', 'string', 'what follows it'],
    ],
  },
  reset_transaction: {
    asked: 'a transaction ends, for any reason, and before each MAIL; every plugin is told',
    told: [],
  },
  disconnect: { asked: 'the client leaves, or is sent away; every plugin is told', told: [] },
  'post-connection': {
    asked: 'last of all, after `disconnect` and `reset_transaction`; every plugin is told',
    told: [],
  },
  deny: {
    asked: 'another hook has refused',
    told: [
      ['plugin', 'string', 'whose hook it was'],
      ['verdict', 'Verdict', 'what it said'],
    ],
  },
  ok: {
    asked: 'another hook has answered without refusing, DECLINED included',
    told: [
      ['plugin', 'string', 'whose hook it was'],
      ['verdict', 'Verdict', 'what it said'],
    ],
  },
};
