import { MAX_PARAMETERS, PARAMETER_WORDS } from '../contract.ts';

/** `Dot-string` and a `Domain` of letters, digits and hyphens, RFC 5321 section 4.1.2. */
const MAILBOX =
  /([\w!#$%&'*+\-/=?^`{|}~]+(?:\.[\w!#$%&'*+\-/=?^`{|}~]+)*)@([a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)*)>/iy;
const MAIL_PREFIX = /FROM:</iy;
const RCPT_PREFIX = /TO:</iy;
/** `SP esmtp-param`, RFC 5321 section 4.1.2. */
const PARAMETER = / ([a-z\d][a-z\d-]*)(?:=([!-<>-~]+))?/iy;

const MAX_LOCAL_PART = 64;
const MAX_DOMAIN = 255;

/** A reverse-path or forward-path in the plain form of `CommandFlag.Canonical`, as positions. */
export interface PlainEnvelope {
  readonly path: number;
  readonly pathEnd: number;
  /** -1 for `<>`. */
  readonly at: number;
  readonly parameterCount: number;
}

interface Argument {
  readonly argument: number;
  readonly lineEnd: number;
  readonly isMail: boolean;
}

/** Reads the argument of MAIL or RCPT; undefined if its form is not plain. */
export function readEnvelope(
  octets: Uint8Array,
  { argument, lineEnd, isMail }: Argument,
  parameters: Int32Array,
  firstParameter: number,
): PlainEnvelope | 'table full' | undefined {
  const text = Buffer.from(octets.subarray(argument, lineEnd)).latin1Slice();
  const prefix = matchAt(isMail ? MAIL_PREFIX : RCPT_PREFIX, text, 0);
  if (prefix === null) return undefined;
  const inside = prefix[0].length;
  const isNull = isMail && text[inside] === '>';
  const mailbox = matchAt(MAILBOX, text, inside);
  const [, localPart = '', domain = ''] = mailbox ?? [];
  if (!isNull && (mailbox === null || localPart.length > MAX_LOCAL_PART || domain.length > MAX_DOMAIN))
    return undefined;
  const pathEnd = isNull ? inside + 1 : inside + localPart.length + domain.length + 2;
  const parameterCount = readParameters(text, pathEnd, argument, parameters, firstParameter);
  if (typeof parameterCount !== 'number') return parameterCount;
  return {
    path: argument + inside - 1,
    pathEnd: argument + pathEnd,
    at: isNull ? -1 : argument + inside + localPart.length,
    parameterCount,
  };
}

/** Writes the parameters from `from` to the end of `text`; undefined if that is not all there is. */
function readParameters(
  text: string,
  from: number,
  offset: number,
  parameters: Int32Array,
  firstParameter: number,
): number | 'table full' | undefined {
  let at = from;
  let index = firstParameter;
  while (at < text.length) {
    const found = matchAt(PARAMETER, text, at);
    if (found === null) return undefined;
    if (index === MAX_PARAMETERS) return 'table full';
    const [whole, keyword = '', value] = found;
    const keywordEnd = offset + at + 1 + keyword.length;
    const words = [offset + at + 1, keywordEnd, -1, -1];
    if (value !== undefined) words.splice(2, 2, keywordEnd + 1, keywordEnd + 1 + value.length);
    parameters.set(words, index * PARAMETER_WORDS);
    index++;
    at += whole.length;
  }
  return index - firstParameter;
}

/** Matches a sticky expression at a position. */
function matchAt(expression: RegExp, text: string, at: number): RegExpExecArray | null {
  expression.lastIndex = at;
  return expression.exec(text);
}
