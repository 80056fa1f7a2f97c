/**
 * What becomes of the verdicts of each hook, besides the refusals of `refusals.ts`, for docs/reference/hooks.md. The steps of the
 * verbs carry it out; a test plays what has a reply.
 */

import type { HookName } from '../../bindings/plugin/hooks.ts';
import type { ReturnCode } from '../../bindings/plugin/verdict.ts';
import type { replies } from '../replies/replies.ts';

type Code = keyof typeof ReturnCode;

export interface Reaction {
  /** A code that no reaction and no refusal of the hook names counts as DECLINED, which each hook has. */
  readonly codes: readonly Code[];
  readonly effect: string;
  readonly reply?: keyof typeof replies;
}

const REFUSING: readonly Code[] = ['DENY', 'DENYSOFT', 'DENY_DISCONNECT', 'DENYSOFT_DISCONNECT'];
const NO_REPLY: Reaction = { codes: ['DONE'], effect: 'the plugin has answered by itself: no reply' };

const goesOn = (effect: string, reply?: Reaction['reply']): Reaction => ({
  codes: ['DECLINED'],
  effect,
  ...(reply !== undefined && { reply }),
});
const ignored: readonly Reaction[] = [goesOn('nothing: whatever is answered changes nothing')];

const hello = (reply: 'helo' | 'ehlo'): readonly Reaction[] => [goesOn('the name is kept', reply), NO_REPLY];
const parsing = (effect: string): readonly Reaction[] => [
  { codes: ['OK'], effect },
  goesOn('the server takes the line apart'),
];
const replacing: readonly Reaction[] = [
  { codes: ['OK'], effect: 'the first line of the verdict takes the place of the path' },
  goesOn('the path stays'),
];
const pathParsing = parsing('the lines of the verdict count: the path, then each parameter');

const authenticated: Reaction = {
  codes: ['OK'],
  reply: 'authSuccess',
  effect: 'the client may relay, and is naughty no more; with SCRAM-SHA-256 only after `credentials.verify`',
};
const putOff: Reaction = {
  codes: ['DENYSOFT', 'DENYSOFT_DISCONNECT'],
  reply: 'authTemporary',
  effect: 'the client may try again with the same credentials',
};
const REFUSED =
  'counts as a failure, answered after `auth_delay`; the text of the verdict goes into the log alone';
const ownMechanism: readonly Reaction[] = [
  authenticated,
  putOff,
  { codes: ['DENY', 'DENY_DISCONNECT', 'DONE'], reply: 'authFailed', effect: REFUSED },
  goesOn('the hook `auth` is asked'),
];

export const hookReactions: { readonly [N in HookName]: readonly Reaction[] } = {
  logging: ignored,
  config: [
    { codes: ['OK'], effect: 'the lines of the verdict stand for the file' },
    {
      codes: ['DENYSOFT'],
      effect: 'the plugin cannot tell now: what it said before stays, else the file stands in',
    },
    goesOn('the file is read'),
  ],
  user_config: [
    { codes: ['OK'], effect: 'the lines of the verdict stand for the file' },
    { codes: REFUSING, effect: 'the list of the user is unknown: `linesFor` rejects' },
    goesOn('the file is read'),
  ],
  'post-fork': ignored,
  'pre-connection': [goesOn("the client's name is looked up")],
  connect: [goesOn('the banner', 'greeting'), { ...NO_REPLY, effect: 'no banner; commands are read' }],
  helo_parse: parsing('the lines of the verdict take the place of the line'),
  ehlo_parse: parsing('the lines of the verdict take the place of the line'),
  helo: hello('helo'),
  ehlo: hello('ehlo'),
  auth_parse: [
    { codes: ['OK'], effect: 'the first line of the verdict takes the place of the line' },
    { codes: [...REFUSING, 'DONE'], reply: 'syntaxInCommand', effect: 'the client is refused' },
    goesOn('the server takes the line apart'),
  ],
  'auth-plain': ownMechanism,
  'auth-login': ownMechanism,
  'auth-cram-md5': ownMechanism,
  auth_scram_salt: [
    {
      codes: ['OK'],
      effect: 'the verdict is `COUNT:SALT` (base64), which the client mixes into its password',
    },
    putOff,
    goesOn('the client is told a salt made up from its name, and is refused in the end'),
  ],
  'auth-scram-sha-256': ownMechanism,
  'auth-oauthbearer': ownMechanism,
  'auth-xoauth2': ownMechanism,
  auth: [
    authenticated,
    putOff,
    { codes: ['DENY', 'DENY_DISCONNECT', 'DONE', 'DECLINED'], reply: 'authFailed', effect: REFUSED },
  ],
  mail_parse: pathParsing,
  mail_pre: replacing,
  mail: [
    goesOn('the transaction begins', 'senderOk'),
    { ...NO_REPLY, effect: 'the plugin has answered by itself: no reply, and no transaction' },
  ],
  rcpt_parse: pathParsing,
  rcpt_pre: replacing,
  rcpt: [
    { codes: ['OK'], reply: 'recipientOk', effect: 'the recipient is accepted' },
    goesOn('nobody has accepted the recipient', 'nobodyDecided'),
    { ...NO_REPLY, effect: 'the plugin has answered by itself: no reply, and no recipient' },
  ],
  data: [goesOn('the message may come', 'goAhead'), NO_REPLY],
  data_headers_end: [goesOn('the message goes on')],
  data_post_headers: [goesOn('the message goes on')],
  received_line: [
    {
      codes: ['OK'],
      effect: 'the lines of the verdict are the body of Received; all but the first begin with a blank',
    },
    goesOn('the server writes it'),
  ],
  data_post: [
    goesOn('the message is handed on'),
    { ...NO_REPLY, effect: 'no reply; the message is not handed on' },
  ],
  queue_pre: [
    {
      codes: REFUSING,
      reply: 'notQueued',
      effect: 'the message is put off, and the log says that the answer makes no sense',
    },
    goesOn('the message is handed on'),
    { ...NO_REPLY, effect: 'no reply; the message is not handed on' },
  ],
  queue: [
    { codes: ['OK'], reply: 'queued', effect: 'the message is acknowledged, and must not be lost any more' },
    {
      codes: ['DENY_DISCONNECT', 'DENYSOFT_DISCONNECT', 'DECLINED'],
      reply: 'notQueued',
      effect: 'the message is put off',
    },
    NO_REPLY,
  ],
  queue_post: [{ codes: [...REFUSING, 'DONE'], effect: 'a line in the log' }, goesOn('nothing')],
  vrfy: [
    { codes: ['OK'], reply: 'verified', effect: 'the text of the verdict is the reply' },
    goesOn('the client is told to try', 'cannotVerify'),
    NO_REPLY,
  ],
  noop: [goesOn('nothing', 'ok'), NO_REPLY],
  help: [
    { codes: ['OK', 'DECLINED'], reply: 'help', effect: 'the text of the verdict is the reply' },
    NO_REPLY,
  ],
  quit: [
    {
      codes: ['OK', ...REFUSING, 'DECLINED'],
      reply: 'closing',
      effect: 'the connection is closed; the text of the verdict is the reply',
    },
    { ...NO_REPLY, effect: 'the connection is closed without a reply' },
  ],
  unrecognized_command: [goesOn('the client is refused', 'unrecognized'), NO_REPLY],
  reset_transaction: ignored,
  disconnect: ignored,
  'post-connection': ignored,
  deny: ignored,
  ok: ignored,
};
