/** One command line, as positions in the chunk it came in; strings are made on demand. RFC 5321 section 4.1.1. */

import {
  COMMAND_WORDS,
  CommandFlag,
  CommandWord,
  PARAMETER_WORDS,
  Verb,
  type Core,
} from '../../bindings/core/contract.ts';
import type { Parameters } from '../../bindings/plugin/connection.ts';
import { decodeUtf8 } from '../../bindings/wire/international-address.ts';

const EMPTY: Buffer = Buffer.alloc(0);
const NO_PARAMETERS: Parameters = new Map();

export class Command {
  verb: Verb = Verb.Unknown;
  flags = 0;
  /** Octets of the line with its terminator. */
  octets = 0;
  /** Where the next command starts in the chunk. */
  next = 0;
  #chunk: Buffer = EMPTY;
  #line = 0;
  #lineEnd = 0;
  #verbEnd = 0;
  #argument = 0;
  #path = -1;
  #pathEnd = -1;
  #at = -1;
  #parameters: Parameters = NO_PARAMETERS;
  /** The argument as a plugin put it. */
  #rewritten: string | undefined = undefined;
  /** A keyword occurs twice among the parameters of a canonical command. */
  isRepeating = false;

  /** Takes over record `index` of the core's last `commands` call on `chunk` from `base`, before the next call. */
  load(core: Core, index: number, chunk: Buffer, base: number): void {
    const { records } = core;
    const at = index * COMMAND_WORDS;
    this.verb = records[at + CommandWord.verb] as Verb;
    this.flags = records[at + CommandWord.flags]!;
    this.#rewritten = undefined;
    this.#chunk = chunk;
    this.#line = base + records[at + CommandWord.line]!;
    this.#lineEnd = base + records[at + CommandWord.lineEnd]!;
    this.next = base + records[at + CommandWord.next]!;
    this.octets = this.next - this.#line;
    this.#verbEnd = base + records[at + CommandWord.verbEnd]!;
    this.#argument = base + records[at + CommandWord.argument]!;
    if ((this.flags & CommandFlag.Canonical) === 0) {
      this.#parameters = NO_PARAMETERS;
      return;
    }
    this.#path = base + records[at + CommandWord.path]!;
    this.#pathEnd = base + records[at + CommandWord.pathEnd]!;
    const atSign = records[at + CommandWord.at]!;
    this.#at = atSign < 0 ? -1 : base + atSign;
    const count = records[at + CommandWord.parameterCount]!;
    this.#parameters =
      count === 0
        ? NO_PARAMETERS
        : readParameters(core, records[at + CommandWord.firstParameter]!, count, chunk, base);
    this.isRepeating = this.#parameters.size < count;
  }

  /** Lets go of the chunk: of the text of this command nothing is left. */
  release(): void {
    this.#chunk = EMPTY;
    this.#parameters = NO_PARAMETERS;
  }

  /** Octets of the chunk it keeps alive. */
  get chunkOctets(): number {
    return this.#chunk.length;
  }

  /** It is the last in the octets that were read. */
  get isLast(): boolean {
    return this.next === this.#chunk.length;
  }

  /** The whole line without its terminator. */
  get line(): string {
    return this.#chunk.latin1Slice(this.#line, this.#lineEnd);
  }

  /** The verb as written. */
  get verbText(): string {
    return this.#chunk.latin1Slice(this.#line, this.#verbEnd);
  }

  /** What follows the verb and blanks; '' if nothing does. */
  get argument(): string {
    return this.#rewritten ?? this.#chunk.latin1Slice(this.#argument, this.#lineEnd);
  }

  /** The argument, as UTF-8 if it is that. */
  get text(): string {
    const { argument } = this;
    if (this.#rewritten !== undefined || (this.flags & CommandFlag.EightBit) === 0) return argument;
    return decodeUtf8(argument) ?? argument;
  }

  get hasArgument(): boolean {
    return this.#rewritten === undefined ? this.#argument < this.#lineEnd : this.#rewritten !== '';
  }

  /** A plugin reads the argument in its own way: this takes its place. */
  rewrite(argument: string): void {
    this.#rewritten = argument;
  }

  /** MAIL or RCPT of the plain form: `localPart`, `domain` and `parameters` are at hand without further parsing. */
  get isCanonical(): boolean {
    return (this.flags & CommandFlag.Canonical) !== 0;
  }

  /** The path with its brackets, of a canonical command. */
  get path(): string {
    return this.#chunk.latin1Slice(this.#path, this.#pathEnd);
  }

  get localPart(): string {
    return this.#at < 0 ? '' : this.#chunk.latin1Slice(this.#path + 1, this.#at);
  }

  get domain(): string {
    return this.#at < 0 ? '' : this.#chunk.latin1Slice(this.#at + 1, this.#pathEnd - 1);
  }

  get parameters(): Parameters {
    return this.#parameters;
  }
}

/** Keywords in lower case; the last of a repeated keyword wins. */
function readParameters(core: Core, first: number, count: number, chunk: Buffer, base: number): Parameters {
  const table = core.parameters;
  const found = new Map<string, string | undefined>();
  for (let index = first; index < first + count; index++) {
    const at = index * PARAMETER_WORDS;
    const keyword = chunk.latin1Slice(base + table[at]!, base + table[at + 1]!).toLowerCase();
    const from = table[at + 2]!;
    found.set(keyword, from < 0 ? undefined : chunk.latin1Slice(base + from, base + table[at + 3]!));
  }
  return found;
}
