/** How the parameters of MAIL and RCPT are read: by a table with a row for each keyword. RFC 5321 section 4.1.1.11. */

import type { PathInput } from './path-input.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import type { Session } from './session.ts';

export interface ParameterRow<Options> {
  /** Where it is defined. */
  readonly rfc: string;
  /** True if the client may use it now. */
  isOffered(session: Session): boolean;
  /** Puts what the value says into `options`; returns the refusal if it says nothing or too much. */
  read(value: string | undefined, options: Options, session: Session): Template | undefined;
}

/** Rows by keyword in lower case. */
export type ParameterTable<Options> = ReadonlyMap<string, ParameterRow<Options>>;

/** The same facts while they are being put together. */
export type Unfinished<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Reads all parameters into `options`; returns the refusal of the first that earns one. With `esmtp_parameters
 * lenient` only a message that is too big is refused; what cannot be read is passed over, as qpsmtpd does.
 */
export function readParameters<Options>(
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
export const withoutValue =
  <Options>(set: (options: Options) => void): ParameterRow<Options>['read'] =>
  (value, options) => {
    if (value !== undefined) return replies.badParameterValue;
    set(options);
    return undefined;
  };
