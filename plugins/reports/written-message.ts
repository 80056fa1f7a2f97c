/** A message that a plugin has written itself, for outlets: in memory, in ASCII. */

import type { Header, LineEnds, Message } from '../../bindings/plugin/index.ts';

type Field = readonly [name: string, value: string];

/** RFC 5322 section 2.2. Nothing that comes from elsewhere may begin a line of its own. */
const printField = ([name, value]: Field): string => `${name}: ${value.replace(/\r?\n(?![ \t])/g, ' ')}`;

export class WrittenMessage implements Message {
  readonly header: Header;
  readonly hasNul = false;
  readonly hasEightBit = false;
  readonly #fields: Field[];
  readonly #body: string;

  /** Lines of `body` end in LF; its octets are below 128. */
  constructor(fields: readonly Field[], body: string) {
    this.#fields = [...fields];
    this.#body = body;
    this.header = new WrittenHeader(this.#fields);
  }

  get octets(): number {
    return this.#print('crlf').length;
  }

  get longestLine(): number {
    return this.#print('lf')
      .split('\n')
      .reduce((longest, { length }) => Math.max(longest, length), 0);
  }

  #print(lineEnds: LineEnds): string {
    const text = `${this.#fields.map(printField).join('\n')}\n\n${this.#body}`;
    return lineEnds === 'lf' ? text : text.replace(/\r?\n/g, '\r\n');
  }

  *blocks(lineEnds: LineEnds): Iterable<Buffer> {
    const text = this.#print(lineEnds);
    for (let from = 0; from < text.length; from += BLOCK)
      yield Buffer.from(text.slice(from, from + BLOCK), 'latin1');
  }

  *body(lineEnds: LineEnds): Iterable<Buffer> {
    const text = `\n${this.#body}`;
    yield Buffer.from(lineEnds === 'lf' ? text : text.replace(/\n/g, '\r\n'), 'latin1');
  }
}

const BLOCK = 65_536;

class WrittenHeader implements Header {
  readonly #fields: Field[];

  constructor(fields: Field[]) {
    this.#fields = fields;
  }

  get(name: string): string | undefined {
    return this.all(name)[0];
  }

  all(name: string): readonly string[] {
    return this.#fields.filter((field) => isNamed(field, name)).map(([, value]) => unfold(value));
  }

  count(name: string): number {
    return this.all(name).length;
  }

  names(): readonly string[] {
    return this.#fields.map(([name]) => name);
  }

  prepend(name: string, value: string): void {
    this.#fields.unshift([name, value]);
  }

  append(name: string, value: string): void {
    this.#fields.push([name, value]);
  }

  remove(name: string): number {
    const before = this.#fields.length;
    const kept = this.#fields.filter((field) => !isNamed(field, name));
    this.#fields.splice(0, before, ...kept);
    return before - kept.length;
  }
}

const isNamed = ([known]: Field, name: string): boolean => known.toLowerCase() === name.toLowerCase();
const unfold = (value: string): string => value.replace(/\r?\n(?=[ \t])/g, '');
