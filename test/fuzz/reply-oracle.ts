/** How a dialogue has to look from outside: one reply for each command, in lines of RFC 5321 section 4.2. */
import { DataFlag } from '../../bindings/core.ts';
import { judgeData } from '../core/data-oracle.ts';

/** A reply line without its line end: ASCII, or UTF-8 where an address is echoed; at most 510 octets. */
const LINE = /^[2-5]\d\d[ -][\t -~\x80-\xff]{0,506}$/;

/** The codes of the replies. Throws if a line is malformed or a reply has lines of several codes. */
export function readCodes(heard: string): number[] {
  if (heard !== '' && !heard.endsWith('\r\n')) throw new Error(`a reply has no line end: ${show(heard)}`);
  const codes: number[] = [];
  let open = '';
  for (const line of heard.split('\r\n').slice(0, -1)) {
    if (!LINE.test(line)) throw new Error(`no reply line: ${show(line)}`);
    const code = line.slice(0, 3);
    if (open !== '' && open !== code) throw new Error(`a reply changes its code: ${show(line)}`);
    open = line[3] === '-' ? code : '';
    if (open === '') codes.push(Number(code));
  }
  if (open !== '') throw new Error('the last reply has no last line');
  return codes;
}

const CLOSING: ReadonlySet<number> = new Set([221, 421, 521]);

/**
 * Walks through what the client sent with the codes it heard, the greeting first, and throws where their number does
 * not fit. It knows three things: lines are commands, after 354 comes mail data, after BDAT come so many octets.
 */
export function expectOneReplyEach(sent: string, codes: readonly number[]): void {
  let heard = 1;
  const next = (what: string): number => {
    const code = codes[heard++];
    if (code === undefined) throw new Error(`no reply to ${show(what)}`);
    return code;
  };
  let at = 0;
  for (;;) {
    const end = sent.indexOf('\n', at);
    if (end < 0) break;
    const line = sent.slice(at, end + 1);
    at = end + 1;
    let code = next(line);
    if (code === 354) {
      const data = judgeData(sent.slice(at));
      code = next('mail data');
      if (data.end < 0 && (data.flags & DataFlag.LookAlike) === 0 && code !== 451) {
        throw new Error(`unfinished data was answered ${code}`);
      }
      at = data.end < 0 ? sent.length : at + data.end;
    } else if (code !== 500 && /^BDAT[ \t\r\n]/i.test(line)) {
      const octets = chunkOctets(line);
      // What cannot be skipped ends the connection.
      if (octets === undefined) break;
      at += octets;
    } else if (code === 500 && /^BDAT[ \t]/i.test(line) && line.length > 2_048 && heard === codes.length) {
      break;
    }
    if (CLOSING.has(code)) break;
  }
  if (heard !== codes.length) throw new Error(`${codes.length - heard} replies too many: ${codes.join(' ')}`);
}

/** Octets a BDAT line announces, whatever stands after the size; undefined if it cannot be read. */
function chunkOctets(line: string): number | undefined {
  const octets = Number(/^BDAT[ \t]+(\d+)(?=[ \t]|\r?\n$)/i.exec(line)?.[1]);
  return Number.isSafeInteger(octets) ? octets : undefined;
}

const show = (text: string): string => JSON.stringify(text.slice(0, 200));
