/**
 * Lines of dnsbl_zones, rhsbl_zones, uribl_zones and whitelist_zones: `ZONE`, `ZONE:TEXT` or `ZONE TEXT` as qpsmtpd has them, and
 * `ZONE=CODES*WEIGHT OPTION=VALUE ... :TEXT`.
 */

import { nearest } from '../../bindings/lists/index.ts';
import { MAX_NAME } from '../../bindings/wire/dns-name.ts';
import { canonicalDomain } from '../../bindings/wire/domain-name.ts';
import { parseCodeFilter, type CodeFilter } from './return-codes.ts';
import { ZONE_FORMATS } from './zone-files/zone-entries.ts';

export interface ListLine {
  /** In A-labels, without the key. */
  readonly zone: string;
  /** The codes that count. Undefined: all. */
  readonly filter: CodeFilter | undefined;
  /** What a listing adds to the score; never 0. */
  readonly weight: number;
  /** What the client is told in place of the list's own text, with its placeholders. */
  readonly text: string | undefined;
  readonly options: ListLineOptions;
}

export type ListLineOptions = Partial<Readonly<Record<ListOption, string>>>;

/** What may stand between zone and text, and what each value has to look like. */
const OPTIONS = {
  key: /^[\w-]{1,63}(?:\.[\w-]{1,63}){0,3}$/,
  'key-file': /^\S+$/,
  family: /^(?:4|6|both)$/,
  test: /^(?:yes|no)$/,
  file: /^[^\s,]+(?:,[^\s,]+)*$/,
  format: new RegExp(`^(?:${ZONE_FORMATS.join('|')})$`),
} as const;
type ListOption = keyof typeof OPTIONS;

const HOW: Readonly<Record<ListOption, string>> = {
  key: 'write the key as your contract has it: letters, digits, - and _, in labels parted by dots',
  'key-file': 'write the path of a file that nobody but the daemon may read',
  family: 'write 4, 6 or both',
  test: 'write yes or no',
  file: 'write the path of a zone file, or several with commas between them',
  format: `write one of ${ZONE_FORMATS.join(', ')}`,
};

/** Options of lists in the DNS; a file of one's own needs none of them. */
const FOR_DNS: readonly ListOption[] = ['key', 'key-file', 'family', 'test'];

const MAX_WEIGHT = 1_000_000;
const ZONE = /^(?:[\w-]{1,63}\.)*[\w-]{1,63}$/;

/** Throws an Error that says what is wrong and what to write. It never quotes a key. */
export function parseListLine(line: string): ListLine {
  const [, head = '', colon, afterHead = ''] = /^([^\s:]*)\s*(:?)\s*(.*)$/s.exec(line.trim()) ?? [];
  const [, name = '', filter, weight = '1'] = /^([^=*]*)(?:=([^*]*))?(?:\*(.*))?$/s.exec(head) ?? [];
  if (STRAY_KEY.test(head)) throw new Error('there is no zone in front of the key');
  const zone = zoneOf(name);
  const { options, text } = colon === ':' ? { options: {}, text: afterHead } : readOptions(afterHead);
  if (options.key !== undefined && options['key-file'] !== undefined)
    throw new Error(`${zone} has a key and a key-file (leave one of them out)`);
  if (STRAY_KEY.test(text))
    throw new Error(
      `the key of ${zone} stands in the text (write a blank in front of \`key=\`, and none in it)`,
    );
  checkFile(zone, options);
  return {
    zone,
    filter: filter === undefined ? undefined : parseCodeFilter(filter),
    weight: weightOf(weight),
    text: text === '' ? undefined : text,
    options,
  };
}

/** A key that is taken for something else would be read by every client that is refused, or by the readers of the log. */
const STRAY_KEY = /^key(?:-file)?(?:\s*=|\s+\S+$)/i;

function checkFile(zone: string, options: ListLineOptions): void {
  const { file, format } = options;
  if (file === undefined && format === undefined) return;
  if (format === undefined)
    throw new Error(`the file of ${zone} has no format (write format=ip4set, or what else it is)`);
  if (file === undefined) throw new Error(`${zone} has a format and no file (write file=PATH)`);
  const needless = FOR_DNS.find((option) => options[option] !== undefined);
  if (needless !== undefined)
    throw new Error(`option \`${needless}\` is for lists in the DNS, and ${zone} is a file (leave it out)`);
}

function zoneOf(name: string): string {
  const zone = canonicalDomain(name);
  if (zone === undefined || !ZONE.test(zone) || zone.length > MAX_NAME)
    throw new Error(`\`${name}\` is no zone of a list (write a name of the DNS, such as zen.example.net)`);
  return zone;
}

function weightOf(text: string): number {
  const weight = /^-?\d{1,7}$/.test(text) ? Number(text) : 0;
  if (weight === 0 || Math.abs(weight) > MAX_WEIGHT)
    throw new Error(`\`*${text}\` is no weight (write *2 for a blocklist, *-2 for an allow list, 0 is none)`);
  return weight;
}

/** Options first, text after them. A text that looks like an option begins with a colon. */
function readOptions(rest: string): { options: ListLineOptions; text: string } {
  const options: Partial<Record<ListOption, string>> = {};
  let left = rest;
  for (;;) {
    const [whole, name = '', value = ''] = /^([\w-]+)=([^\s:]*)(?:\s+|(?=:)|$)/.exec(left) ?? [];
    if (whole === undefined) return { options, text: left.replace(/^:\s*/, '') };
    const option = requireOption(name);
    if (options[option] !== undefined) throw new Error(`option \`${option}\` is given twice`);
    if (!OPTIONS[option].test(value))
      throw new Error(`option \`${option}\` has no good value (${HOW[option]})`);
    options[option] = value;
    left = left.slice(whole.length);
  }
}

function requireOption(name: string): ListOption {
  const known = Object.keys(OPTIONS) as ListOption[];
  const option = known.find((each) => each === name);
  if (option !== undefined) return option;
  const meant = nearest(name, known);
  throw new Error(
    `unknown option \`${name}\`${meant === undefined ? '' : `, did you mean \`${meant}\`?`} (it takes ${known.join(', ')}; a text that looks like one begins with a colon)`,
  );
}
