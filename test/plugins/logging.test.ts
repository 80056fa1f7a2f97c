import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  deny,
  LogLevel,
  type LogEvent,
  type OptionShape,
  type PluginDefinition,
} from '../../bindings/plugin/index.ts';
import { MemoryLogs, TestClock, testPlugin, TestServer } from '../../host/testing/index.ts';
import adaptive from '../../plugins/logging/adaptive.ts';
import apache from '../../plugins/logging/apache.ts';
import connectionId from '../../plugins/logging/connection_id.ts';
import devnull from '../../plugins/logging/devnull.ts';
import json from '../../plugins/logging/json.ts';
import transactionId from '../../plugins/logging/transaction_id.ts';

/** A logging plugin and the lines it writes. */
function logOf<S extends OptionShape>(definition: PluginDefinition<S>, options = '') {
  const logs = new MemoryLogs();
  const clock = new TestClock(Date.UTC(2026, 2, 1, 12, 30, 5, 42));
  const { ask, log, wantsLog, writeLog } = testPlugin(definition, { options, logs, clock });
  return { ask, log, wantsLog, writeLog, lines: logs.errors };
}

const IN_MAIL = { plugin: 'p', hook: 'mail', connectionId: 'c1', transactionId: 'c1.2' } as const;

describe('logging/devnull', () => {
  test('wants nothing, and keeps the built-in log silent', () => {
    const { lines, log, writeLog, wantsLog } = logOf(devnull);
    expect(wantsLog(LogLevel.EMERG)).toBe(false);
    writeLog(LogLevel.EMERG, 'text');
    expect([...lines, ...log]).toEqual([]);
  });
});

describe('logging/connection_id and logging/transaction_id', () => {
  test.each([
    ['connection', connectionId, '4711-c1'],
    ['transaction', transactionId, '4711-c1.2'],
  ])('write the %s where qpsmtpd has the process', (_, definition, id) => {
    const { lines, writeLog } = logOf(definition as PluginDefinition, 'LOGINFO');
    writeLog(LogLevel.INFO, 'text', IN_MAIL);
    writeLog(LogLevel.INFO, 'text', { ...IN_MAIL, plugin: undefined });
    writeLog(LogLevel.INFO, 'text');
    writeLog(LogLevel.DEBUG, 'text');
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
    const { ask, lines, writeLog } = logOf(apache, 'level LOGINFO');
    await ask('pre-connection');
    writeLog(LogLevel.WARN, 'text', IN_MAIL);
    await ask('post-connection');
    writeLog(LogLevel.CRIT, 'text');
    writeLog(LogLevel.DEBUG, 'text');
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
  const play = async (options: string, isDenied: boolean): Promise<string[]> => {
    const { ask, lines, writeLog } = logOf(adaptive, options);
    await ask('connect');
    writeLog(LogLevel.ERROR, 'grave', IN_MAIL);
    writeLog(LogLevel.INFO, 'plain', IN_MAIL);
    writeLog(LogLevel.DEBUG, 'chatter', IN_MAIL);
    writeLog(LogLevel.ERROR, 'of another', { connectionId: 'c2' });
    if (isDenied) await ask('deny', 'p', deny());
    await ask('reset_transaction');
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
    const { ask, lines, writeLog } = logOf(adaptive, 'accept 6 reject 6');
    await ask('connect');
    await ask('deny', 'p', deny());
    await ask('reset_transaction');
    writeLog(LogLevel.INFO, 'next', IN_MAIL);
    await ask('reset_transaction');
    expect(lines.at(-1)).toBe('4711 ` p plugin: next');
  });

  test('keeps a bounded part of what one client makes it log', async () => {
    const { ask, lines, writeLog } = logOf(adaptive, 'accept 6 reject 6');
    await ask('connect');
    for (let time = 0; time < 5_000; time++) writeLog(LogLevel.INFO, 'text', IN_MAIL);
    await ask('reset_transaction');
    expect(lines).toHaveLength(6_000);
  });
});

describe('logging/json', () => {
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
  const { ask, lines, wantsLog, writeLog } = logOf(json, 'level LOGERROR');
  await ask('mail', '<a@b.example>');
  expect(wantsLog(LogLevel.WARN)).toBe(false);
  writeLog(LogLevel.WARN, 'text');
  expect(lines).toEqual([]);
});
