/** `qpsmtpd dkim-key`. */

import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { qpsmtpd } from '../../host/cli/main.ts';
import type { DaemonLoader } from '../../host/process/daemon.ts';
import { TestClock, testPlugin } from '../../host/testing/index.ts';
import dkimsign from '../../plugins/dkimsign.ts';
import { crlf, NOW, outcomes, verified } from '../plugins/dkim-samples.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-dkim-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(...words: string[]): Promise<string[]> {
  const lines: string[] = [];
  const terminal = {
    out: (line: string) => void lines.push(line),
    err: (line: string) => void lines.push(line),
  };
  const noDaemon = {} as DaemonLoader;
  expect(await qpsmtpd(['dkim-key', ...words, '--config', folder], noDaemon, terminal)).toBe(0);
  return lines;
}

/** The name and the text of the record that was printed. */
function recordIn(lines: readonly string[]): readonly [name: string, text: string] {
  const start = lines.findIndex((line) => line.endsWith(' IN TXT ('));
  const strings = lines.slice(start + 1, lines.indexOf('  )', start));
  const texts = strings.map((line) => /^ {4}"([^"]{1,255})"$/.exec(line)![1]!);
  return [/^ {2}(\S+)\. /.exec(lines[start]!)![1]!, texts.join('')];
}

test('what is signed with the keys it makes is verified with the records it prints', async () => {
  const umask = process.umask(0);
  const first = await run('EXAMPLE.org', 'a1', '--bits', '1024');
  const second = await run('example.org', 'b2', '--type', 'ed25519');
  process.umask(umask);
  const keys = join(folder, 'dkim/example.org');
  expect(readFileSync(join(keys, 'selector'), 'utf8')).toBe('a1\n');
  for (const file of ['private', 'selector', 'private-b2'])
    expect(statSync(join(keys, file)).mode & 0o777, file).toBe(0o600);
  expect(second.at(-1)).toBe('  b2 private-b2');
  const config = {
    'dkim/example.org/private': readFileSync(join(keys, 'private'), 'utf8'),
    'dkim/example.org/private-b2': readFileSync(join(keys, 'private-b2'), 'utf8'),
    'dkim/example.org/selector': `a1\n${second.at(-1)!}\n`,
  };
  const { ask, session } = testPlugin(dkimsign, {
    config,
    clock: new TestClock(NOW),
    client: { relayClient: true },
  });
  session.begin({ from: '<a@example.org>', message: crlf('From: a@example.org\n\nx\n') });
  await ask('queue_pre');
  const records = [first, second].map(recordIn);
  const zones = Object.fromEntries(records.map(([name, text]) => [name, { TXT: [text] }]));
  expect(outcomes(await verified(session.content, zones))).toEqual(['pass', 'pass']);
});

test('no key is overwritten', async () => {
  await run('example.org', 'a1', '--type', 'ed25519');
  await run('example.org', 'b2', '--type', 'ed25519');
  const before = readFileSync(join(folder, 'dkim/example.org/private-b2'), 'utf8');
  await expect(run('example.org', 'b2')).rejects.toThrow(/private-b2 exists: messages may be on their way/);
  expect(readFileSync(join(folder, 'dkim/example.org/private-b2'), 'utf8')).toBe(before);
});

test('the selector is year and month, and another one for Ed25519', async () => {
  const [name] = recordIn(await run('example.org', '--type', 'ed25519'));
  expect(name).toMatch(/^20\d{4}e\._domainkey\.example\.org$/);
});

test.each([
  [[], /give a domain/],
  [['a', 'b'], /"a" is no domain/],
  [['../x.org'], /is no domain/],
  [['a.org', 'x.y'], /"x.y" is no selector/],
  [['a.org', '--type', 'dsa'], /--type: "dsa" is neither/],
  [['a.org', '--bits', '512'], /--bits/],
  [['a.org', 'b', 'c'], /give a domain/],
])('%j is refused', async (words, expected) => {
  await expect(run(...words)).rejects.toThrow(expected);
});
