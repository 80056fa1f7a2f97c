/**
 * The core in plain TypeScript, written for the reader.
 *
 * It serves where WebAssembly cannot be had, and it is what the compiled core is compared with, octet by octet, in
 * tests and fuzzing. So it takes other ways to the same results where it can: a state per octet instead of bit
 * arithmetic, regular expressions instead of class tables.
 */

import {
  COMMAND_WORDS,
  DNS_WORDS,
  FIELD_WORDS,
  HOST_WORDS,
  MAX_COMMANDS,
  MAX_DNS_RECORDS,
  MAX_HEADER_FIELDS,
  MAX_HOSTS,
  MAX_PARAMETERS,
  PARAMETER_WORDS,
  WINDOW,
  type Core,
  type Slot,
  DataFlag,
  DNS_MALFORMED,
} from '../contract.ts';
import { SlotList } from '../slot-list.ts';
import { splitCommands } from './commands.ts';
import { DataScan } from './data-scan.ts';
import { NO_REPLY, readReply, type DnsReading } from './dns.ts';
import { indexHeader } from './headers.ts';
import { findHosts } from './hosts.ts';

const LF = 0x0a;
const CR = 0x0d;
const HIGHEST_ASCII = 0x7f;
const NONE = -2;
/** Lines are counted up to this length. */
const LINE_LIMIT = 2 ** 30;
/** The CR stands before the block. */
const BEFORE = -1;

/**
 * What the chunks of BDAT contain, as `DataFlag`s: an octet at a time. RFC 3030 section 2: no dots are stuffed and none ends
 * anything. A CR at the very end of what was scanned is none of the bare ones yet.
 */
export class ChunkScan {
  octets = 0;
  flags = 0;
  /** Octets of the line that has not ended, a CR at its end included. */
  #line = 0;
  #longest = 0;
  #endsInCr = false;

  scan(block: Uint8Array): void {
    const { length } = block;
    let flags = this.flags;
    let lineStart = -this.#line;
    let cr = this.#endsInCr ? BEFORE : NONE;
    let all = 0;
    for (let at = 0; at < length; at++) {
      const octet = block[at]!;
      all |= octet;
      if (octet > CR) continue;
      if (octet === LF) {
        const isCrLf = cr !== NONE && cr === at - 1;
        if (!isCrLf) flags |= cr === NONE ? DataFlag.BareLf : DataFlag.BareLf | DataFlag.BareCr;
        this.#longest = Math.max(this.#longest, (isCrLf ? at - 1 : at) - lineStart);
        lineStart = at + 1;
        cr = NONE;
      } else if (octet === CR) {
        if (cr !== NONE) flags |= DataFlag.BareCr;
        cr = at;
      } else if (octet === 0) flags |= DataFlag.Nul;
    }
    if (length === 0) return;
    this.#endsInCr = cr === length - 1;
    if (cr !== NONE && !this.#endsInCr) flags |= DataFlag.BareCr;
    this.flags = all > HIGHEST_ASCII ? flags | DataFlag.EightBit : flags;
    this.#line = Math.min(length - lineStart, LINE_LIMIT);
    this.octets += length;
  }

  /** Octets of the longest line without its line end, the unfinished last one included. */
  get longestLine(): number {
    return Math.max(this.#longest, this.#line - (this.#endsInCr ? 1 : 0));
  }
}

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
  readonly dnsRecords = new Int32Array(MAX_DNS_RECORDS * DNS_WORDS);
  readonly hostRecords = new Int32Array(MAX_HOSTS * HOST_WORDS);
  consumed = 0;
  carriedCr = false;
  contentEnd = 0;
  dropCount = 0;
  bodyOffset = -1;
  headerFlags = 0;
  hostState = 0;
  private reply: DnsReading = NO_REPLY;
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

  hosts(chunk: Uint8Array, from: number, state: number, isEnd: boolean): number {
    const octets = window(chunk, from);
    const isLast = isEnd && from + octets.length === chunk.length;
    const text = Buffer.from(octets.buffer, octets.byteOffset, octets.length).latin1Slice();
    const reading = findHosts(text, state, isLast, this.hostRecords);
    this.consumed = reading.consumed;
    this.hostState = reading.state;
    return reading.count;
  }

  dns(message: Uint8Array): number {
    const reading = readReply(message, this.dnsRecords);
    this.reply = reading ?? NO_REPLY;
    return reading === undefined ? DNS_MALFORMED : reading.count;
  }

  get dnsFlags(): number {
    return this.reply.flags;
  }

  get dnsCode(): number {
    return this.reply.code;
  }

  get dnsQuestionType(): number {
    return this.reply.questionType;
  }

  get dnsQuestionEnd(): number {
    return this.reply.questionEnd;
  }

  get dnsNegativeTtl(): number {
    return this.reply.negativeTtl;
  }

  get dnsNames(): number {
    return this.reply.names.length;
  }

  dnsName(number: number): string {
    return this.reply.names[number]!;
  }

  private scanOf(slot: Slot): DataScan | ChunkScan {
    this.slotList.check(slot);
    return this.chunkScans.get(slot) ?? this.scans.get(slot)!;
  }
}

const window = (chunk: Uint8Array, from: number): Uint8Array => chunk.subarray(from, from + WINDOW);
