import { describe, expect, it } from 'vitest';
import { UniqueNames } from '../../plugins/queue/maildir/delivery.ts';
import { clock } from '../message/folder.ts';

const sources = { clock, pid: 1, host: 'mx.example' };

describe('names of messages in a Maildir', () => {
  it("have qpsmtpd's parts in qpsmtpd's order", () => {
    const names = new UniqueNames({ ...sources, pid: 4711, firstNumber: 7 });
    expect(names.next()).toBe('1795354336.P4711M512000Q7.mx.example');
    expect(names.next()).toBe('1795354336.P4711M512000Q8.mx.example');
  });

  it('hold no slash and no colon, whatever the host is called', () => {
    const names = new UniqueNames({ ...sources, host: 'a/b:c', firstNumber: 0 });
    expect(names.next()).toBe('1795354336.P1M512000Q0.a\\057b\\072c');
  });

  it('differ over 10,000 deliveries of four processes in the same millisecond', () => {
    const processes = [1, 2, 3, 4].map((pid) => new UniqueNames({ ...sources, pid }));
    const all = new Set<string>();
    for (let i = 0; i < 2_500; i++) for (const names of processes) all.add(names.next());
    expect(all.size).toBe(10_000);
  });

  it('differ for a process that gets the pid of one before it, even if the clock stands still', () => {
    const before = new UniqueNames(sources).next();
    const after = new UniqueNames(sources).next();
    expect(after).not.toBe(before);
  });
});
