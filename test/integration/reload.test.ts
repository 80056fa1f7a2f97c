/** HUP with plugins: new code and configuration for new connections, the old for those that are there. */

import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LineClient, RunningProgram } from '../process/running-program.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const QPSMTPD = join(ROOT, 'dist/host/cli/qpsmtpd.js');

let folder: string;
let programs: RunningProgram[] = [];
let clients: LineClient[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-reload-'));
  mkdirSync(join(folder, 'config'));
  mkdirSync(join(folder, 'site/node_modules'), { recursive: true });
  symlinkSync(ROOT, join(folder, 'site/node_modules/qpsmtpd'));
  write('site/package.json', '{ "type": "module" }');
  write('config/me', 'mx.test');
  write('config/plugin_dirs', join(folder, 'site'));
  write('config/plugins', 'greet', 'rcpt_ok', 'queue/discard');
  write('config/rcpthosts', 'example.test');
  write('config/spool_dir', join(folder, 'spool'));
  write('config/loglevel', '5');
  word('one');
  greet();
});
afterEach(async () => {
  for (const client of clients) client.close();
  await Promise.all(programs.map((program) => program.dispose()));
  [programs, clients] = [[], []];
  rmSync(folder, { recursive: true, force: true });
});

const write = (file: string, ...lines: string[]): void =>
  writeFileSync(join(folder, file), `${lines.join('\n')}\n`);

/** The module that the plugin imports by a relative path. */
const word = (text: string): void =>
  write('site/word.js', `export const word = '${text}';`, 'globalThis.words = (globalThis.words ?? 0) + 1;');

/** The plugin: answers NOOP with the word, how often its module ran, and how often the word's did. */
const greet = (before = ''): void =>
  write(
    'site/greet.js',
    "import { definePlugin, deny } from 'qpsmtpd/plugin';",
    "import { word } from './word.js';",
    'globalThis.greets = (globalThis.greets ?? 0) + 1;',
    `const text = () => '${before}' + word + ' ' + globalThis.greets + ' ' + globalThis.words;`,
    "export default definePlugin({ name: 'greet', about: '', hooks: { noop: () => deny(text()) } });",
  );

async function serve(workers = 1): Promise<{ program: RunningProgram; port: number }> {
  const listen = ['--listen', 'tcp://127.0.0.1:0', '--workers', String(workers)];
  const program = new RunningProgram(QPSMTPD, ['serve', '--config', join(folder, 'config'), ...listen]);
  programs.push(program);
  return { program, port: await program.port() };
}

async function connect(port: number): Promise<LineClient> {
  const client = new LineClient(port);
  clients.push(client);
  expect(await client.reply()).toMatch(/^220 /);
  return client;
}

/** Sends HUP and waits for what the log says about it. */
async function reload(program: RunningProgram): Promise<string> {
  const seen = program.err.all.length;
  program.kill('SIGHUP');
  return (await program.err.find(/configuration read again|reload: done|reload failed.*/, seen))[0];
}

const noop = async (port: number): Promise<string> => (await connect(port)).say('NOOP');

describe('HUP with one process', () => {
  test('loads the code of a plugin that has changed, and of nothing else', async () => {
    const { program, port } = await serve();
    expect(await noop(port)).toBe('500 one 1 1');
    await reload(program);
    expect(await noop(port)).toBe('500 one 1 1');
    greet('new ');
    await reload(program);
    expect(await noop(port)).toBe('500 new one 2 1');
  });

  test('loads what a plugin imports by a relative path, if that has changed', async () => {
    const { program, port } = await serve();
    expect(await noop(port)).toBe('500 one 1 1');
    word('two');
    await reload(program);
    expect(await noop(port)).toBe('500 two 2 2');
    word('three');
    await reload(program);
    expect(await noop(port)).toBe('500 three 3 3');
  });

  test('leaves running sessions with the code and the plugins they began with', async () => {
    const { program, port } = await serve();
    const before = await connect(port);
    word('two');
    write('config/plugins', 'greet', 'queue/discard');
    await reload(program);
    expect(await before.say('NOOP')).toBe('500 one 2 2');
    expect(await before.say('HELO client.example')).toMatch(/^250 /);
    expect(await before.say('MAIL FROM:<me@example.org>')).toMatch(/^250 /);
    expect(await before.say('RCPT TO:<you@example.test>')).toMatch(/^250 /);
    expect(await noop(port)).toBe('500 two 2 2');
  });

  test.each([
    [
      'has a syntax error',
      "import 'qpsmtpd/plugin'; export default {",
      /greet: .*greet\.js can't be loaded: /,
    ],
    ['throws', "throw new Error('no database');", /greet: .*can't be loaded: no database/],
    ['ends the process', 'process.exit(0);', /greet: .*a plugin must not end the process/],
  ])(
    'goes on with the old code where the new one %s, says why, and takes it once it is mended',
    async (...row) => {
      const [, text, problem] = row;
      const { program, port } = await serve();
      write('site/greet.js', text);
      const said = await reload(program);
      expect(said).toMatch(/^reload failed, the old configuration goes on serving: /);
      expect(said).toContain(`${join(folder, 'config/plugins')}:1: `);
      expect(said).toMatch(problem);
      expect(await noop(port)).toBe('500 one 1 1');
      greet('mended ');
      expect(await reload(program)).toBe('configuration read again');
      expect(await noop(port)).toMatch(/^500 mended one /);
    },
  );

  test('a plugin added by HUP whose first version is broken is loaded once it is mended', async () => {
    const { program } = await serve();
    write('config/plugins', 'greet', 'added', 'rcpt_ok', 'queue/discard');
    write('site/added.js', 'throw new Error("not yet");');
    expect(await reload(program)).toMatch(/^reload failed/);
    write('site/added.js', "export default { name: 'added', hooks: {} };");
    expect(await reload(program)).toBe('configuration read again');
  });

  test('moves the log on to a new file, as it does when the file is renamed without HUP', async () => {
    const log = join(folder, 'smtp.log');
    write('config/logging', `logging/file loglevel 6 ${log}`);
    const { program, port } = await serve();
    await noop(port);
    await eventually(log, /dispatching NOOP|500 one/);
    renameSync(log, `${log}.1`);
    program.kill('SIGHUP');
    await eventually(log, /configuration read again/);
    renameSync(log, `${log}.2`);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await noop(port);
    await eventually(log, /500 one/);
  });
});

test('HUP with workers loads new code, too', async () => {
  const { program, port } = await serve(2);
  expect(await noop(port)).toBe('500 one 1 1');
  word('two');
  await reload(program);
  expect(await noop(port)).toBe('500 two 1 1');
});

/** Waits until the file is there and says something. */
async function eventually(path: string, pattern: RegExp): Promise<void> {
  const deadline = performance.now() + 60_000;
  let text = '';
  while (performance.now() < deadline) {
    text = await readFile(path, 'utf8').catch(() => '');
    if (pattern.test(text)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${path} does not say ${String(pattern)}: ${text}`);
}

describe('a plugin that closes something', () => {
  beforeEach(() => {
    write(
      'site/closing.js',
      "import { appendFileSync } from 'node:fs';",
      "import { definePlugin } from 'qpsmtpd/plugin';",
      `const note = (what) => appendFileSync('${join(folder, 'ends')}', what + ' ' + process.pid + '\\n');`,
      "export default definePlugin({ name: 'closing', about: '', hooks({ onClose }) {",
      "  note('open');",
      "  onClose(() => new Promise((resolve) => setTimeout(resolve, 10)).then(() => note('closed')));",
      '  return {};',
      '} });',
    );
    write('config/plugins', 'greet', 'closing', 'rcpt_ok', 'queue/discard');
  });
  const noted = async (): Promise<Record<string, string[]>> => {
    const lines = (await readFile(join(folder, 'ends'), 'utf8')).trim().split('\n');
    return { open: pidsAfter(lines, 'open '), closed: pidsAfter(lines, 'closed ') };
  };
  const pidsAfter = (lines: string[], word: string): string[] =>
    lines.flatMap((line) => (line.startsWith(word) ? [line.slice(word.length)] : [])).sort();

  test.each([1, 2])('has done so when the daemon with %i processes that serve has ended', async (workers) => {
    const { program } = await serve(workers);
    program.kill('SIGHUP');
    await program.err.find(/configuration read again|reload: done/);
    program.kill('SIGTERM');
    expect(await program.ended).toEqual({ code: 0, signal: null });
    const { open, closed } = await noted();
    expect(open).toHaveLength(2 * workers);
    expect(closed).toEqual(open);
  });

  test.each([['check'], ['plugin list']])('has done so after `%s`', async (command) => {
    const program = new RunningProgram(QPSMTPD, [...command.split(' '), '--config', join(folder, 'config')]);
    programs.push(program);
    expect(await program.ended).toEqual({ code: 0, signal: null });
    const { open, closed } = await noted();
    expect(open).toHaveLength(1);
    expect(closed).toEqual(open);
  });

  test('has done so when the daemon could not listen', async () => {
    const { port } = await serve();
    const second = [
      'serve',
      '--config',
      join(folder, 'config'),
      '--listen',
      `tcp://127.0.0.1:${port}`,
      '--workers',
      '1',
    ];
    const program = new RunningProgram(QPSMTPD, second);
    programs.push(program);
    expect(await program.ended).toEqual({ code: 75, signal: null });
    const { open, closed } = await noted();
    expect(open).toHaveLength(2);
    expect(closed).toHaveLength(1);
    expect(open).toContain(closed?.[0]);
  });
});
