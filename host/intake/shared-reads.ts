/**
 * Reads of all busy sockets into one buffer. By default Node allocates 64 KiB for every read; at a gigabyte a second
 * that is what the collector works for, and it marks the whole heap each time.
 *
 * `net.Socket` has this as its option `onread`, but not for sockets that a server accepted. What the option sets is
 * looked for on the socket by name; where anything is missing or different, sockets go on reading as they did.
 */

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** The most that one read brings, as libuv proposes it. */
const READ_OCTETS = 65_536;

/** A callback of `onread` has to be through with the octets when it returns, so one buffer serves all sockets. */
let buffer: Buffer | undefined;

/** Takes octets that are gone when it returns. */
export type TakeLent = (octets: Buffer) => void;

interface ReadingHandle {
  useUserBuffer?: (buffer: Buffer) => void;
}

type Slots = Record<symbol, unknown> & { readonly _handle?: ReadingHandle | null };

/**
 * From the next read on the socket's octets come to `take` and no longer as event 'data'. There is no way back. False,
 * and nothing has changed, if this cannot be done with the stream as it is.
 */
export function shareReads(stream: Duplex, take: TakeLent): boolean {
  if (!(stream instanceof Socket) || stream.constructor !== Socket || stream.readableLength > 0) return false;
  const socket = stream as unknown as Slots;
  const own = Object.getOwnPropertySymbols(socket);
  const slot = (name: string): symbol | undefined => own.find(({ description }) => description === name);
  const [into, call, next] = [slot('kBuffer'), slot('kBufferCb'), slot('kBufferGen')];
  if (into === undefined || call === undefined || next === undefined) return false;
  if (socket[into] !== null || socket[next] !== null || socket._handle?.useUserBuffer === undefined)
    return false;
  buffer ??= Buffer.allocUnsafeSlow(READ_OCTETS);
  socket._handle.useUserBuffer(buffer);
  socket[into] = buffer;
  socket[call] = (octets: number, read: Buffer): boolean => {
    take(octets === read.length ? read : read.subarray(0, octets));
    return !stream.isPaused();
  };
  return true;
}
