import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  LogLevel,
  type LogEvent,
  type OptionShape,
  type PluginDefinition,
} from '../../bindings/plugin/index.ts';
import { loggingSinks } from '../../host/hooks/logging.ts';
import { HookRunner } from '../../host/hooks/runner.ts';
import { jsonLines } from '../../host/observe/log-outputs.ts';
import { Logger, type LogContext } from '../../host/observe/logger.ts';
import { TestServer } from '../../host/testing/index.ts';
import adaptive from '../../plugins/logging/adaptive.ts';
import apache from '../../plugins/logging/apache.ts';
import connectionId from '../../plugins/logging/connection_id.ts';
import devnull from '../../plugins/logging/devnull.ts';
import json from '../../plugins/logging/json.ts';
import transactionId from '../../plugins/logging/transaction_id.ts';
import { address, given, noLogs, NO_PARAMETERS } from './plugin-context.ts';

/** A log with one logging plugin in it, and its lines. */
function logOf<S extends OptionShape>(definition: PluginDefinition<S>, words = '') {
  const lines: string[] = [];
  const services = {
    logs: { ...noLogs, writeError: (line: string) => void lines.push(line) },
    clock: { now: () => Date.UTC(2026, 2, 1, 12, 30, 5, 42) },
  };
  const { plugin, session } = given(definition, { words, services });
  const logger = new Logger(LogLevel.WARN, (line) => lines.push(`built-in ${line}`));
  logger.attach(loggingSinks([plugin], (line) => lines.push(`past ${line}`)));
  const runner = new HookRunner([plugin], logger);
  return { logger, lines, session, runner };
}

const IN_MAIL: LogContext = { plugin: 'p', hook: 'mail', connectionId: 'c1', transactionId: 'c1.2' };

describe('logging/devnull', () => {
  test('wants nothing, and keeps the built-in log silent', () => {
    const { logger, lines } = logOf(devnull);
    expect(logger.writes(LogLevel.EMERG)).toBe(false);
    logger.log(LogLevel.EMERG, 'text');
    expect(lines).toEqual([]);
  });
});

describe('logging/connection_id and logging/transaction_id', () => {
  test.each([
    ['connection', connectionId, '4711-c1'],
    ['transaction', transactionId, '4711-c1.2'],
  ])('write the %s where qpsmtpd has the process', (_, definition, id) => {
    const { logger, lines } = logOf(definition as PluginDefinition, 'LOGINFO');
    logger.log(LogLevel.INFO, 'text', IN_MAIL);
    logger.log(LogLevel.INFO, 'text', { ...IN_MAIL, plugin: undefined });
    logger.log(LogLevel.INFO, 'text');
    logger.log(LogLevel.DEBUG, 'text');
    expect(lines).toEqual([`${id} p plugin: text`, `${id} running plugin (mail): text`, '??? text']);
  });

  test('tell transactions of one connection apart, and connections of one process', async () => {
    const lines: string[] = [];
    const sink = {
      name: 'sink',
      about: '',
      hooks: { logging: (_: unknown, event: LogEvent) => void lines.push(`${event.transactionId}`) },
    };
    const teller = {
      name: 'teller',
      about: '',
      hooks: { mail: ({ log }: { log: { error(text: string): void } }) => log.error('mail') },
    };
    const server = await TestServer.start({ plugins: [sink, teller] });
    try {
      const [first, second] = [await server.greeted(), await server.greeted()];
      for (const client of [first, first, second]) await client.say('MAIL FROM:<a@b.example>');
      const ids = [...new Set(lines.filter((id) => id !== 'undefined'))];
      expect(ids).toHaveLength(3);
      const [one, two, three] = ids.map((id) => id.split('.')[0]);
      expect(two).toBe(one);
      expect(three).not.toBe(one);
    } finally {
      await server.close();
    }
  });
});

describe('logging/apache', () => {
  test("writes Apache's error log, with the client where there is one", async () => {
    const { logger, lines, runner, session } = logOf(apache, 'level LOGINFO');
    await runner.run('pre-connection', session);
    logger.log(LogLevel.WARN, 'text', IN_MAIL);
    runner.runAll('post-connection', session);
    logger.log(LogLevel.CRIT, 'text');
    logger.log(LogLevel.DEBUG, 'text');
    const day = String.raw`\[Sun Mar 01 \d\d:30:05\.042000 2026\]`;
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(
      new RegExp(
        String.raw`^${day} \[qpsmtpd:warn\] \[pid 4711\] \[client 192\.0\.2\.3:40000\] 4711 p plugin: text$`,
      ),
    );
    expect(lines[1]).toMatch(new RegExp(String.raw`^${day} \[qpsmtpd:crit\] \[pid 4711\] 4711 text$`));
  });
});

describe('logging/adaptive', () => {
  const play = async (words: string, isDenied: boolean): Promise<string[]> => {
    const { logger, lines, runner, session } = logOf(adaptive, words);
    await runner.run('connect', session);
    logger.log(LogLevel.ERROR, 'grave', IN_MAIL);
    logger.log(LogLevel.INFO, 'plain', IN_MAIL);
    logger.log(LogLevel.DEBUG, 'chatter', IN_MAIL);
    logger.log(LogLevel.ERROR, 'of another', { connectionId: 'c2' });
    if (isDenied) await runner.run('deny', session, 'p', { kind: 'verdict', code: 901, lines: [] });
    await runner.runAll('reset_transaction', session);
    return lines;
  };

  test('writes at one level, and accepted mail once more at another, with a prefix behind the process', async () => {
    expect(await play('accept LOGINFO reject LOGINFO prefix +', false)).toEqual([
      '4711 p plugin: grave',
      '4711 p plugin: plain',
      '4711 of another',
      '4711 + p plugin: grave',
      '4711 + p plugin: plain',
    ]);
  });

  test('is quieter about accepted mail by default', async () => {
    expect(await play('', false)).toEqual([
      '4711 p plugin: grave',
      '4711 of another',
      '4711 ` p plugin: grave',
    ]);
  });

  test('says nothing more about refused mail; the next transaction begins anew', async () => {
    expect(await play('accept 6 reject 6', true)).toHaveLength(3);
    const { logger, lines, runner, session } = logOf(adaptive, 'accept 6 reject 6');
    await runner.run('connect', session);
    await runner.run('deny', session, 'p', { kind: 'verdict', code: 901, lines: [] });
    await runner.runAll('reset_transaction', session);
    logger.log(LogLevel.INFO, 'next', IN_MAIL);
    await runner.runAll('reset_transaction', session);
    expect(lines.at(-1)).toBe('4711 ` p plugin: next');
  });

  test('keeps a bounded part of what one client makes it log', async () => {
    const { logger, lines, runner, session } = logOf(adaptive, 'accept 6 reject 6');
    await runner.run('connect', session);
    for (let time = 0; time < 5_000; time++) logger.log(LogLevel.INFO, 'text', IN_MAIL);
    await runner.runAll('reset_transaction', session);
    expect(lines).toHaveLength(6_000);
  });
});

describe('logging/json', () => {
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

  test('goes to a file in a whole server', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'json-'));
    const path = join(folder, 'log');
    const server = await TestServer.start({ config: { logging: `logging/json ${path}` } });
    try {
      const client = await server.greeted();
      await client.say('NOOP');
    } finally {
      await server.close();
    }
    await expect.poll(() => readFileSync(path, 'utf8')).toContain('250 OK');
    const events = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(events).toContainEqual(
      expect.objectContaining({
        connection: expect.stringMatching(/^\w+-\w+-\w+$/) as unknown,
        severity: 6,
        msg: '250 OK',
      }),
    );
    rmSync(folder, { recursive: true, force: true });
  });
});

test('a level nobody wants costs a comparison: no plugin is handed the line', async () => {
  const { logger, runner, session, lines } = logOf(json as unknown as PluginDefinition, 'level LOGERROR');
  await runner.run('mail', session, address('<a@b.example>'), NO_PARAMETERS);
  expect(logger.writes(LogLevel.WARN)).toBe(false);
  logger.log(LogLevel.WARN, 'text');
  expect(lines).toEqual([]);
});
