/** Lines of `uribl_zones`: `ZONE [MASK,MASK] [ACTION] [OPTION=VALUE ...]`. */

import { addressOctets } from '../../bindings/lists/index.ts';
import { parseListLine, type ListLine } from '../dns-lists/list-line.ts';

export const ACTIONS = ['add-header', 'deny', 'denysoft', 'log'] as const;
export type Action = (typeof ACTIONS)[number];

export interface ZoneLine extends ListLine {
  /** True for an address in the list's answer that counts. */
  readonly filter: (code: string) => boolean;
  /** Undefined: what the plugin's own line says. */
  readonly action: Action | undefined;
}

/** As in qpsmtpd: all but the octet that is always 127. */
const ALL = 0x00ff_ffff;
const MASKS = /^-?\d{1,10}(?:,-?\d{1,10})*$/;

/** Throws an Error that says what is wrong and what to write. It never quotes a key. */
export function parseZoneLine(line: string): ZoneLine {
  const quoted = (word: string): string => (/\bkey/i.test(line) ? 'a word' : `\`${word}\``);
  const words = line.trim().split(/\s+/);
  const first = words.findIndex((word, index) => index > 0 && word.includes('='));
  const [name = '', ...columns] = first < 0 ? words : words.slice(0, first);
  if (/[:=*]/.test(name))
    throw new Error(`${quoted(name)} is no zone of a list (write ZONE MASK ACTION, with blanks between)`);
  const options = first < 0 ? [] : words.slice(first);
  const plain = options.find((option) => !option.includes('='));
  if (plain !== undefined)
    throw new Error(
      `${quoted(plain)} stands after the options of ${name} (mask and action come before them)`,
    );
  const listLine = parseListLine([name, ...options].join(' '));
  const [masks, action, surplus] = columns;
  if (surplus !== undefined)
    throw new Error(`${quoted(surplus)} is too much for ${listLine.zone} (write ZONE MASK ACTION)`);
  const mask = masks === undefined ? ALL : parseMasks(masks, quoted);
  return {
    ...listLine,
    filter: (code) => (numberOf(code) & mask) !== 0,
    action: action === undefined ? undefined : parseAction(action, quoted),
  };
}

/** Nothing at all, and any number below 0, is every bit: as in qpsmtpd. */
function parseMasks(text: string, quoted: (word: string) => string): number {
  if (!MASKS.test(text))
    throw new Error(
      `${quoted(text)} is no mask (write the numbers of the bits that count, such as 2,8, or -1 for all)`,
    );
  let mask = 0;
  for (const each of text.split(',').map(Number)) mask |= each < 0 ? ALL : each;
  return mask === 0 ? ALL : mask;
}

function parseAction(text: string, quoted: (word: string) => string): Action {
  const action = ACTIONS.find((each) => each === text.toLowerCase());
  if (action === undefined) throw new Error(`${quoted(text)} is no action (write ${ACTIONS.join(', ')})`);
  return action;
}

const numberOf = (code: string): number =>
  (addressOctets(code) ?? []).reduce((number, octet) => (number << 8) | octet, 0);
