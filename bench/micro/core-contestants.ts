/** The project's own cores as contestants: compiled and reference take the same road. */

import {
  COMMAND_WORDS,
  CommandFlag,
  CommandWord,
  FIELD_WORDS,
  FieldWord,
  HOSTS_BEGIN,
  HOST_WORDS,
  HostWord,
  PARAMETER_WORDS,
  WINDOW,
  type Core,
} from '../../bindings/core.ts';
import {
  ContentParts,
  showField,
  type CommandReader,
  type DataAnswer,
  type DataReader,
  type HeaderReader,
  type HostReader,
} from './contestant.ts';

const WAYS = {
  wasm: 'the core in WebAssembly: octets are copied in, positions come back',
  reference: 'the same contract in plain TypeScript, written to be read',
};

export class CoreData implements DataReader {
  readonly name: string;
  readonly way: string;
  readonly #core: Core;
  readonly #slot: number;

  constructor(core: Core) {
    this.#core = core;
    this.name = core.name;
    this.way = WAYS[core.name];
    this.#slot = core.openData();
  }

  scan(chunk: Buffer): number {
    this.#core.data(this.#slot, chunk, 0);
    return this.#core.contentEnd - this.#core.dropCount;
  }

  read(pieces: readonly Buffer[]): DataAnswer {
    const core = this.#core;
    const slot = core.openData();
    const parts = new ContentParts();
    for (const piece of pieces) {
      for (let from = 0; from < piece.length; from += core.consumed) {
        core.data(slot, piece, from);
        if (core.carriedCr) parts.addCr();
        parts.add(piece.subarray(from, from + WINDOW), core.contentEnd, core.drops, core.dropCount);
        if (core.consumed === 0) break;
      }
    }
    const findings = {
      flags: core.dataFlags(slot),
      longestLine: core.longestLine(slot),
      octets: core.dataOctets(slot),
    };
    core.closeData(slot);
    return { content: parts.whole(), findings };
  }
}

/** Calls `use` for each record; answers how many there were. Shared with the best JavaScript, which keeps the same tables. */
export function readRecords(
  chunk: Buffer,
  source: {
    commands(chunk: Uint8Array, from: number): number;
    readonly consumed: number;
    readonly records: Int32Array;
    readonly parameters: Int32Array;
  },
): string[] {
  const shown: string[] = [];
  let from = 0;
  while (from < chunk.length) {
    const count = source.commands(chunk, from);
    if (count === 0) break;
    for (let index = 0; index < count; index++) {
      shown.push(
        showRecord(chunk.subarray(from), source.records.subarray(index * COMMAND_WORDS), source.parameters),
      );
    }
    from += source.consumed;
  }
  return shown;
}

function showRecord(octets: Buffer, record: Int32Array, parameters: Int32Array): string {
  const text = (from: number, to: number): string => octets.latin1Slice(from, to);
  const verb = text(record[CommandWord.line]!, record[CommandWord.verbEnd]!).toUpperCase();
  if ((record[CommandWord.flags]! & CommandFlag.Canonical) === 0) return verb;
  const words = [verb, text(record[CommandWord.path]! + 1, record[CommandWord.pathEnd]! - 1)];
  const first = record[CommandWord.firstParameter]!;
  for (let index = first; index < first + record[CommandWord.parameterCount]!; index++) {
    const [from, to, valueFrom, valueTo] = parameters.subarray(
      index * PARAMETER_WORDS,
    ) as unknown as number[];
    words.push(`${text(from!, to!)}=${text(valueFrom!, valueTo!)}`);
  }
  return words.join(' ');
}

export class CoreCommands implements CommandReader {
  readonly name: string;
  readonly way: string;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    this.name = core.name;
    this.way = WAYS[core.name];
  }

  parse(chunk: Buffer): number {
    let count = 0;
    let from = 0;
    while (from < chunk.length) {
      const found = this.#core.commands(chunk, from);
      if (found === 0) break;
      count += found;
      from += this.#core.consumed;
    }
    return count;
  }

  read(chunk: Buffer): readonly string[] {
    return readRecords(chunk, this.#core);
  }
}

export class CoreHeaders implements HeaderReader {
  readonly name: string;
  readonly way: string;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    this.name = core.name;
    this.way = WAYS[core.name];
  }

  index(block: Buffer): number {
    return this.#core.headers(block);
  }

  read(block: Buffer): readonly string[] {
    return readFields(block, this.#core.headers(block), this.#core.fields);
  }
}

/** The fields of an index as texts to compare. */
export function readFields(block: Buffer, count: number, fields: Int32Array): string[] {
  return Array.from({ length: count }, (_, index) => {
    const field = fields.subarray(index * FIELD_WORDS);
    return showField(
      block.latin1Slice(field[FieldWord.name], field[FieldWord.nameEnd]),
      block.latin1Slice(field[FieldWord.value], field[FieldWord.valueEnd]),
    );
  });
}

export class CoreHosts implements HostReader {
  readonly name: string;
  readonly way: string;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    this.name = core.name;
    this.way = WAYS[core.name];
  }

  find(text: Buffer): number {
    return this.#core.hosts(text, 0, HOSTS_BEGIN, true);
  }

  read(text: Buffer): readonly string[] {
    return Array.from({ length: this.find(text) }, (_, index) => {
      const record = this.#core.hostRecords.subarray(index * HOST_WORDS);
      return text.latin1Slice(record[HostWord.from], record[HostWord.to]);
    });
  }
}
