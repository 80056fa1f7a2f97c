import { DataFlag } from '../../bindings/core.ts';

/** What `data` must say about a message in the end, however it was cut. */
export interface DataVerdict {
  readonly content: string;
  readonly flags: number;
  readonly octets: number;
  readonly longest: number;
  /** Octets up to and with the end of data, or -1. */
  readonly end: number;
}

/**
 * The rules of RFC 5321 section 4.5.2 once more, as text searches over the whole input. It shares no idea with
 * either core, so that a misreading both have in common would still show.
 */
export function judgeData(input: string): DataVerdict {
  const end = `\r\n${input}`.indexOf('\r\n.\r\n');
  const seen = end === -1 ? input : input.slice(0, end + 3);
  const stuffed = end === -1 ? input.replace(/(^|\r\n)\.\r?$/, '$1') : input.slice(0, end);
  const content = stuffed.replace(/(^|\r\n)\./g, '$1');
  const lines = content.replace(/\r$/, '').split(/\r?\n/);
  let flags = 0;
  if (/\r[^\n]/.test(seen)) flags |= DataFlag.BareCr;
  if (/(?<!\r)\n/.test(seen)) flags |= DataFlag.BareLf;
  if (seen.includes('\0')) flags |= DataFlag.Nul;
  if (/[\x80-\xff]/.test(seen)) flags |= DataFlag.EightBit;
  if (/(?<!\r)\n\.\r?\n|(?:^|\r\n)\.\n/.test(seen)) flags |= DataFlag.LookAlike;
  return {
    content,
    flags,
    octets: content.length,
    longest: lines.reduce((longest, line) => Math.max(longest, line.length), 0),
    end: end === -1 ? -1 : end + 3,
  };
}
