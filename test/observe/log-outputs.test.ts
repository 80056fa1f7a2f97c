/** Files and commands that log lines go to, as logging/file uses them. */

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
import { makeLogs, reopenLogFiles } from '../../host/observe/log-outputs.ts';
import { testPlugin, type ClientFacts } from '../../host/testing/index.ts';
import file from '../../plugins/logging/file.ts';

let folder: string;
const closers: (() => void)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'logging-file-'));
});
afterEach(() => {
  for (const close of closers.splice(0)) close();
  rmSync(folder, { recursive: true, force: true });
});

function logTo(options: string) {
  const complaints: string[] = [];
  const logs = makeLogs('mx.example', (line) => complaints.push(line));
  closers.push(() => logs.close());
  const tested = testPlugin(file, { options: options.replaceAll('DIR', folder), logs });
  const openSession = (facts: ClientFacts) => tested.openSession(facts);
  const say = (text: string, connectionId?: string): void =>
    tested.writeLog(LogLevel.ERROR, text, { connectionId });
  return { say, openSession, complaints };
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
    const { say, openSession } = logTo('reopen |wc -l >> DIR/counts');
    for (const id of ['c1', 'c2']) {
      const session = openSession({ id });
      await session.ask('connect');
      say('one', id);
      say('two', id);
      await session.ask('post-connection');
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
