/** What a session makes when it is first needed, and what becomes of it. */

import { Duplex } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { loadCore } from '../../bindings/core.ts';
import { slabPool } from '../../host/message/slab-pool.ts';
import { SessionParts } from '../../host/session/session-parts.ts';

class Parts extends SessionParts {
  over(): void {
    this.closeTasks();
  }

  idle(): void {
    this.dropCommand();
  }

  take(): Buffer | undefined {
    return this.takeUnread();
  }

  release(): void {
    this.releaseInput(Number.POSITIVE_INFINITY);
  }
}

const signalOf = (parts: Parts): AbortSignal => {
  let seen: AbortSignal | undefined;
  parts.tasks.start({ id: 'look-up', lifetime: 'connection' }, (signal) => {
    seen = signal;
  });
  return seen!;
};

test('work begun before the end of the connection is aborted at its end', () => {
  const parts = new Parts();
  const signal = signalOf(parts);
  expect(signal.aborted).toBe(false);
  parts.over();
  expect(signal.aborted).toBe(true);
});

test('work begun after the end of the connection is aborted from the start, if it is the first or not', () => {
  const parts = new Parts();
  parts.over();
  expect([signalOf(parts).aborted, signalOf(parts).aborted]).toEqual([true, true]);
});

test('a part is the same until it is dropped', () => {
  const parts = new Parts();
  const { command, path, unread, contexts, tasks } = parts;
  expect(parts.command).toBe(command);
  expect(parts.path).toBe(path);
  expect(parts.unread).toBe(unread);
  expect(parts.contexts).toBe(contexts);
  expect(parts.tasks).toBe(tasks);
  parts.idle();
  expect(parts.command).not.toBe(command);
});

test('nothing waits in a session that never had to put input aside', () => {
  const parts = new Parts();
  expect(parts.hasUnread).toBe(false);
  expect(parts.unread.isEmpty).toBe(true);
  expect(parts.hasUnread).toBe(false);
});

test('lent input that waits is copied, long reads into memory that serves again once all was read', () => {
  const parts = new Parts();
  const stream = new Duplex({ read: () => undefined });
  const read = Buffer.alloc(65_536, 'VRFY secret\r\n');
  parts.unread.keepLent(read, stream);
  read.fill('x');
  const first = parts.take()!;
  expect(first.latin1Slice(0, 13)).toBe('VRFY secret\r\n');
  expect(first.length).toBe(65_536);
  const { core } = loadCore();
  core.commands(first, 0);
  const { command } = parts;
  command.load(core, 0, first, 0);
  expect(command.argument).toBe('secret');
  const fresh = vi.spyOn(Buffer, 'allocUnsafeSlow');
  parts.release();
  parts.release();
  // Somebody may still know the command: it must not show what the next client says.
  expect(command.argument).toBe('');
  parts.unread.keepLent(read, stream);
  expect(parts.take()!.buffer).toBe(first.buffer);
  expect(fresh).not.toHaveBeenCalled();
  fresh.mockRestore();
  parts.release();
});

test('short lent input, and what comes on top of some that waits, takes no slab', () => {
  const parts = new Parts();
  const stream = new Duplex({ read: () => undefined });
  const taken = vi.spyOn(slabPool, 'take');
  const read = Buffer.alloc(65_536, 'a');
  parts.unread.keepLent(read.subarray(0, 100), stream);
  parts.unread.keepLent(read, stream);
  read.fill('x');
  expect(parts.take()!.equals(Buffer.alloc(65_636, 'a'))).toBe(true);
  expect(taken).not.toHaveBeenCalled();
  taken.mockRestore();
});
