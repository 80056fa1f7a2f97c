import { expect, test } from 'vitest';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { Logger, type LogContext } from '../../host/observe/logger.ts';

const lines: string[] = [];
const logger = new Logger(LogLevel.NOTICE, (line) => lines.push(line.replace(/^\d+ /, '')));

test('its functions may be taken out of it', () => {
  const { error, notice, info, at, writes } = logger.withContext({ plugin: 'p', connectionId: 'c1' });
  error('one');
  notice('two');
  info('too low');
  at(LogLevel.WARN, 'three');
  expect(lines.splice(0)).toEqual(['[c1] p: one', '[c1] p: two', '[c1] p: three']);
  expect([writes(LogLevel.NOTICE), writes(LogLevel.INFO)]).toEqual([true, false]);
});

test('every line is written at the level it is adjusted to', () => {
  const quieter = logger.withContext({ plugin: 'p' }, (level) => (level + 3) as LogLevel);
  quieter.warn('lost');
  quieter.error('lost, too');
  quieter.at(LogLevel.CRIT, 'kept');
  expect(lines.splice(0)).toEqual(['p: kept']);
  expect(quieter.writes(LogLevel.WARN)).toBe(false);
});

test('who speaks is asked for every line', () => {
  const context: { -readonly [K in keyof LogContext]: LogContext[K] } = { plugin: 'p', hook: 'mail' };
  const log = logger.withContext(context);
  log.warn('first');
  context.hook = 'rcpt';
  log.warn('second');
  expect(lines.splice(0)).toEqual(['(mail) p: first', '(rcpt) p: second']);
});
