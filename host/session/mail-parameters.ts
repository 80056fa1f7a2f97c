/** The parameters of MAIL. RFC 5321 section 4.1.1.2. */

import type { MailOptions } from '../../bindings/plugin/connection.ts';
import { offers } from './extensions.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import type { Session } from './session.ts';
import {
  readParameters,
  withoutValue,
  type ParameterRow,
  type ParameterTable,
  type Unfinished,
} from './parameter-table.ts';
import { decodeAsciiXtext } from '../../bindings/wire/xtext.ts';

/** What MAIL without parameters says. */
export const PLAIN_MAIL: MailOptions = Object.freeze({
  size: undefined,
  body: '7bit',
  isUtf8: false,
  ret: undefined,
  envid: undefined,
  submitter: undefined,
  requireTls: false,
});

type Options = Unfinished<MailOptions>;
type Row = ParameterRow<Options>;

/** Longest ENVID as sent. RFC 3461 section 4.4. */
const MAX_ENVID = 100;

/** Understood even where no limit is announced: a client may have been told of one that is gone since. */
const size: Row = {
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

const body: Row = {
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

const smtpUtf8: Row = {
  rfc: 'RFC 6531 section 3.4',
  isOffered: (session) => offers(session, 'SMTPUTF8'),
  read: withoutValue((options) => {
    options.isUtf8 = true;
  }),
};

const ret: Row = {
  rfc: 'RFC 3461 section 4.3',
  isOffered: (session) => offers(session, 'DSN'),
  read(value, options) {
    const word = value?.toLowerCase();
    if (word !== 'full' && word !== 'hdrs') return replies.badParameterValue;
    options.ret = word;
    return undefined;
  },
};

const envid: Row = {
  rfc: 'RFC 3461 section 4.4',
  isOffered: (session) => offers(session, 'DSN'),
  read(value, options) {
    const text = value === undefined || value.length > MAX_ENVID ? undefined : decodeAsciiXtext(value);
    if (text === undefined) return replies.badParameterValue;
    options.envid = text;
    return undefined;
  },
};

/** Of a client that did not authenticate it is read and forgotten: anybody could name anybody. */
const auth: Row = {
  rfc: 'RFC 4954 section 5',
  isOffered: (session) => session.facts.auth !== undefined || offers(session, 'AUTH'),
  read(value, options, { facts }) {
    const text = value === '<>' ? value : value === undefined ? undefined : decodeAsciiXtext(value);
    if (text === undefined) return replies.badParameterValue;
    if (facts.auth !== undefined) options.submitter = text;
    return undefined;
  },
};

const requireTls: Row = {
  rfc: 'RFC 8689 section 2',
  isOffered: (session) => offers(session, 'REQUIRETLS'),
  read: withoutValue((options) => {
    options.requireTls = true;
  }),
};

const table: ParameterTable<Options> = new Map([
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
  const options: Options = { ...PLAIN_MAIL };
  return readParameters(table, session, session.path, options) ?? options;
}
