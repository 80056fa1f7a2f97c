/**
 * The core as compiled from `core-wasm/`: one instance with its fixed 4 MiB, its views made once.
 *
 * V8 reserves about 10 GiB of address space for the memory of an instance, so there is one for the process.
 */
import { readFileSync } from 'node:fs';
import * as layout from '../../core-wasm/layout.ts';
import {
  COMMAND_WORDS,
  DNS_WORDS,
  FIELD_WORDS,
  HeaderFlag,
  HOST_WORDS,
  MAX_COMMANDS,
  MAX_DNS_OCTETS,
  MAX_DNS_RECORDS,
  MAX_HEADER_FIELDS,
  MAX_HEADER_OCTETS,
  MAX_HOSTS,
  MAX_PARAMETERS,
  PARAMETER_WORDS,
  WINDOW,
  type Core,
  type Slot,
} from './contract.ts';
import { FIELD_NAMES } from './field-names.ts';
import { SlotList } from './slot-list.ts';

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  scanCommands(input: number, length: number): number;
  openSlot(slot: number): void;
  scanData(slot: number, input: number, length: number): number;
  scanChunk(slot: number, input: number, length: number): void;
  indexHeader(length: number): number;
  decodeDns(length: number): number;
  scanHosts(input: number, length: number, state: number, isEnd: number): number;
  foldLineEnds(length: number): number;
}

/** Chunks up to this size are copied whole even if only their tail is wanted: cheaper than making a view. */
const SMALL_CHUNK = 2048;
/** Most headers end within this; copying more would be for nothing. */
const FIRST_LOOK = 8192;
const CR = 0x0d;
const WORD_SHIFT = 2;

/** The compiled core behind the contract: copies octets in, calls, and hands out views of the result tables. */
export class WasmCore implements Core {
  readonly name = 'wasm';
  readonly records: Int32Array;
  readonly parameters: Int32Array;
  readonly drops: Int32Array;
  readonly fields: Int32Array;
  readonly dnsRecords: Int32Array;
  readonly hostRecords: Int32Array;
  private readonly exports: Exports;
  private readonly octets: Uint8Array;
  /** The same memory, for names. */
  private readonly texts: Buffer;
  private readonly nameTable: Uint32Array;
  private readonly result: Int32Array;
  private readonly slots: Uint32Array;
  private readonly slotList = new SlotList(layout.SLOT_COUNT);

  /** Compiles and instantiates at once. Throws what `WebAssembly` throws where it cannot. */
  constructor(binary: Uint8Array = readFileSync(new URL('../../core-wasm/core.wasm', import.meta.url))) {
    const module = new WebAssembly.Module(binary);
    this.exports = new WebAssembly.Instance(module).exports as Exports;
    const { buffer } = this.exports.memory;
    this.octets = new Uint8Array(buffer);
    this.texts = Buffer.from(buffer);
    this.nameTable = new Uint32Array(
      buffer,
      layout.DNS_NAME_TABLE,
      layout.MAX_DNS_NAMES * layout.DNS_NAME_WORDS,
    );
    this.dnsRecords = new Int32Array(buffer, layout.DNS_RECORDS, MAX_DNS_RECORDS * DNS_WORDS);
    this.hostRecords = new Int32Array(buffer, layout.HOSTS, MAX_HOSTS * HOST_WORDS);
    this.result = new Int32Array(buffer, layout.RESULT, layout.RESULT_WORDS);
    this.records = new Int32Array(buffer, layout.RECORDS, MAX_COMMANDS * COMMAND_WORDS);
    this.parameters = new Int32Array(buffer, layout.PARAMETERS, MAX_PARAMETERS * PARAMETER_WORDS);
    this.drops = new Int32Array(buffer, layout.DROPS, layout.MAX_DROPS);
    this.fields = new Int32Array(buffer, layout.FIELDS, MAX_HEADER_FIELDS * FIELD_WORDS);
    this.slots = new Uint32Array(
      buffer,
      layout.SLOTS,
      (layout.SLOT_COUNT * layout.SLOT_OCTETS) >> WORD_SHIFT,
    );
    this.writeFieldNames();
  }

  commands(chunk: Uint8Array, from: number): number {
    const length = chunk.length - from;
    return this.exports.scanCommands(this.copyIn(chunk, from), length < WINDOW ? length : WINDOW);
  }

  get consumed(): number {
    return this.result[layout.RESULT_CONSUMED]!;
  }

  openData(): Slot {
    const slot = this.slotList.take();
    if (slot !== 0) this.exports.openSlot(slot);
    return slot;
  }

  closeData(slot: Slot): void {
    this.slotList.giveBack(slot);
  }

  data(slot: Slot, chunk: Uint8Array, from: number): boolean {
    this.slotList.check(slot);
    const length = chunk.length - from;
    return this.exports.scanData(slot, this.copyIn(chunk, from), length < WINDOW ? length : WINDOW) !== 0;
  }

  content(slot: Slot, chunk: Uint8Array, from: number, to: number): void {
    this.slotList.check(slot);
    for (let at = from; at < to; at += WINDOW) {
      this.exports.scanChunk(slot, this.copyIn(chunk, at), Math.min(to - at, WINDOW));
    }
  }

  get carriedCr(): boolean {
    return this.result[layout.RESULT_CARRIED_CR] !== 0;
  }

  get contentEnd(): number {
    return this.result[layout.RESULT_CONTENT_END]!;
  }

  get dropCount(): number {
    return this.result[layout.RESULT_DROP_COUNT]!;
  }

  dataFlags(slot: Slot): number {
    return this.slotWord(slot, layout.SLOT_FLAGS);
  }

  dataOctets(slot: Slot): number {
    return (
      this.slotWord(slot, layout.SLOT_OCTETS_HIGH) * 2 ** 32 + this.slotWord(slot, layout.SLOT_OCTETS_LOW)
    );
  }

  longestLine(slot: Slot): number {
    return this.slotWord(slot, layout.SLOT_LONGEST);
  }

  headers(block: Uint8Array): number {
    if (block.length > FIRST_LOOK) {
      const count = this.indexHeader(block.subarray(0, FIRST_LOOK));
      if ((this.headerFlags & HeaderFlag.Unfinished) === 0) return count;
    }
    return this.indexHeader(block.length > MAX_HEADER_OCTETS ? block.subarray(0, MAX_HEADER_OCTETS) : block);
  }

  get bodyOffset(): number {
    return this.result[layout.RESULT_BODY_OFFSET]!;
  }

  get headerFlags(): number {
    return this.result[layout.RESULT_HEADER_FLAGS]!;
  }

  toLf(chunk: Uint8Array): Buffer {
    const folded = Buffer.allocUnsafe(chunk.length);
    let written = 0;
    let at = 0;
    while (at < chunk.length) {
      let end = Math.min(at + WINDOW, chunk.length);
      // A CR at the end of a window waits for the next one, where its LF is in sight.
      if (end < chunk.length && chunk[end - 1] === CR) end--;
      this.octets.set(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end), layout.INPUT);
      const length = this.exports.foldLineEnds(end - at);
      folded.set(this.octets.subarray(layout.OUTPUT, layout.OUTPUT + length), written);
      written += length;
      at = end;
    }
    return written === folded.length ? folded : folded.subarray(0, written);
  }

  hosts(chunk: Uint8Array, from: number, state: number, isEnd: boolean): number {
    const length = chunk.length - from;
    const input = this.copyIn(chunk, from);
    return length <= WINDOW
      ? this.exports.scanHosts(input, length, state, isEnd ? 1 : 0)
      : this.exports.scanHosts(input, WINDOW, state, 0);
  }

  get hostState(): number {
    return this.result[layout.RESULT_HOST_STATE]!;
  }

  dns(message: Uint8Array): number {
    const length = Math.min(message.length, MAX_DNS_OCTETS);
    this.octets.set(length === message.length ? message : message.subarray(0, length), layout.DNS_INPUT);
    return this.exports.decodeDns(length);
  }

  get dnsFlags(): number {
    return this.result[layout.RESULT_DNS_FLAGS]!;
  }

  get dnsCode(): number {
    return this.result[layout.RESULT_DNS_CODE]!;
  }

  get dnsQuestionType(): number {
    return this.result[layout.RESULT_DNS_QUESTION_TYPE]!;
  }

  get dnsQuestionEnd(): number {
    return this.result[layout.RESULT_DNS_QUESTION_END]!;
  }

  get dnsNegativeTtl(): number {
    return this.result[layout.RESULT_DNS_NEGATIVE_TTL]!;
  }

  get dnsNames(): number {
    return this.result[layout.RESULT_DNS_NAME_COUNT]!;
  }

  dnsName(number: number): string {
    const row = number * layout.DNS_NAME_WORDS;
    return this.texts.latin1Slice(this.nameTable[row], this.nameTable[row + 1]);
  }

  /** Copies what a call may look at; returns the address of the octet at `from`. */
  private copyIn(chunk: Uint8Array, from: number): number {
    const { length } = chunk;
    if (from === 0 ? length <= WINDOW : length <= SMALL_CHUNK) {
      this.octets.set(chunk, layout.INPUT);
      return layout.INPUT + from;
    }
    this.octets.set(chunk.subarray(from, from + WINDOW), layout.INPUT);
    return layout.INPUT;
  }

  private indexHeader(block: Uint8Array): number {
    this.octets.set(block, layout.HEADER_INPUT);
    return this.exports.indexHeader(block.length);
  }

  private slotWord(slot: Slot, word: number): number {
    this.slotList.check(slot);
    return this.slots[((slot * layout.SLOT_OCTETS) >> WORD_SHIFT) + word]!;
  }

  private writeFieldNames(): void {
    const sorted = [...FIELD_NAMES].sort(([a], [b]) => a.length - b.length);
    sorted.forEach(([name, id], row) => {
      const address = layout.FIELD_NAMES + row * layout.FIELD_NAME_OCTETS;
      this.octets.set(Buffer.from(name, 'latin1'), address);
      this.octets[address + layout.FIELD_NAME_OCTETS - 1] = id;
      const index = layout.FIELD_NAME_INDEX + 2 * name.length;
      if (this.octets[index + 1] === 0) this.octets[index] = row;
      this.octets[index + 1]! += 1;
    });
  }
}
