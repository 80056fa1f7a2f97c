/**
 * The way of Haraka's connection object, written anew here: a byte loop finds each line feed, two views are made per
 * line, and every line is handed on by itself. Left out, in its favour: its address grammar, its results and its hooks.
 */

import {
  showField,
  type CommandReader,
  type DataAnswer,
  type DataReader,
  type HeaderReader,
} from './contestant.ts';

const LF = 0x0a;
const DOT = 0x2e;
/** Lines gather up to here and are then put together. */
const GATHERED = 65_536;

/** Calls `take` with each line, its line end included; returns what is left of an unfinished one. */
function eachLine(chunk: Buffer, take: (line: Buffer) => void): Buffer {
  let rest = chunk;
  for (;;) {
    let lf = 0;
    while (lf < rest.length && rest[lf] !== LF) lf++;
    if (lf >= rest.length) return rest;
    const line = rest.subarray(0, lf + 1);
    rest = rest.subarray(lf + 1);
    take(line);
  }
}

export class LineLoopData implements DataReader {
  readonly name = 'line loop';
  readonly way =
    "Haraka's way, re-created: a byte loop, two views a line, lines gathered and joined at 64 KiB";
  #lines: Buffer[] = [];
  #gathered = 0;
  #octets = 0;
  #isEnd = false;

  scan(chunk: Buffer): number {
    const before = this.#octets;
    eachLine(chunk, this.#take);
    return this.#octets - before;
  }

  read(pieces: readonly Buffer[]): DataAnswer {
    this.#lines = [];
    this.#gathered = 0;
    this.#isEnd = false;
    const content: Buffer[] = [];
    let rest = Buffer.alloc(0) as Buffer;
    for (const piece of pieces) {
      rest = eachLine(rest.length > 0 ? Buffer.concat([rest, piece]) : piece, (line) => {
        if (!this.#isEnd) content.push(line[0] === DOT ? line.subarray(1) : line);
        this.#take(line);
        if (this.#isEnd && content.at(-1)?.equals(line.subarray(1)) === true) content.pop();
      });
    }
    return { content: Buffer.concat(content) };
  }

  readonly #take = (line: Buffer): void => {
    if (line.length === 3 && line[0] === DOT && line[1] === 0x0d) {
      this.#isEnd = true;
      return;
    }
    this.#octets += line[0] === DOT ? line.length - 1 : line.length;
    this.#lines.push(line);
    this.#gathered += line.length;
    if (this.#gathered < GATHERED) return;
    Buffer.concat(this.#lines, this.#gathered);
    this.#lines = [];
    this.#gathered = 0;
  };
}

const COMMAND = /^([^ ]*)(?: +(.*?))? *$/;
const PATH = /^(?:from|to): *<([^>]*)> *(.*)$/i;

export class LineLoopCommands implements CommandReader {
  readonly name = 'line loop';
  readonly way =
    "Haraka's way, re-created: a view and a string a line, regular expressions for verb, path and parameters";

  parse(chunk: Buffer): number {
    let count = 0;
    eachLine(chunk, (line) => {
      count++;
      parseLine(line);
    });
    return count;
  }

  read(chunk: Buffer): readonly string[] {
    const shown: string[] = [];
    eachLine(chunk, (line) => shown.push(parseLine(line).join(' ')));
    return shown;
  }
}

/** Verb, address and parameters of a line. */
function parseLine(line: Buffer): string[] {
  const text = line.toString('latin1').replace(/\r?\n$/, '');
  const [, verb = '', argument = ''] = COMMAND.exec(text) ?? [];
  const name = verb.toUpperCase();
  if (name !== 'MAIL' && name !== 'RCPT') return [name];
  const path = PATH.exec(argument);
  if (path === null) return [name];
  const parameters = path[2] === '' ? [] : path[2]!.split(/ +/);
  return [name, path[1]!, ...parameters];
}

export class LineLoopHeaders implements HeaderReader {
  readonly name = 'line loop';
  readonly way =
    "Haraka's way, re-created: a string a line, folded lines joined, a list of values per lower-cased name";

  index(block: Buffer): number {
    return this.#parse(block).length;
  }

  read(block: Buffer): readonly string[] {
    return this.#parse(block).map(([name, value]) => showField(name, value));
  }

  #parse(block: Buffer): (readonly [string, string])[] {
    const texts: string[] = [];
    let isEnd = false;
    eachLine(block, (line) => {
      const text = line.toString('utf8').replace(/\r\n$/, '\n');
      if (isEnd || text === '\n') isEnd = true;
      else if (/^[ \t]/.test(text) && texts.length > 0) texts[texts.length - 1] += text;
      else texts.push(text);
    });
    const byName = new Map<string, string[]>();
    return texts.map((text) => {
      const [, name = '', value = ''] = /^([^\s:]*):\s*([\s\S]*)$/.exec(text) ?? [];
      const values = byName.get(name.toLowerCase());
      if (values === undefined) byName.set(name.toLowerCase(), [value]);
      else values.push(value);
      return [name, value] as const;
    });
  }
}
