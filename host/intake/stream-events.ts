/**
 * How a session hears of its stream. All sessions share the listeners, which find their session at the stream: most connections
 * say little and last long, and listeners of their own would be a good part of what each of them takes.
 *
 * Reads of all sockets go into one buffer where Node allows it. By default Node allocates 64 KiB for every read; for small mail
 * that is a part of what a read costs, and for long messages it keeps the garbage collector busy: that marks the whole heap each
 * time. `net.Socket` has this as its option `onread`, but not for sockets that a server accepted. What the option sets is looked
 * for on the socket by name; where anything is missing or different, sockets go on reading as they did.
 */

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { IncomingConnection } from './incoming-connection.ts';

/** The most that one read brings, as libuv proposes it. */
const READ_OCTETS = 65_536;

/** A callback of `onread` has to be through with the octets when it returns, so one buffer serves all sockets. */
let buffer: Buffer | undefined;

/** Takes octets that are gone when it returns; `this` is the stream they came by. */
export type TakeLent = (this: Duplex, octets: Buffer) => void;

interface ReadingHandle {
  useUserBuffer?: (buffer: Buffer) => void;
}

type Slots = Record<symbol, unknown> & { readonly _handle?: ReadingHandle | null };

/** Where a socket keeps what `onread` sets. */
interface Places {
  readonly into: symbol;
  readonly call: symbol;
  readonly next: symbol;
}

/** Found on the first socket; null if this Node keeps them elsewhere. */
let places: Places | null | undefined;

/** Node calls it as a method of the socket, so all sockets whose octets go to `take` share one. */
type Call = (this: Duplex, octets: number, read: Buffer) => boolean;
let shared: { readonly take: TakeLent; readonly call: Call } | undefined;

/**
 * From the next read on the socket's octets come to `take` and no longer as event 'data'. There is no way back. False,
 * and nothing has changed, if this cannot be done with the stream as it is.
 */
export function shareReads(stream: Duplex, take: TakeLent): boolean {
  if (!(stream instanceof Socket) || stream.constructor !== Socket || stream.readableLength > 0) return false;
  const socket = stream as unknown as Slots;
  if (places === undefined) places = findPlaces(socket);
  if (places === null || socket[places.into] !== null || socket[places.next] !== null) return false;
  if (socket._handle?.useUserBuffer === undefined) return false;
  buffer ??= Buffer.allocUnsafeSlow(READ_OCTETS);
  if (shared?.take !== take) shared = { take, call: callOf(take) };
  socket._handle.useUserBuffer(buffer);
  socket[places.into] = buffer;
  socket[places.call] = shared.call;
  return true;
}

function findPlaces(socket: Slots): Places | null {
  const own = Object.getOwnPropertySymbols(socket);
  const place = (name: string): symbol | undefined => own.find(({ description }) => description === name);
  const [into, call, next] = [place('kBuffer'), place('kBufferCb'), place('kBufferGen')];
  return into === undefined || call === undefined || next === undefined ? null : { into, call, next };
}

const callOf = (take: TakeLent): Call =>
  function (octets, read) {
    take.call(this, octets === read.length ? read : read.subarray(0, octets));
    return !this.isPaused();
  };

/** What a session is told of its stream. */
export interface StreamEvents {
  receive(chunk: Buffer): void;
  /** Octets that are gone when this returns. Comes instead of `receive` where reads are shared. */
  receiveLent(octets: Buffer): void;
  /** The client has closed its side. */
  end(): void;
  /** The stream is gone. */
  vanish(): void;
}

const listener = Symbol('listener');

type ListenedStream = Duplex & { [listener]?: StreamEvents | undefined };

/**
 * Listens to `stream`, which may be gone already. Its errors are for the acceptor that made it: each of them ends in
 * `vanish`. What comes is lent where the stream can do that.
 */
export function listenTo(stream: ListenedStream, events: StreamEvents): void {
  stream[listener] = events;
  shareReads(stream, onLent);
  stream.on('data', onData).on('end', onEnd).on('close', onClose);
  if (stream.destroyed) events.vanish();
}

/**
 * Closes the stream after the last reply. If the client is through, there is nothing to wait for. Else what it still
 * sends is read for a while: unread octets make the kernel reset the connection, and the last reply would be lost with
 * it.
 */
export function closeStream({ stream, outlivesStream }: IncomingConnection, isThrough: boolean): void {
  if (isThrough && outlivesStream && stream.writableLength === 0) stream.destroy();
  else {
    stream.end();
    stream.resume();
  }
}

/** Leaves the stream to another reader, with what it holds. */
export function stopListening(stream: ListenedStream): void {
  stream.pause();
  stream.off('data', onData).off('end', onEnd).off('close', onClose);
  stream[listener] = undefined;
}

/** Reads what the stream holds, and forgets it. Returns how many octets that were. */
export function dropOctets(stream: Duplex): number {
  let dropped = 0;
  for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null) {
    dropped += chunk.length;
  }
  return dropped;
}

function onData(this: ListenedStream, chunk: Buffer): void {
  this[listener]?.receive(chunk);
}

function onLent(this: ListenedStream, octets: Buffer): void {
  this[listener]?.receiveLent(octets);
}

function onEnd(this: ListenedStream): void {
  this[listener]?.end();
}

function onClose(this: ListenedStream): void {
  this[listener]?.vanish();
}
