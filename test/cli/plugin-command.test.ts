import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileServer, type CompiledServer } from '../process/hostile/compiled-server.ts';
import { PATIENCE_MS } from '../patience.ts';

let server: CompiledServer;
let folder: string;

beforeAll(() => {
  server = compileServer();
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-plugin-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(server.root, join(folder, 'node_modules/qpsmtpd'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  server.remove();
});

function qpsmtpd(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [server.program, ...words], {
    cwd: folder,
    encoding: 'utf8',
    timeout: PATIENCE_MS,
  });
  return { code: status, out: stdout.trimEnd(), err: stderr.trimEnd() };
}

describe('qpsmtpd plugin new', () => {
  test('writes a plugin, its test and a dialogue; both pass as they are', () => {
    const { code, out } = qpsmtpd('plugin', 'new', 'no_spam', '--language', 'js');
    expect(code).toBe(0);
    expect(out).toContain('wrote no_spam.js\nwrote no_spam.test.js\nwrote no_spam.txt\n');
    expect(readFileSync(join(folder, 'no_spam.js'), 'utf8').split('\n').length).toBeLessThanOrEqual(25);
    const run = spawnSync(process.execPath, ['--test', '--test-reporter=tap', 'no_spam.test.js'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(run.stdout + run.stderr).toMatch(/^# pass 1$/m);
    expect(qpsmtpd('plugin', 'test', 'no_spam.js')).toEqual({
      code: 0,
      out: '1 dialogues, all as expected',
      err: '',
    });
  });

  test('is typed: a hook that does not exist is an error for the compiler', () => {
    const text = readFileSync(join(folder, 'no_spam.js'), 'utf8');
    expect(text).toMatch(/^\/\/ @ts-check/);
    writeFileSync(join(folder, 'typed.js'), text.replace('mail({', 'mial({'));
    const api = resolve(import.meta.dirname, '../../bindings/plugin/index.ts');
    const compilerOptions = {
      noEmit: true,
      checkJs: true,
      allowJs: true,
      strict: true,
      target: 'es2023',
      module: 'nodenext',
      types: [],
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      paths: { 'qpsmtpd/plugin': [api] },
    };
    const files = ['typed.js', 'no_spam.js'];
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    const tsc = join(server.root, 'node_modules/.bin/tsc');
    const { stdout } = spawnSync(tsc, ['-p', folder], { encoding: 'utf8' });
    expect(stdout).toMatch(/typed\.js\(.*mial/);
    expect(stdout).not.toContain('no_spam.js(');
  });

  test.each([
    [[], 'plugin new takes one name'],
    [['a', 'b'], 'plugin new takes one name'],
    [['../evil'], '"../evil" is no plugin name'],
    [['x', '--language', 'perl'], '--language: "perl" is neither js nor ts'],
  ])('refuses %j with 64', (words, message) => {
    const { code, err } = qpsmtpd('plugin', 'new', ...words);
    expect(code).toBe(64);
    expect(err).toContain(message);
  });

  test('overwrites nothing', () => {
    writeFileSync(join(folder, 'mine.js'), 'mine');
    const { code, err } = qpsmtpd('plugin', 'new', 'mine', '--language', 'js');
    expect(code).toBe(64);
    expect(err).toContain('mine.js is already there');
    expect(readFileSync(join(folder, 'mine.js'), 'utf8')).toBe('mine');
    expect(existsSync(join(folder, 'mine.txt'))).toBe(false);
  });
});

describe('qpsmtpd plugin test', () => {
  test('says where a dialogue went another way, and exits with 1', () => {
    writeFileSync(join(folder, 'no_spam.js.bak'), '');
    writeFileSync(
      join(folder, 'no_spam.other.txt'),
      '# another one\n\nS: 220 *\nC: HELO x.example\nS: 250 *\nC: MAIL FROM:<a@spam.example>\nS: 250 *\n',
    );
    const { code, out } = qpsmtpd('plugin', 'test', 'no_spam.js');
    rmSync(join(folder, 'no_spam.other.txt'));
    expect(code).toBe(1);
    expect(out).toBe(
      [
        `${join(folder, 'no_spam.other.txt')}:7: another one`,
        '  expected  250 *',
        '  heard     550 We take no mail from there (#5.7.1)',
        '2 dialogues, 1 not as expected',
      ].join('\n'),
    );
  });

  test.each([
    ['S: 220 *\nC: EHLO x\nS: 250-*\nC: QUIT', 'expected  nothing more'],
    ['S: 220 *\nC: QUIT\nS: 221 *\nS: 250 *', 'heard     [EOF]'],
    ['S: 220 *\nhello', 'starts with none of'],
    ['S: 220 *\nC| \\q', '\\q is none of'],
    ['# x\n# plugins: none_such\nS: 220 *', 'Plugin none_such not found'],
  ])('a dialogue that goes %j', (text, problem) => {
    writeFileSync(join(folder, 'no_spam.bad.txt'), `${text}\n`);
    const { code, out } = qpsmtpd('plugin', 'test', 'no_spam.bad.txt');
    rmSync(join(folder, 'no_spam.bad.txt'));
    expect(code).toBe(1);
    expect(out).toContain(problem);
  });

  test.each([
    [[], 'plugin test takes the path'],
    [['none.js'], 'none.js: no such file'],
    [['mine.js'], 'no dialogue beside it'],
  ])('refuses %j with 64', (words, message) => {
    const { code, err } = qpsmtpd('plugin', 'test', ...words);
    expect(code).toBe(64);
    expect(err).toContain(message);
  });
});

describe('qpsmtpd plugin list', () => {
  test('shows what is loaded, with its options, from where, and the order at each hook', () => {
    const config = join(folder, 'config');
    mkdirSync(config);
    const files = {
      plugins: 'badmailfrom reject naughty\nno_spam bad.example timeout 5\nrcpt_ok\nqueue/discard',
      logging: 'logging/warn LOGERROR',
      plugin_dirs: folder,
      spool_dir: join(folder, 'spool'),
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(config, name), `${text}\n`);
    const { code, out } = qpsmtpd('plugin', 'list', '--config', config);
    expect(code).toBe(0);
    expect(out).toContain('   1  logging/warn  (level 3, timestamp auto)\n');
    expect(out).toContain('   2  badmailfrom  (reject naughty, on_error defer)\n');
    expect(out).toContain(
      `   3  no_spam  (domain bad.example, reject 1, reject_type perm, timeout 5)\n      Refuses senders at one domain.\n      ${join(folder, 'no_spam.js')}\n`,
    );
    expect(out).toMatch(/^ {3}4 {2}rcpt_ok\n {6}Accepts .*\n {6}stands after badmailfromto, badrcptto, .*$/m);
    expect(out).toMatch(/^ {2}mail +badmailfrom, no_spam$/m);
    expect(out).toMatch(/^ {2}rcpt +rcpt_ok$/m);
    expect(out).not.toMatch(/^ {2}vrfy/m);
  });
});

describe('qpsmtpd plugin', () => {
  test('prints its help, and refuses what it does not know', () => {
    expect(qpsmtpd('plugin', '--help').out).toContain('usage: qpsmtpd plugin new NAME');
    expect(qpsmtpd('help', 'plugin').out).toContain('usage: qpsmtpd plugin new NAME');
    expect(qpsmtpd('plugin')).toMatchObject({ code: 64 });
    expect(qpsmtpd('plugin', 'lst').err).toContain('did you mean list?');
  });
});
