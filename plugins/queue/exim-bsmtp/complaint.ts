/** What Exim says of a batch it could not take. */

import { replyText } from '../kit/outcome.ts';

export interface Complaint {
  /** 400 to 599. */
  readonly code: number;
  /** RFC 3463, of the code's class. */
  readonly status: string;
  readonly text: string;
}

/** The last reply in its output that refuses; undefined if there is none. */
export function complaintIn(output: string): Complaint | undefined {
  let last: Complaint | undefined;
  for (const [, digits = '', status, text = ''] of output.matchAll(REPLY)) {
    const code = Number(digits);
    const usual = code < 500 ? '4.3.0' : '5.3.0';
    last = {
      code,
      status: status !== undefined && status[0] === digits[0] ? status : usual,
      text: replyText(text, 'Mail unqueuable'),
    };
  }
  return last;
}

/** A last line of a reply: code, perhaps a status, text. RFC 5321 section 4.2, RFC 2034. */
const REPLY = /\b([45]\d\d) (?:([245]\.\d{1,3}\.\d{1,3}) )?[ \t]*(\S[^\r\n]*)/g;
