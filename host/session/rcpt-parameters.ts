/** The parameters of RCPT. RFC 3461 sections 4.1 and 4.2. */

import type { NotifyEvent, RecipientOptions } from '../../bindings/plugin/connection.ts';
import { offers } from './extensions.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import type { Session } from './session.ts';
import {
  readParameters,
  type ParameterRow,
  type ParameterTable,
  type Unfinished,
} from './parameter-table.ts';
import { decodeUnicodeAddress, decodeAsciiXtext } from '../../bindings/wire/xtext.ts';

type Options = Unfinished<RecipientOptions>;
type Row = ParameterRow<Options>;

/** Longest ORCPT as sent. RFC 3461 section 4.2. */
const MAX_ORCPT = 500;

const EVENTS: ReadonlySet<string> = new Set<NotifyEvent>(['success', 'failure', 'delay']);

const notify: Row = {
  rfc: 'RFC 3461 section 4.1',
  isOffered: (session) => offers(session, 'DSN'),
  read(value = '', options) {
    const words = new Set(value.toLowerCase().split(','));
    const isNever = words.size === 1 && words.has('never');
    if (!isNever && ![...words].every((word) => EVENTS.has(word))) return replies.badParameterValue;
    options.notify = [...words] as NotifyEvent[];
    return undefined;
  },
};

const ADDRESS = /^([A-Za-z0-9][A-Za-z0-9-]*);(.+)$/;

const orcpt: Row = {
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

const table: ParameterTable<Options> = new Map([
  ['notify', notify],
  ['orcpt', orcpt],
]);

/** The parameters of this RCPT as facts, or the refusal they earn. */
export function readRecipientOptions(session: Session): RecipientOptions | Template {
  const options: Options = { notify: undefined, originalRecipient: undefined };
  return readParameters(table, session, session.path, options) ?? options;
}
