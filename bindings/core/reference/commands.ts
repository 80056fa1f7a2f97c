import { COMMAND_WORDS, CommandFlag, CommandWord, MAX_COMMANDS, Verb } from '../contract.ts';
import { readEnvelope } from './envelope.ts';

const HT = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const DELETE = 0x7f;

const VERBS = new Map<string, Verb>(
  Object.entries(Verb)
    .filter(([name]) => name !== 'Unknown')
    .map(([name, verb]) => [name.toUpperCase(), verb]),
);
const MAX_VERB = 8;

export interface CommandSplit {
  readonly count: number;
  readonly consumed: number;
}

/** Splits `octets` into complete command lines (RFC 5321 section 2.4); see `Core.commands`. */
export function splitCommands(octets: Uint8Array, records: Int32Array, parameters: Int32Array): CommandSplit {
  let count = 0;
  let consumed = 0;
  let parameterCount = 0;
  while (count < MAX_COMMANDS) {
    const lf = octets.indexOf(LF, consumed);
    if (lf === -1) break;
    const record = records.subarray(count * COMMAND_WORDS, (count + 1) * COMMAND_WORDS);
    const added = readLine(octets, { from: consumed, lf }, record, parameters, parameterCount);
    if (added === 'table full') break;
    parameterCount += added;
    consumed = lf + 1;
    count++;
  }
  return { count, consumed };
}

/** Fills one record; returns how many parameters it added, or that another call has to begin with this line. */
function readLine(
  octets: Uint8Array,
  { from, lf }: { readonly from: number; readonly lf: number },
  record: Int32Array,
  parameters: Int32Array,
  firstParameter: number,
): number | 'table full' {
  const lineEnd = lf > from && octets[lf - 1] === CR ? lf - 1 : lf;
  let verbEnd = from;
  while (verbEnd < lineEnd && !isBlank(octets[verbEnd]!)) verbEnd++;
  let argument = verbEnd;
  while (argument < lineEnd && isBlank(octets[argument]!)) argument++;
  const verb = findVerb(octets.subarray(from, verbEnd));
  let flags = flagsOf(octets.subarray(from, lineEnd)) | (lineEnd === lf ? CommandFlag.BareLf : 0);

  const envelope =
    verb === Verb.Mail || verb === Verb.Rcpt
      ? readEnvelope(octets, { argument, lineEnd, isMail: verb === Verb.Mail }, parameters, firstParameter)
      : undefined;
  if (envelope === 'table full' && firstParameter > 0) return 'table full';
  const plain = envelope === 'table full' ? undefined : envelope;
  if (plain !== undefined) flags |= CommandFlag.Canonical;

  record[CommandWord.verb] = verb;
  record[CommandWord.flags] = flags;
  record[CommandWord.line] = from;
  record[CommandWord.lineEnd] = lineEnd;
  record[CommandWord.next] = lf + 1;
  record[CommandWord.verbEnd] = verbEnd;
  record[CommandWord.argument] = argument;
  record[CommandWord.path] = plain?.path ?? -1;
  record[CommandWord.pathEnd] = plain?.pathEnd ?? -1;
  record[CommandWord.at] = plain?.at ?? -1;
  record[CommandWord.firstParameter] = firstParameter;
  record[CommandWord.parameterCount] = plain?.parameterCount ?? 0;
  return plain?.parameterCount ?? 0;
}

function findVerb(octets: Uint8Array): Verb {
  if (octets.length > MAX_VERB) return Verb.Unknown;
  return VERBS.get(Buffer.from(octets).latin1Slice().toUpperCase()) ?? Verb.Unknown;
}

function flagsOf(line: Uint8Array): number {
  let flags = 0;
  for (const octet of line) {
    if (octet >= SP && octet < DELETE) continue;
    if (octet >= 0x80) flags |= CommandFlag.EightBit;
    else if (octet === 0) flags |= CommandFlag.Nul;
    else if (octet === CR) flags |= CommandFlag.BareCr;
    else if (octet !== HT) flags |= CommandFlag.Control;
  }
  return flags;
}

const isBlank = (octet: number): boolean => octet === SP || octet === HT;
