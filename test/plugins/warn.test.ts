import { expect, test, vi } from 'vitest';
import { LogLevel, type LogEvent, type PluginDefinition } from '../../bindings/plugin/index.ts';
import { loggingSinks } from '../../host/hooks/logging.ts';
import { TestServer } from '../../host/testing/index.ts';
import { Logger } from '../../host/observe/logger.ts';
import adaptive from '../../plugins/logging/adaptive.ts';
import connectionId from '../../plugins/logging/connection_id.ts';
import transactionId from '../../plugins/logging/transaction_id.ts';
import warn from '../../plugins/logging/warn.ts';
import type { Logs } from '../../bindings/plugin/log-services.ts';
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isJournal, stamps } from '../../host/observe/error-stream.ts';
import { given, noLogs } from './plugin-context.ts';

function logged(words: string): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const { plugin } = given(warn, {
    words,
    services: { logs: { ...noLogs, writeError: (line: string) => void lines.push(line) } },
  });
  const logger = new Logger(LogLevel.WARN, () => undefined);
  logger.attach(loggingSinks([plugin], () => undefined));
  return { logger, lines };
}

test.each([
  ['', LogLevel.WARN],
  ['6', LogLevel.INFO],
  ['LOGINFO', LogLevel.INFO],
  ['level error', LogLevel.ERROR],
])('logging/warn %s writes lines up to level %d', (words, limit) => {
  const { logger, lines } = logged(words);
  for (const level of [0, 1, 2, 3, 4, 5, 6, 7] as const) logger.log(level, `at ${level}`);
  expect(lines).toEqual(Array.from({ length: limit + 1 }, (_, level) => `4711 at ${level}`));
});

test('logging/warn writes `PID (hook) plugin: text`', () => {
  const { logger, lines } = logged('7');
  logger.log(4, 'text', { plugin: 'p', hook: 'mail' });
  logger.log(4, 'text', { plugin: 'p' });
  logger.log(4, 'text', { hook: 'mail' });
  logger.log(4, 'text\r\nforged', { plugin: 'p', hook: 'mail', connectionId: 'c9' });
  expect(lines).toEqual([
    '4711 (mail) p: text',
    '4711 p: text',
    '4711 (mail) running plugin: text',
    '4711 [c9] (mail) p: text\\x0d\\x0aforged',
  ]);
});

test('a level nobody knows is refused', () => {
  expect(() => given(warn, { words: 'loud' })).toThrow('level: must be 0 to 7 or a name');
});

test.each<[string, boolean, boolean]>([
  ['', false, true],
  ['', true, false],
  ['7 timestamp auto', false, true],
  ['7 timestamp yes', true, true],
  ['7 timestamp no', false, false],
])('logging/warn %s: the time in front where the reader knows it is %s', (words, isTimed, hasTime) => {
  const lines: string[] = [];
  const clock = { now: () => Date.UTC(2026, 2, 1, 12, 30, 5, 42) };
  const logs: Logs = {
    ...noLogs,
    stamped: (timestamp) => stamps(timestamp, isTimed, clock.now),
    writeError: (line) => void lines.push(line),
  };
  for (const definition of [warn, connectionId, transactionId, adaptive] as PluginDefinition[]) {
    const services = { logs };
    const rest = definition === adaptive ? words.replace('7', '') : words;
    const { plugin } = given(definition, { words: rest.trim(), services });
    plugin.hooks.logging!(plugin as never, { level: 4, text: 'text' } as LogEvent);
  }
  const time = hasTime ? '2026-03-01T12:30:05.042Z ' : '';
  expect(lines).toEqual([`${time}4711 text`, `${time}??? text`, `${time}??? text`, `${time}4711 text`]);
});

test('a word that says nothing about the time is refused', () => {
  expect(() => given(warn, { words: '4 timestamp often' })).toThrow('timestamp: must be auto, yes or no');
});

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
