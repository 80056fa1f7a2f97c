import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LogLevel } from '../../bindings/plugin/index.ts';
import { loggingSinks } from '../../host/hooks/logging.ts';
import { HookRunner } from '../../host/hooks/runner.ts';
import { Logger } from '../../host/observe/logger.ts';
import { makeLogs, reopenLogFiles } from '../../host/observe/log-outputs.ts';
import file from '../../plugins/logging/file.ts';
import { FakeSession, given } from './plugin-context.ts';

let folder: string;
const closers: (() => void)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'logging-file-'));
});
afterEach(() => {
  for (const close of closers.splice(0)) close();
  rmSync(folder, { recursive: true, force: true });
});

class NamedSession extends FakeSession {
  constructor(id: string) {
    super();
    this.connection.id = id;
  }
}

function logTo(words: string) {
  const complaints: string[] = [];
  const logs = makeLogs('mx.example', (line) => complaints.push(line));
  closers.push(() => logs.close());
  const clock = { at: new Date(2026, 2, 1, 12, 30, 5).getTime(), now: () => clock.at };
  const { plugin } = given(file, { words: words.replaceAll('DIR', folder), services: { logs, clock } });
  const logger = new Logger(LogLevel.WARN, () => undefined);
  logger.attach(loggingSinks([plugin], (line) => complaints.push(line)));
  const runner = new HookRunner([plugin], logger);
  const say = (text: string, connectionId?: string, level: LogLevel = LogLevel.ERROR): void =>
    logger.log(level, text, { connectionId });
  return { say, runner, clock, complaints, logs };
}

/** What a descriptor of this process leads to. */
function targetOf(descriptor: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return undefined;
  }
}

const read = (name: string): string => {
  try {
    return readFileSync(join(folder, name), 'utf8');
  } catch {
    return '';
  }
};
const written = (name: string, text: string): Promise<void> => expect.poll(() => read(name)).toContain(text);

describe('a line', () => {
  test('is the date, host and process, and the text alone', async () => {
    logTo('DIR/log').say('text\nforged');
    await written('log', '\n');
    expect(read('log')).toBe('Sun Mar 01 12:30:05 2026 mx.example[4711]: text\\x0aforged\n');
  });

  test('has the date of tsformat, and is written up to loglevel', async () => {
    const { say } = logTo('tsformat %FT%T loglevel LOGINFO DIR/log');
    say('chatter', undefined, LogLevel.DEBUG);
    say('text', undefined, LogLevel.INFO);
    await written('log', 'text');
    expect(read('log')).toBe('2026-03-01T12:30:05 mx.example[4711]: text\n');
  });

  test('is written up to LOGWARN without loglevel', async () => {
    const { say } = logTo('DIR/log');
    say('notice', undefined, LogLevel.NOTICE);
    say('warn', undefined, LogLevel.WARN);
    await written('log', 'warn');
    expect(read('log')).not.toContain('notice');
  });
});

describe('the name of the file', () => {
  test('may hold the date, and is followed as it changes', async () => {
    const { say, clock } = logTo('DIR/log.%H%M');
    say('first');
    clock.at += 60_000;
    say('second');
    await written('log.1230', 'first');
    await written('log.1231', 'second');
  });

  test('may hold the session: each has a file of its own, and what belongs to none goes to parent', async () => {
    const { say, runner } = logTo('DIR/log.%i');
    const [one, two] = [new NamedSession('c1'), new NamedSession('c2')];
    await runner.run('connect', one);
    await runner.run('connect', two);
    for (const text of ['one', 'more of one']) say(text, 'c1');
    say('two', 'c2');
    say('of nobody');
    await written('log.parent', 'of nobody');
    const names = readdirSync(folder).filter((name) => name !== 'log.parent');
    expect(names).toHaveLength(2);
    expect(names.every((name) => /^log\.\d{10}-4711-[12]$/.test(name))).toBe(true);
    await runner.runAll('post-connection', one);
    say('behind the end', 'c1');
    await written('log.parent', 'behind the end');
  });

  test('with nosplit stays the same for a session that began under it', async () => {
    const { say, runner, clock } = logTo('nosplit DIR/log.%H%M');
    await runner.run('connect', new NamedSession('c1'));
    say('before', 'c1');
    clock.at += 60_000;
    say('after', 'c1');
    say('of nobody');
    await written('log.1231', 'of nobody');
    await written('log.1230', 'after');
    expect(read('log.1231')).not.toContain('after');
  });

  test('may have blanks in it', async () => {
    logTo('DIR/a log').say('text');
    await written('a log', 'text');
  });
});

describe('a file', () => {
  test('is appended to, and shared by two instances', async () => {
    appendFileSync(join(folder, 'log'), 'before\n');
    const [one, two] = [logTo('DIR/log'), logTo('DIR/log')];
    for (let time = 0; time < 100; time++) {
      one.say(`one ${time}`);
      two.say(`two ${time}`);
    }
    await written('log', 'two 99');
    expect(read('log')).toMatch(/^before\n/);
    expect(read('log').trimEnd().split('\n')).toHaveLength(201);
  });

  test('is opened anew where it was renamed or removed', async () => {
    const { say } = logTo('DIR/log');
    say('first');
    await written('log', 'first');
    renameSync(join(folder, 'log'), join(folder, 'log.1'));
    await expect.poll(() => (say('second'), existsSync(join(folder, 'log'))), { interval: 50 }).toBe(true);
    rmSync(join(folder, 'log'));
    await expect.poll(() => (say('third'), existsSync(join(folder, 'log'))), { interval: 50 }).toBe(true);
  });

  test('is closed at once and opened anew when it is asked for', async () => {
    const { say } = logTo('DIR/log');
    const isHeld = (name: string): boolean =>
      readdirSync('/proc/self/fd').some((fd) => targetOf(fd) === join(folder, name));
    say('first');
    await written('log', 'first');
    await expect.poll(() => isHeld('log')).toBe(true);
    renameSync(join(folder, 'log'), join(folder, 'log.1'));
    reopenLogFiles();
    // Nothing is written meanwhile, and still the old file may be compressed or deleted.
    await expect.poll(() => isHeld('log.1')).toBe(false);
    say('second');
    await written('log', 'second');
    expect(read('log.1')).not.toContain('second');
  });

  test('loses no line when it is opened anew while lines are being written', async () => {
    const { say } = logTo('DIR/log');
    for (let i = 0; i < 100; i++) {
      say(`line ${i}.`);
      if (i % 10 === 5) {
        renameSync(join(folder, 'log'), join(folder, `log.${i}`));
        reopenLogFiles();
      }
      if (i % 10 === 4) await written('log', `line ${i}.`);
    }
    await expect
      .poll(
        () =>
          readdirSync(folder)
            .map(read)
            .join('')
            .match(/line \d+\./g)?.length,
      )
      .toBe(100);
  });

  test('that cannot be written is complained about once, and what was lost is counted', async () => {
    const { say, complaints } = logTo('DIR/missing/log');
    say('first');
    await expect.poll(() => complaints).toHaveLength(1);
    expect(complaints[0]).toContain('missing/log: ENOENT');
    say('second');
    say('third');
    await new Promise((resolve) => setImmediate(resolve));
    expect(complaints).toHaveLength(1);
  });
});

describe('a command', () => {
  test('gets the lines on its standard input', async () => {
    logTo('|cat > DIR/out').say('text');
    await written('out', 'mx.example[4711]: text');
  });

  test('may have words that look like options', async () => {
    logTo('loglevel 7 |cat > DIR/out; : reopen nosplit loglevel').say('text');
    await written('out', 'text');
  });

  test('is started once for each connection with reopen', async () => {
    const { say, runner } = logTo('reopen |wc -l >> DIR/counts');
    for (const id of ['c1', 'c2']) {
      const session = new NamedSession(id);
      await runner.run('connect', session);
      say('one', id);
      say('two', id);
      await runner.runAll('post-connection', session);
    }
    await expect.poll(() => read('counts').trim().split(/\s+/)).toEqual(['2', '2']);
  });

  test('that ends is complained about, and costs no more than its lines', async () => {
    const { say, complaints } = logTo('|exit 3');
    say('text');
    await expect.poll(() => complaints).toHaveLength(1);
    expect(complaints[0]).toContain('log command `exit 3`: ended with exit code 3');
    for (let time = 0; time < 100; time++) say('text');
    expect(complaints).toHaveLength(1);
  });
});

test('a line without a path is refused', () => {
  expect(() => given(file, { words: 'loglevel 6' })).toThrow(/path: is missing/);
});
