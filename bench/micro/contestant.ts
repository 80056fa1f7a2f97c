/** What a contestant of the micro benchmarks can do, and what it must answer before it is timed. */

/** One way to do a piece of work. */
interface Contestant {
  /** Short, for tables: `wasm`. */
  readonly name: string;
  /** What it does and whose way that is, for the report. */
  readonly way: string;
}

/** What a reader made of a message of mail data. */
export interface DataAnswer {
  /** The content with the dots of dot-stuffing taken out, without the end of data. */
  readonly content: Buffer;
  /** Flags, longest line and count of octets, of those that apply the whole policy. */
  readonly findings?: { readonly flags: number; readonly longestLine: number; readonly octets: number };
}

/** Finds content, stuffed dots and the end in mail data (RFC 5321 section 4.5.2). */
export interface DataReader extends Contestant {
  /** Timed. A chunk from the middle of a message, which begins and ends with a whole line; returns octets of content. */
  scan(chunk: Buffer): number;
  /** Checked. A whole message in pieces, its end of data included. */
  read(pieces: readonly Buffer[]): Promise<DataAnswer> | DataAnswer;
}

/** Finds verbs, paths and parameters in command lines. */
export interface CommandReader extends Contestant {
  /** Timed. Whole command lines; returns how many there were. */
  parse(chunk: Buffer): number;
  /** Checked. One text a command: verb, address, and parameters in their order, parted by blanks. */
  read(chunk: Buffer): readonly string[];
}

/** Finds the fields of a header (RFC 5322 section 2.2). */
export interface HeaderReader extends Contestant {
  /** Timed. Returns the number of fields. */
  index(block: Buffer): number;
  /** Checked. `name: value` a field, the name in lower case, blanks and folds as one blank. */
  read(block: Buffer): readonly string[];
}

/** Finds what looks like host names in text. */
export interface HostReader extends Contestant {
  /** Timed. Returns how many there are. */
  find(text: Buffer): number;
  /** Checked. One text a name. */
  read(text: Buffer): readonly string[];
}

/** The form in which header fields are compared. */
export const showField = (name: string, value: string): string =>
  `${name.toLowerCase()}: ${value.replace(/[ \t\r\n]+/g, ' ').trim()}`;

/** Puts the pieces of content together that a reader with positions reports. */
export class ContentParts {
  readonly #parts: Buffer[] = [];

  add(chunk: Buffer, contentEnd: number, drops: Int32Array, dropCount: number): void {
    let from = 0;
    for (let index = 0; index < dropCount; index++) {
      this.#parts.push(chunk.subarray(from, drops[index]));
      from = drops[index]! + 1;
    }
    this.#parts.push(chunk.subarray(from, contentEnd));
  }

  addCr(): void {
    this.#parts.push(Buffer.from('\r'));
  }

  whole(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
