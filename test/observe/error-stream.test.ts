/** The standard error stream, and the time in front of its lines. */

import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { isJournal } from '../../host/observe/error-stream.ts';
import { TestServer } from '../../host/testing/index.ts';

test('the journal is told by the stream, not by the variable alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'journal-'));
  const descriptor = openSync(join(folder, 'stream'), 'w');
  try {
    const { dev, ino } = fstatSync(descriptor);
    expect(isJournal(`${dev}:${ino}`, descriptor)).toBe(true);
    expect(isJournal(`${dev}:${ino + 1}`, descriptor)).toBe(false);
    expect(isJournal(undefined, descriptor)).toBe(false);
  } finally {
    closeSync(descriptor);
    rmSync(folder, { recursive: true });
  }
});

test('the built-in log has the time, too', async () => {
  const lines: string[] = [];
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(String(line)) > 0);
  vi.stubEnv('JOURNAL_STREAM', undefined);
  try {
    const server = await TestServer.start({ config: { loglevel: '5' } });
    await server.greeted();
    await server.close();
  } finally {
    spy.mockRestore();
    vi.unstubAllEnvs();
  }
  const line = lines.find((text) => text.includes('Connection from'));
  expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d+ \[\S+\] Connection from /);
});
