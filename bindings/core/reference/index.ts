/**
 * The core in plain TypeScript, written for the reader.
 *
 * It serves where WebAssembly cannot be had, and it is what the compiled core is compared with, octet by octet, in
 * tests and fuzzing. So it takes other ways to the same results where it can: a state per octet instead of bit
 * arithmetic, regular expressions instead of class tables.
 */
import {
  COMMAND_WORDS,
  FIELD_WORDS,
  MAX_COMMANDS,
  MAX_HEADER_FIELDS,
  MAX_PARAMETERS,
  PARAMETER_WORDS,
  WINDOW,
  type Core,
  type Slot,
} from '../contract.ts';
import { SlotList } from '../slot-list.ts';
import { ChunkScan } from './chunk-scan.ts';
import { splitCommands } from './commands.ts';
import { DataScan } from './data-scan.ts';
import { indexHeader } from './headers.ts';

/** As many as the compiled core has. */
const SLOT_COUNT = 32_768;
/** A dropped dot needs a line of four octets. */
const MAX_DROPS = WINDOW / 4;

/** The contract in plain TypeScript; every call gives exactly what `WasmCore` gives. */
export class ReferenceCore implements Core {
  readonly name = 'reference';
  readonly records = new Int32Array(MAX_COMMANDS * COMMAND_WORDS);
  readonly parameters = new Int32Array(MAX_PARAMETERS * PARAMETER_WORDS);
  readonly drops = new Int32Array(MAX_DROPS);
  readonly fields = new Int32Array(MAX_HEADER_FIELDS * FIELD_WORDS);
  consumed = 0;
  carriedCr = false;
  contentEnd = 0;
  dropCount = 0;
  bodyOffset = -1;
  headerFlags = 0;
  private readonly slotList = new SlotList(SLOT_COUNT);
  private readonly scans = new Map<Slot, DataScan>();
  private readonly chunkScans = new Map<Slot, ChunkScan>();

  commands(chunk: Uint8Array, from: number): number {
    const { count, consumed } = splitCommands(window(chunk, from), this.records, this.parameters);
    this.consumed = consumed;
    return count;
  }

  openData(): Slot {
    const slot = this.slotList.take();
    if (slot !== 0) this.scans.set(slot, new DataScan());
    return slot;
  }

  closeData(slot: Slot): void {
    this.scans.delete(slot);
    this.chunkScans.delete(slot);
    this.slotList.giveBack(slot);
  }

  data(slot: Slot, chunk: Uint8Array, from: number): boolean {
    this.slotList.check(slot);
    const scan = this.scans.get(slot)!;
    const span = scan.scan(window(chunk, from), this.drops);
    this.consumed = span.consumed;
    this.carriedCr = span.carriedCr;
    this.contentEnd = span.contentEnd;
    this.dropCount = span.dropCount;
    return scan.isEnded;
  }

  content(slot: Slot, chunk: Uint8Array, from: number, to: number): void {
    this.slotList.check(slot);
    const scan = this.chunkScans.get(slot) ?? new ChunkScan();
    this.chunkScans.set(slot, scan);
    scan.scan(chunk.subarray(from, to));
  }

  dataFlags(slot: Slot): number {
    return this.scanOf(slot).flags;
  }

  dataOctets(slot: Slot): number {
    return this.scanOf(slot).octets;
  }

  longestLine(slot: Slot): number {
    return this.scanOf(slot).longestLine;
  }

  headers(block: Uint8Array): number {
    const { count, bodyOffset, flags } = indexHeader(block, this.fields);
    this.bodyOffset = bodyOffset;
    this.headerFlags = flags;
    return count;
  }

  toLf(chunk: Uint8Array): Buffer {
    return Buffer.from(Buffer.from(chunk).latin1Slice().replaceAll('\r\n', '\n'), 'latin1');
  }

  private scanOf(slot: Slot): DataScan | ChunkScan {
    this.slotList.check(slot);
    return this.chunkScans.get(slot) ?? this.scans.get(slot)!;
  }
}

const window = (chunk: Uint8Array, from: number): Uint8Array => chunk.subarray(from, from + WINDOW);
