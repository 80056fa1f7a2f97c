/**
 * A session's hold on the stream of its intake: taken at the beginning, and let go while TLS is put around the stream. All
 * sessions share the listeners, which find theirs at the stream: most connections say little and last long, and functions
 * of their own would be a good part of what each of them takes.
 */

import type { Duplex } from 'node:stream';
import type { IncomingConnection } from '../intake/incoming-connection.ts';
import { shareReads } from '../intake/shared-reads.ts';

/** What a session wants to hear of its stream. */
export interface StreamEvents {
  receive(chunk: Buffer): void;
  /** Octets that are gone when this returns. Comes instead of `receive` where reads are shared. */
  receiveLent(octets: Buffer): void;
  /** The client has closed its side. */
  end(): void;
  /** The stream is gone. */
  vanish(): void;
}

const holder = Symbol('holder');

type Held = Duplex & { [holder]?: StreamEvents | undefined };

/**
 * Listens to `stream`, which may be gone already. Its errors are for whoever made it: each of them ends in `vanish`. What
 * comes is lent where the stream can do that.
 */
export function gripStream(stream: Held, events: StreamEvents): void {
  stream[holder] = events;
  shareReads(stream, onLent);
  stream.on('data', onData).on('end', onEnd).on('close', onClose);
  if (stream.destroyed) events.vanish();
}

/**
 * Closes the stream behind the last reply. A client that is through closes nothing that we would have to wait for. Of any
 * other one what it still sends is read for a while: octets that nobody reads make the kernel reset the connection, and
 * the last reply would be lost with it.
 */
export function closeStream({ stream, outlivesStream }: IncomingConnection, isThrough: boolean): void {
  if (isThrough && outlivesStream && stream.writableLength === 0) stream.destroy();
  else {
    stream.end();
    stream.resume();
  }
}

/** Leaves the stream to somebody else. Returns how many octets had come that nobody had read; they are dropped. */
export function releaseStream(stream: Held): number {
  stream.pause();
  stream.off('data', onData).off('end', onEnd).off('close', onClose);
  stream[holder] = undefined;
  let dropped = 0;
  for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null) {
    dropped += chunk.length;
  }
  return dropped;
}

function onData(this: Held, chunk: Buffer): void {
  this[holder]?.receive(chunk);
}

function onLent(this: Held, octets: Buffer): void {
  this[holder]?.receiveLent(octets);
}

function onEnd(this: Held): void {
  this[holder]?.end();
}

function onClose(this: Held): void {
  this[holder]?.vanish();
}
