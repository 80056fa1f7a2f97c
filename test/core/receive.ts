/** Hosts in miniature: they cut input into chunks and put the results together as a real host does. */
import { HOSTS_BEGIN, HostWord, MAX_HOST_RUN, type Core } from '../../bindings/core.ts';
import type { DataVerdict } from './data-oracle.ts';
import {
  contentOf,
  observeCommands,
  observeData,
  observeHosts,
  type CommandsObservation,
} from './observe.ts';

/** Chunks of `input` between the ascending positions in `cuts`. */
export function cutAt(input: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  return [...cuts, input.length].map((cut, index) => input.subarray(index === 0 ? 0 : cuts[index - 1], cut));
}

/** Feeds mail data chunk by chunk, window by window. */
export function receiveData(core: Core, chunks: readonly Uint8Array[]): DataVerdict {
  const slot = core.openData();
  const content: Uint8Array[] = [];
  let end = -1;
  let read = 0;
  let last = { flags: 0, octets: 0, longest: 0 };
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.length && end === -1;) {
      const call = observeData(core, slot, chunk, from);
      content.push(contentOf(call, chunk, from));
      from += call.consumed;
      read += call.consumed;
      if (call.ended) end = read;
      last = call;
    }
  }
  core.closeData(slot);
  const { flags, octets, longest } = last;
  return { content: Buffer.concat(content).latin1Slice(), flags, octets, longest, end };
}

/** One command line at its place in the whole input, with its parameters. */
export interface ReceivedCommand {
  /** Where the call began that saw the line; the positions in `record` count from here. */
  readonly base: number;
  readonly record: readonly number[];
  readonly parameters: readonly (readonly number[])[];
}

export interface ReceivedCommands {
  readonly commands: readonly ReceivedCommand[];
  /** Octets of the unfinished line at the end. */
  readonly rest: number;
}

/** Feeds command lines chunk by chunk; an unfinished line is put in front of the next chunk. */
export function receiveCommands(core: Core, chunks: readonly Uint8Array[]): ReceivedCommands {
  const commands: ReceivedCommand[] = [];
  let kept: Uint8Array = new Uint8Array(0);
  let base = 0;
  for (const chunk of chunks) {
    const octets: Uint8Array = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
    let from = 0;
    for (;;) {
      const seen = observeCommands(core, octets, from);
      for (const command of splitRecords(seen)) commands.push({ base: base + from, ...command });
      from += seen.consumed;
      if (seen.consumed === 0) break;
    }
    base += from;
    kept = octets.subarray(from);
  }
  return { commands, rest: kept.length };
}

function splitRecords(seen: CommandsObservation): Omit<ReceivedCommand, 'base'>[] {
  return seen.records.map((record) => {
    const [first = 0, count = 0] = record.slice(-2);
    return { record, parameters: seen.parameters.slice(first, first + count) };
  });
}

/** Records of `hosts` over all chunks, at their places in the whole text; what has not ended is put in front of the next chunk. */
export function receiveHosts(core: Core, chunks: readonly Uint8Array[]): readonly (readonly number[])[] {
  const records: number[][] = [];
  let kept: Uint8Array = new Uint8Array(0);
  let base = 0;
  let state: number = HOSTS_BEGIN;
  for (const [index, chunk] of chunks.entries()) {
    const octets: Uint8Array = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
    const isEnd = index === chunks.length - 1;
    let from = 0;
    for (;;) {
      const seen = observeHosts(core, octets, from, state, isEnd);
      for (const record of seen.records) {
        const placed = [...record];
        placed[HostWord.from]! += base + from;
        placed[HostWord.to]! += base + from;
        records.push(placed);
      }
      from += seen.consumed;
      state = seen.state;
      if (seen.consumed === 0) break;
    }
    kept = octets.subarray(from);
    if (kept.length > MAX_HOST_RUN) throw new Error(`${kept.length} octets are kept`);
    base += from;
  }
  if (kept.length > 0) throw new Error('the end was not read');
  return records;
}
