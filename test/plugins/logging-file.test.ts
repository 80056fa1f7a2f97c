import { describe, expect, test } from 'vitest';
import { LogLevel } from '../../bindings/plugin/index.ts';
import { MemoryLogs, TestClock, testPlugin } from '../../host/testing/index.ts';
import file from '../../plugins/logging/file.ts';

function logTo(options: string) {
  const logs = new MemoryLogs();
  const clock = new TestClock(Date.UTC(2026, 2, 1, 12, 30, 5));
  const tested = testPlugin(file, { options: options.replaceAll('DIR', '/dir'), logs, clock });
  const read = (name: string): string =>
    (logs.files.get(`/dir/${name}`) ?? []).map((line) => `${line}\n`).join('');
  const names = (): string[] => [...logs.files.keys()].map((path) => path.replace('/dir/', ''));
  const openSession = (id: string) => tested.openSession({ id });
  const say = (text: string, connectionId?: string, level: LogLevel = LogLevel.ERROR): void =>
    tested.writeLog(level, text, { connectionId });
  return { say, read, names, openSession, clock };
}

describe('a line', () => {
  test('is the date, host and process, and the text alone', async () => {
    const { say, read } = logTo('DIR/log');
    say('text\nforged');
    expect(read('log')).toContain('\n');
    expect(read('log')).toBe('Sun Mar 01 12:30:05 2026 mx.example[4711]: text\\x0aforged\n');
  });

  test('has the date of tsformat, and is written up to loglevel', async () => {
    const { say, read } = logTo('tsformat %FT%T loglevel LOGINFO DIR/log');
    say('chatter', undefined, LogLevel.DEBUG);
    say('text', undefined, LogLevel.INFO);
    expect(read('log')).toContain('text');
    expect(read('log')).toBe('2026-03-01T12:30:05 mx.example[4711]: text\n');
  });

  test('is written up to LOGWARN without loglevel', async () => {
    const { say, read } = logTo('DIR/log');
    say('notice', undefined, LogLevel.NOTICE);
    say('warn', undefined, LogLevel.WARN);
    expect(read('log')).toContain('warn');
    expect(read('log')).not.toContain('notice');
  });
});

describe('the name of the file', () => {
  test('may hold the date, and is followed as it changes', async () => {
    const { say, read, clock } = logTo('DIR/log.%H%M');
    say('first');
    clock.advance(60_000);
    say('second');
    expect(read('log.1230')).toContain('first');
    expect(read('log.1231')).toContain('second');
  });

  test('may hold the session: each has a file of its own, and what belongs to none goes to parent', async () => {
    const { say, read, names, openSession } = logTo('DIR/log.%i');
    const [one, two] = [openSession('c1'), openSession('c2')];
    await one.ask('connect');
    await two.ask('connect');
    for (const text of ['one', 'more of one']) say(text, 'c1');
    say('two', 'c2');
    say('of nobody');
    expect(read('log.parent')).toContain('of nobody');
    const ofSessions = names().filter((name) => name !== 'log.parent');
    expect(ofSessions).toHaveLength(2);
    expect(ofSessions.every((name) => /^log\.\d{10}-4711-[12]$/.test(name))).toBe(true);
    await one.ask('post-connection');
    say('behind the end', 'c1');
    expect(read('log.parent')).toContain('behind the end');
  });

  test('with nosplit stays the same for a session that began under it', async () => {
    const { say, read, openSession, clock } = logTo('nosplit DIR/log.%H%M');
    await openSession('c1').ask('connect');
    say('before', 'c1');
    clock.advance(60_000);
    say('after', 'c1');
    say('of nobody');
    expect(read('log.1231')).toContain('of nobody');
    expect(read('log.1230')).toContain('after');
    expect(read('log.1231')).not.toContain('after');
  });

  test('may have blanks in it', async () => {
    const { say, read } = logTo('DIR/a log');
    say('text');
    expect(read('a log')).toContain('text');
  });
});

test('a line without a path is refused', () => {
  expect(() => testPlugin(file, { options: 'loglevel 6' })).toThrow(/path: is missing/);
});
