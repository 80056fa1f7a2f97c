import { expect, test } from 'vitest';
import { LogLevel } from '../../bindings/plugin/index.ts';
import { loggingSinks } from '../../host/hooks/logging.ts';
import { Logger } from '../../host/observe/logger.ts';
import warn from '../../plugins/logging/warn.ts';
import { given } from './plugin-context.ts';

function logged(words: string): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const { plugin } = given(warn, { words, services: { writeError: (line) => lines.push(line) } });
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
