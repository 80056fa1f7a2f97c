/**
 * The byte-level core: what it exports is what `bindings/core/wasm-core.ts` calls.
 *
 * Numbers in, numbers out. Addresses are in `layout.ts`, the words in the tables in `words.ts`. Nothing is imported,
 * nothing is allocated, and no input can make a call trap: positions never leave the regions they belong to.
 */

export { scanChunk } from './chunk';
export { scanCommands } from './commands';
export { openSlot, scanData } from './data';
export { decodeDns } from './dns';
export { indexHeader } from './headers';
export { scanHosts } from './hosts';
export { foldLineEnds } from './line-ends';
