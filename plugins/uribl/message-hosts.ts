/** The domains and addresses that a message names, found in turns that leave the event loop to others. */

import type { Message } from '../../bindings/plugin/index.ts';
import { Turn } from '../../bindings/timing/turn.ts';
import { HostNameScan } from '../../bindings/wire/index.ts';
import { HostCollection, type CollectionOptions } from './host-collection.ts';
import { readPartHeader } from './media-type.ts';
import { MimeWalk } from './mime-walk.ts';
import { decodeWords } from './encoded-words.ts';

export interface MessageHosts {
  readonly names: readonly string[];
  /** How many there are to choose from. */
  readonly found: number;
  /** Bounds that were met: what is beyond them was not looked at. */
  readonly exceeded: readonly string[];
}

/** What is worked on at a time, before the clock is looked at: a fraction of a millisecond, or a few without WebAssembly. */
const PIECE_OCTETS = 4_096;
const PIECE_NAMES = 16;

export async function messageHosts(
  message: Message,
  options: CollectionOptions & { readonly scansHeader: boolean },
): Promise<MessageHosts> {
  const hosts = new HostCollection(options);
  const scan = new HostNameScan((name, place) => hosts.add(name, place));
  const turn = new Turn();
  if (options.scansHeader) {
    for (const value of headerValues(message)) {
      for (const piece of piecesOf(value)) {
        scan.write(decodeWords(piece));
        await settle(hosts, turn);
      }
      scan.end();
    }
    await settle(hosts, turn);
  }
  const walk = new MimeWalk(
    readPartHeader((name) => message.header.get(name)),
    scan,
  );
  let isFirst = true;
  for await (const block of message.body('lf')) {
    // The first line is the empty one after the header.
    let at = isFirst ? Math.max(block.indexOf(0x0a), 0) + 1 : 0;
    isFirst = false;
    for (; at < block.length; at += PIECE_OCTETS) {
      walk.write(block.subarray(at, at + PIECE_OCTETS));
      await settle(hosts, turn);
    }
    if (walk.isOver || hosts.isFull) break;
  }
  walk.end();
  await settle(hosts, turn);
  const exceeded = [...walk.exceeded, ...(hosts.exceeded === undefined ? [] : [hosts.exceeded])];
  return { names: hosts.names(), found: hosts.found, exceeded };
}

async function settle(hosts: HostCollection, turn: Turn): Promise<void> {
  do await turn.pass();
  while (!hosts.settle(PIECE_NAMES));
}

function* headerValues(message: Message): Iterable<string> {
  for (const name of new Set(message.header.names().map((each) => each.toLowerCase())))
    yield* message.header.all(name);
}

/** A field may be as long as the header; it is cut between words. */
function* piecesOf(value: string): Iterable<string> {
  for (let at = 0; at < value.length;) {
    const blank = value.lastIndexOf(' ', at + PIECE_OCTETS);
    const end = value.length - at > PIECE_OCTETS && blank > at ? blank : at + PIECE_OCTETS;
    yield value.slice(at, end);
    at = end;
  }
}
