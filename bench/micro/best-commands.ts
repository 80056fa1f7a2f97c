/** The best this project could do for command lines in JavaScript alone: one pass over the octets, the core's tables. */

import {
  COMMAND_WORDS,
  CommandFlag,
  CommandWord,
  MAX_COMMANDS,
  MAX_PARAMETERS,
  PARAMETER_WORDS,
  Verb,
  WINDOW,
} from '../../bindings/core.ts';
import type { CommandReader } from './contestant.ts';
import { readRecords } from './core-contestants.ts';
import { EnvelopeParser } from './envelope-parser.ts';

const HT = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const UPPER = 0xdf;

/** What an octet adds to the flags of its line. */
const FLAGS_OF = Uint8Array.from({ length: 256 }, (_, octet) => {
  if (octet >= 0x80) return CommandFlag.EightBit;
  if (octet === 0) return CommandFlag.Nul;
  if (octet === CR) return CommandFlag.BareCr;
  return (octet < SP && octet !== HT) || octet === 0x7f ? CommandFlag.Control : 0;
});

const pack = (word: string): number =>
  (word.charCodeAt(0) << 24) | (word.charCodeAt(1) << 16) | (word.charCodeAt(2) << 8) | word.charCodeAt(3);

const NAMED = Object.entries(Verb).filter(([name]) => name !== 'Unknown');
/** Verbs of four letters by their letters; almost every command has one. */
const SHORT_VERBS = new Map(
  NAMED.filter(([name]) => name.length === 4).map(([name, verb]) => [pack(name.toUpperCase()), verb]),
);
const OTHER_VERBS = new Map(
  NAMED.filter(([name]) => name.length !== 4).map(([name, verb]) => [name.toUpperCase(), verb]),
);

export class BestCommands implements CommandReader {
  readonly name = 'best JavaScript';
  readonly way = 'one pass over the octets into the same tables of numbers, no string';
  readonly records = new Int32Array(MAX_COMMANDS * COMMAND_WORDS);
  readonly parameters = new Int32Array(MAX_PARAMETERS * PARAMETER_WORDS);
  consumed = 0;
  readonly #envelope = new EnvelopeParser(this.parameters);

  /** As `Core.commands`. */
  commands(chunk: Uint8Array, from: number): number {
    const octets = from === 0 ? chunk : chunk.subarray(from);
    const length = Math.min(octets.length, WINDOW);
    let count = 0;
    let line = 0;
    let parameters = 0;
    while (count < MAX_COMMANDS) {
      const added = this.#readLine(octets, line, length, count, parameters);
      if (added < 0) break;
      parameters += added;
      line = this.records[count * COMMAND_WORDS + CommandWord.next]!;
      count++;
    }
    this.consumed = line;
    return count;
  }

  parse(chunk: Buffer): number {
    let count = 0;
    let from = 0;
    while (from < chunk.length) {
      const found = this.commands(chunk, from);
      if (found === 0) break;
      count += found;
      from += this.consumed;
    }
    return count;
  }

  read(chunk: Buffer): readonly string[] {
    return readRecords(chunk, this);
  }

  /** Fills a record; returns how many parameters it has, -1 if the line is not whole or the table is full. */
  #readLine(octets: Uint8Array, line: number, length: number, index: number, firstParameter: number): number {
    let flags = 0;
    let verbEnd = -1;
    let at = line;
    let octet = 0;
    for (; at < length && (octet = octets[at]!) !== LF; at++) {
      flags |= FLAGS_OF[octet]!;
      if (verbEnd < 0 && (octet === SP || octet === HT)) verbEnd = at;
    }
    if (at >= length) return -1;
    const endsInCr = at > line && octets[at - 1] === CR;
    const lineEnd = endsInCr ? at - 1 : at;
    flags = this.#correctFlags(octets, line, lineEnd, flags, endsInCr);
    if (verbEnd < 0) verbEnd = lineEnd;
    let argument = verbEnd;
    while (argument < lineEnd && (octets[argument] === SP || octets[argument] === HT)) argument++;
    const verb = findVerb(octets, line, verbEnd);

    const envelope = this.#envelope;
    let isPlain = false;
    if (verb === Verb.Mail || verb === Verb.Rcpt) {
      isPlain = envelope.parse(octets, argument, lineEnd, verb === Verb.Mail, firstParameter);
      if (envelope.isTableFull && firstParameter > 0) return -1;
    }
    const { records } = this;
    const base = index * COMMAND_WORDS;
    records[base + CommandWord.verb] = verb;
    records[base + CommandWord.flags] = isPlain ? flags | CommandFlag.Canonical : flags;
    records[base + CommandWord.line] = line;
    records[base + CommandWord.lineEnd] = lineEnd;
    records[base + CommandWord.next] = at + 1;
    records[base + CommandWord.verbEnd] = verbEnd;
    records[base + CommandWord.argument] = argument;
    records[base + CommandWord.path] = isPlain ? envelope.path : -1;
    records[base + CommandWord.pathEnd] = isPlain ? envelope.pathEnd : -1;
    records[base + CommandWord.at] = isPlain ? envelope.at : -1;
    records[base + CommandWord.firstParameter] = firstParameter;
    records[base + CommandWord.parameterCount] = isPlain ? envelope.parameterCount : 0;
    return isPlain ? envelope.parameterCount : 0;
  }

  /** The CR of the line end was counted as a bare one: look again only then. */
  #correctFlags(octets: Uint8Array, line: number, lineEnd: number, flags: number, endsInCr: boolean): number {
    if (!endsInCr) return flags | CommandFlag.BareLf;
    const cr = octets.indexOf(CR, line);
    return cr === lineEnd ? flags & ~CommandFlag.BareCr : flags;
  }
}

function findVerb(octets: Uint8Array, from: number, to: number): Verb {
  const length = to - from;
  if (length === 4) {
    const letters =
      ((octets[from]! & UPPER) << 24) |
      ((octets[from + 1]! & UPPER) << 16) |
      ((octets[from + 2]! & UPPER) << 8) |
      (octets[from + 3]! & UPPER);
    return SHORT_VERBS.get(letters) ?? Verb.Unknown;
  }
  if (length < 4 || length > 8) return Verb.Unknown;
  return OTHER_VERBS.get(String.fromCharCode(...octets.subarray(from, to)).toUpperCase()) ?? Verb.Unknown;
}
