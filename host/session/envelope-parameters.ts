/**
 * The parameters of MAIL and RCPT, read by a table with a row for each keyword. RFC 5321 section 4.1.1.11; each row names
 * the RFC of its own.
 */

import type { MailOptions, NotifyEvent, RecipientOptions } from '../../bindings/plugin/connection.ts';
import { decodeAsciiXtext, decodeUnicodeAddress } from '../../bindings/wire/xtext.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import { offers } from './extensions.ts';
import type { PathInput } from './path-input.ts';
import type { Session } from './session.ts';

/** The options of a MAIL without parameters. */
export const PLAIN_MAIL: MailOptions = Object.freeze({
  size: undefined,
  body: '7bit',
  isUtf8: false,
  ret: undefined,
  envid: undefined,
  submitter: undefined,
  requireTls: false,
});

interface ParameterRow<Options> {
  /** Where it is defined. */
  readonly rfc: string;
  /** True if the client may use it now. */
  isOffered(session: Session): boolean;
  /** Puts what the value says into `options`; returns the refusal if it says nothing or too much. */
  read(value: string | undefined, options: Options, session: Session): Template | undefined;
}

/** Rows by keyword in lower case. */
type ParameterTable<Options> = ReadonlyMap<string, ParameterRow<Options>>;

/** The same while it is being built. */
type Unfinished<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Reads all parameters into `options`; returns the refusal of the first that earns one. With `esmtp_parameters
 * lenient` only a message that is too big is refused; what cannot be read is passed over, as qpsmtpd does.
 */
function readParameters<Options>(
  table: ParameterTable<Options>,
  session: Session,
  { parameters, isRepeating }: PathInput,
  options: Options,
): Template | undefined {
  const isStrict = session.host.settings.esmtpParameters === 'strict';
  if (isStrict && session.facts.hello === 'helo') return replies.parametersNeedEhlo;
  if (isStrict && isRepeating) return replies.parameterRepeated;
  for (const [keyword, value] of parameters) {
    const row = table.get(keyword);
    const refusal =
      row?.isOffered(session) === true ? row.read(value, options, session) : replies.parameterNotOffered;
    if (refusal !== undefined && (isStrict || refusal === replies.messageTooBig)) return refusal;
  }
  return undefined;
}

/** Reads a keyword that has no value. */
const withoutValue =
  <Options>(set: (options: Options) => void): ParameterRow<Options>['read'] =>
  (value, options) => {
    if (value !== undefined) return replies.badParameterValue;
    set(options);
    return undefined;
  };

type MailRow = ParameterRow<Unfinished<MailOptions>>;

/** Longest ENVID as sent. RFC 3461 section 4.4. */
const MAX_ENVID = 100;

/** Understood even where no limit is announced: the limit may have been removed since EHLO. */
const size: MailRow = {
  rfc: 'RFC 1870 section 5',
  isOffered: ({ host }) => !host.settings.extensionsOff.has('SIZE'),
  read(value, options, { host }) {
    if (value === undefined || !/^\d{1,20}$/.test(value)) return replies.badParameterValue;
    options.size = Number(value);
    const { databytes } = host.settings;
    return databytes > 0 && options.size > databytes ? replies.messageTooBig : undefined;
  },
};

const BODIES = { '7BIT': '7bit', '8BITMIME': '8bitmime', BINARYMIME: 'binarymime' } as const;

const body: MailRow = {
  rfc: 'RFC 6152 section 2, RFC 3030 section 3',
  isOffered: (session) => offers(session, '8BITMIME') || offers(session, 'BINARYMIME'),
  read(value, options, session) {
    const kind = BODIES[value?.toUpperCase() as keyof typeof BODIES] as MailOptions['body'] | undefined;
    if (kind === undefined) return replies.badParameterValue;
    const extension = kind === 'binarymime' ? 'BINARYMIME' : '8BITMIME';
    if (!offers(session, extension)) return replies.parameterNotOffered;
    options.body = kind;
    return undefined;
  },
};

const smtpUtf8: MailRow = {
  rfc: 'RFC 6531 section 3.4',
  isOffered: (session) => offers(session, 'SMTPUTF8'),
  read: withoutValue((options) => {
    options.isUtf8 = true;
  }),
};

const ret: MailRow = {
  rfc: 'RFC 3461 section 4.3',
  isOffered: (session) => offers(session, 'DSN'),
  read(value, options) {
    const kind = value?.toLowerCase();
    if (kind !== 'full' && kind !== 'hdrs') return replies.badParameterValue;
    options.ret = kind;
    return undefined;
  },
};

const envid: MailRow = {
  rfc: 'RFC 3461 section 4.4',
  isOffered: (session) => offers(session, 'DSN'),
  read(value, options) {
    const text = value === undefined || value.length > MAX_ENVID ? undefined : decodeAsciiXtext(value);
    if (text === undefined) return replies.badParameterValue;
    options.envid = text;
    return undefined;
  },
};

/** Of a client that did not authenticate it is read and ignored: such a client could name any user. */
const auth: MailRow = {
  rfc: 'RFC 4954 section 5',
  isOffered: (session) => session.facts.auth !== undefined || offers(session, 'AUTH'),
  read(value, options, { facts }) {
    const text = value === '<>' ? value : value === undefined ? undefined : decodeAsciiXtext(value);
    if (text === undefined) return replies.badParameterValue;
    if (facts.auth !== undefined) options.submitter = text;
    return undefined;
  },
};

const requireTls: MailRow = {
  rfc: 'RFC 8689 section 2',
  isOffered: (session) => offers(session, 'REQUIRETLS'),
  read: withoutValue((options) => {
    options.requireTls = true;
  }),
};

const ofMail: ParameterTable<Unfinished<MailOptions>> = new Map([
  ['size', size],
  ['body', body],
  ['smtputf8', smtpUtf8],
  ['ret', ret],
  ['envid', envid],
  ['auth', auth],
  ['requiretls', requireTls],
]);

/** The parameters of this MAIL as facts, or the refusal they earn. */
export function readMailOptions(session: Session): MailOptions | Template {
  const options: Unfinished<MailOptions> = { ...PLAIN_MAIL };
  return readParameters(ofMail, session, session.path, options) ?? options;
}

type RcptRow = ParameterRow<Unfinished<RecipientOptions>>;

/** Longest ORCPT as sent. RFC 3461 section 4.2. */
const MAX_ORCPT = 500;

const EVENTS: ReadonlySet<string> = new Set<NotifyEvent>(['success', 'failure', 'delay']);

const notify: RcptRow = {
  rfc: 'RFC 3461 section 4.1',
  isOffered: (session) => offers(session, 'DSN'),
  read(value = '', options) {
    const values = new Set(value.toLowerCase().split(','));
    const isNever = values.size === 1 && values.has('never');
    if (!isNever && ![...values].every((value) => EVENTS.has(value))) return replies.badParameterValue;
    options.notify = [...values] as NotifyEvent[];
    return undefined;
  },
};

const ADDRESS = /^([A-Za-z0-9][A-Za-z0-9-]*);(.+)$/;

const orcpt: RcptRow = {
  rfc: 'RFC 3461 section 4.2, RFC 6533 section 3',
  isOffered: (session) => offers(session, 'DSN'),
  read(value = '', options, session) {
    const found = value.length > MAX_ORCPT ? null : ADDRESS.exec(value);
    if (found === null) return replies.badParameterValue;
    const [, written = '', encoded = ''] = found;
    const type = written.toLowerCase();
    const isUtf8 = session.openTransaction?.mailOptions.isUtf8 === true;
    const address = type === 'utf-8' ? decodeUnicodeAddress(encoded, isUtf8) : decodeAsciiXtext(encoded);
    if (address === undefined) return replies.badParameterValue;
    options.originalRecipient = { type, address };
    return undefined;
  },
};

const ofRcpt: ParameterTable<Unfinished<RecipientOptions>> = new Map([
  ['notify', notify],
  ['orcpt', orcpt],
]);

/** The parameters of this RCPT as facts, or the refusal they earn. */
export function readRecipientOptions(session: Session): RecipientOptions | Template {
  const options: Unfinished<RecipientOptions> = { notify: undefined, originalRecipient: undefined };
  return readParameters(ofRcpt, session, session.path, options) ?? options;
}
