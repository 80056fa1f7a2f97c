/** Events of the log as JSON. */

import { describe, expect, test } from 'vitest';
import { LogLevel, type LogEvent } from '../../bindings/plugin/index.ts';
import { jsonLines } from '../../host/observe/log-outputs.ts';
import { Logger } from '../../host/observe/logger.ts';

describe('a line of JSON', () => {
  test('writes the fields of a summary apart', () => {
    const event = { name: 'transaction', octets: 7, to: ['<a@b>:accepted'] };
    const written: string[] = [];
    const lineOf = jsonLines('mx.example');
    const logger = new Logger(LogLevel.WARN, () => undefined);
    logger.attach([{ upTo: LogLevel.NOTICE, write: (line) => void written.push(lineOf(line)) }]);
    logger.log(LogLevel.NOTICE, 'transaction octets=7', { transactionId: 'c1.2' }, event);
    expect(JSON.parse(written[0]!)).toMatchObject({
      transaction: 'c1.2',
      event,
      msg: 'transaction octets=7',
    });
  });

  test('writes what pino writes: one object a line, what does not apply left out', () => {
    const lineOf = jsonLines('mx.example');
    const event: LogEvent = {
      level: 4,
      text: 'a "text"',
      plugin: 'p',
      hook: 'mail',
      connectionId: 'c1',
      transactionId: undefined,
    };
    const line = lineOf(event);
    expect(line).not.toContain('\n');
    const { time, ...rest } = JSON.parse(line) as Record<string, unknown>;
    expect(new Date(String(time)).getTime()).toBeGreaterThan(0);
    expect(rest).toEqual({
      level: 40,
      severity: 4,
      pid: process.pid,
      hostname: 'mx.example',
      name: 'qpsmtpd',
      connection: 'c1',
      plugin: 'p',
      hook: 'mail',
      msg: 'a "text"',
    });
    const levels = ([0, 1, 2, 3, 4, 5, 6, 7] as const).map(
      (level) => (JSON.parse(lineOf({ ...event, level })) as { level: number }).level,
    );
    expect(levels).toEqual([60, 60, 60, 50, 40, 30, 30, 20]);
  });
});
