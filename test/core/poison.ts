import * as layout from '../../core-wasm/layout.ts';
import type { WasmCore } from '../../bindings/core.ts';

const BAIT = Buffer.from('\r\n.\r\n\n.\n\r\n From:\0\xff>\r\nRCPT TO:<a@b>\r\n//[::1]@.c/', 'latin1');

/**
 * Fills the input regions, their slack included, with octets that would change every result if the core let what
 * lies behind its input matter. `turn` varies which of them comes first.
 */
export function poisonInput(core: WasmCore, length: number, turn: number): void {
  const memory = new Uint8Array(core.records.buffer);
  const bait = BAIT.subarray(turn % BAIT.length);
  for (const input of [layout.INPUT, layout.HEADER_INPUT, layout.DNS_INPUT]) {
    const end = input + Math.min(length + 128, layout.WINDOW + layout.SLACK);
    for (let at = Math.max(input, end - 512); at < end; at += bait.length) {
      memory.set(bait.subarray(0, end - at), at);
    }
  }
}
