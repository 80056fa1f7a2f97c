import { expect, test } from 'vitest';
import { LogLevel, type PluginDefinition } from '../../bindings/plugin/index.ts';
import { MemoryLogs, testPlugin } from '../../host/testing/index.ts';
import adaptive from '../../plugins/logging/adaptive.ts';
import connectionId from '../../plugins/logging/connection_id.ts';
import transactionId from '../../plugins/logging/transaction_id.ts';
import warn from '../../plugins/logging/warn.ts';

function logged(options: string) {
  const logs = new MemoryLogs();
  const tested = testPlugin(warn, { options, logs });
  return { writeLog: tested.writeLog, lines: logs.errors };
}

test.each([
  ['', LogLevel.WARN],
  ['6', LogLevel.INFO],
  ['LOGINFO', LogLevel.INFO],
  ['level error', LogLevel.ERROR],
])('logging/warn %s writes lines up to level %d', (options, limit) => {
  const { writeLog, lines } = logged(options);
  for (const level of [0, 1, 2, 3, 4, 5, 6, 7] as const) writeLog(level, `at ${level}`);
  expect(lines).toEqual(Array.from({ length: limit + 1 }, (_, level) => `4711 at ${level}`));
});

test('logging/warn writes `PID (hook) plugin: text`', () => {
  const { writeLog, lines } = logged('7');
  writeLog(4, 'text', { plugin: 'p', hook: 'mail' });
  writeLog(4, 'text', { plugin: 'p' });
  writeLog(4, 'text', { hook: 'mail' });
  writeLog(4, 'text\r\nforged', { plugin: 'p', hook: 'mail', connectionId: 'c9' });
  expect(lines).toEqual([
    '4711 (mail) p: text',
    '4711 p: text',
    '4711 (mail) running plugin: text',
    '4711 [c9] (mail) p: text\\x0d\\x0aforged',
  ]);
});

test('a level nobody knows is refused', () => {
  expect(() => testPlugin(warn, { options: 'loud' })).toThrow('level: must be 0 to 7 or a name');
});

test.each<[string, boolean, boolean]>([
  ['', false, true],
  ['', true, false],
  ['7 timestamp auto', false, true],
  ['7 timestamp yes', true, true],
  ['7 timestamp no', false, false],
])('logging/warn %s: the time in front where the reader knows it is %s', (options, isTimed, hasTime) => {
  const logs = new MemoryLogs({ isTimed, now: () => Date.UTC(2026, 2, 1, 12, 30, 5, 42) });
  for (const definition of [warn, connectionId, transactionId, adaptive] as PluginDefinition[]) {
    const rest = definition === adaptive ? options.replace('7', '') : options;
    testPlugin(definition, { options: rest.trim(), logs }).writeLog(LogLevel.WARN, 'text');
  }
  const time = hasTime ? '2026-03-01T12:30:05.042Z ' : '';
  expect(logs.errors).toEqual([`${time}4711 text`, `${time}??? text`, `${time}??? text`, `${time}4711 text`]);
});

test('a word that says nothing about the time is refused', () => {
  expect(() => testPlugin(warn, { options: '4 timestamp often' })).toThrow(
    'timestamp: must be auto, yes or no',
  );
});
