/** Everything a core says, copied out of its tables so that two of them can be compared field by field. */
import {
  COMMAND_WORDS,
  CommandWord,
  DNS_MALFORMED,
  DNS_WORDS,
  DnsWord,
  FIELD_WORDS,
  HOST_WORDS,
  HostWord,
  PARAMETER_WORDS,
  type Core,
  type Slot,
} from '../../bindings/core.ts';

export interface CommandsObservation {
  readonly consumed: number;
  /** The words that the contract names, of each record. */
  readonly records: readonly (readonly number[])[];
  readonly parameters: readonly (readonly number[])[];
}

const NAMED_COMMAND_WORDS = Object.keys(CommandWord).length;

export function observeCommands(core: Core, chunk: Uint8Array, from: number): CommandsObservation {
  const count = core.commands(chunk, from);
  const records: number[][] = [];
  let parameterCount = 0;
  for (let index = 0; index < count; index++) {
    const start = index * COMMAND_WORDS;
    const record = [...core.records.subarray(start, start + NAMED_COMMAND_WORDS)];
    parameterCount += record[CommandWord.parameterCount]!;
    records.push(record);
  }
  return {
    consumed: core.consumed,
    records,
    parameters: rows(core.parameters, parameterCount, PARAMETER_WORDS),
  };
}

export interface DataObservation {
  readonly ended: boolean;
  readonly consumed: number;
  readonly carriedCr: boolean;
  readonly contentEnd: number;
  readonly drops: readonly number[];
  readonly flags: number;
  readonly octets: number;
  readonly longest: number;
}

export function observeData(core: Core, slot: Slot, chunk: Uint8Array, from: number): DataObservation {
  const ended = core.data(slot, chunk, from);
  return {
    ended,
    consumed: core.consumed,
    carriedCr: core.carriedCr,
    contentEnd: core.contentEnd,
    drops: [...core.drops.subarray(0, core.dropCount)],
    flags: core.dataFlags(slot),
    octets: core.dataOctets(slot),
    longest: core.longestLine(slot),
  };
}

/** The content that one `data` call contributes, put together as the contract says. */
export function contentOf(call: DataObservation, chunk: Uint8Array, from: number): Uint8Array {
  const parts: Uint8Array[] = call.carriedCr ? [Uint8Array.of(0x0d)] : [];
  let at = 0;
  for (const drop of call.drops) {
    if (drop < at || drop >= call.contentEnd) throw new Error(`drop ${drop} out of order or range`);
    parts.push(chunk.subarray(from + at, from + drop));
    at = drop + 1;
  }
  parts.push(chunk.subarray(from + at, from + call.contentEnd));
  return Buffer.concat(parts);
}

export interface HeadersObservation {
  readonly fields: readonly (readonly number[])[];
  readonly bodyOffset: number;
  readonly flags: number;
}

export function observeHeaders(core: Core, block: Uint8Array): HeadersObservation {
  const count = core.headers(block);
  return {
    fields: rows(core.fields, count, FIELD_WORDS),
    bodyOffset: core.bodyOffset,
    flags: core.headerFlags,
  };
}

export interface DnsObservation {
  /** The words that the contract names, of each record. */
  readonly records: readonly (readonly number[])[];
  readonly names: readonly string[];
  readonly flags: number;
  readonly code: number;
  readonly questionType: number;
  readonly questionEnd: number;
  readonly negativeTtl: number;
}

const NAMED_DNS_WORDS = Object.keys(DnsWord).length;

/** Undefined for a malformed reply, of which nothing else may be asked. */
export function observeDns(core: Core, message: Uint8Array): DnsObservation | undefined {
  const count = core.dns(message);
  if (count === DNS_MALFORMED) return undefined;
  return {
    records: rows(core.dnsRecords, count, DNS_WORDS).map((row) => row.slice(0, NAMED_DNS_WORDS)),
    names: Array.from({ length: core.dnsNames }, (_, number) => core.dnsName(number)),
    flags: core.dnsFlags,
    code: core.dnsCode,
    questionType: core.dnsQuestionType,
    questionEnd: core.dnsQuestionEnd,
    negativeTtl: core.dnsNegativeTtl,
  };
}

export interface HostsObservation {
  /** The words that the contract names, of each record. */
  readonly records: readonly (readonly number[])[];
  readonly consumed: number;
  readonly state: number;
}

const NAMED_HOST_WORDS = Object.keys(HostWord).length;

export function observeHosts(
  core: Core,
  chunk: Uint8Array,
  from: number,
  state: number,
  isEnd: boolean,
): HostsObservation {
  const count = core.hosts(chunk, from, state, isEnd);
  return {
    records: rows(core.hostRecords, count, HOST_WORDS).map((row) => row.slice(0, NAMED_HOST_WORDS)),
    consumed: core.consumed,
    state: core.hostState,
  };
}

function rows(table: Int32Array, count: number, words: number): number[][] {
  return Array.from({ length: count }, (_, index) => [...table.subarray(index * words, (index + 1) * words)]);
}
