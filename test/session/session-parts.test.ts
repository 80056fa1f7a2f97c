/** What a session makes when it is first needed, and what becomes of it. */

import { expect, test } from 'vitest';
import { SessionParts } from '../../host/session/session-parts.ts';

class Parts extends SessionParts {
  over(): void {
    this.closeTasks();
  }

  idle(): void {
    this.dropCommand();
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

test('work begun behind the end of the connection is aborted from the start, if it is the first or not', () => {
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
