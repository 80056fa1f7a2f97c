/** What keeps a daemon from starting, as an operator reads it: one line with the path, the user and what to do. */

import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AS_OURSELVES, RunningProgram } from '../process/running-program.ts';

const BIN = resolve(import.meta.dirname, '../../bin');
/** A user without an account. */
const STRANGER = 54_321;
const isRoot = process.getuid?.() === 0;

let folder: string;
let config: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-refused-'));
  chmodSync(folder, 0o755);
  config = join(folder, 'config');
  mkdirSync(config);
  write('me', 'mx.test');
  write('rcpthosts', 'example.test');
  write('plugins', 'rcpt_ok');
  write('spool_dir', join(tmpdir(), `qpsmtpd-refused-spool-${process.pid}`));
});
afterEach(() => {
  for (const one of [folder, join(tmpdir(), `qpsmtpd-refused-spool-${process.pid}`)])
    rmSync(one, { recursive: true, force: true });
});

const write = (file: string, text: string): void => writeFileSync(join(config, file), `${text}\n`);

interface Outcome {
  readonly code: number | null;
  readonly err: string;
}

function run(
  args: readonly string[],
  uid?: number,
  { program = 'qpsmtpd', env = {}, cwd = '/' } = {},
): Outcome {
  const { status, stderr } = spawnSync(process.execPath, [join(BIN, `${program}.cjs`), ...args], {
    encoding: 'utf8',
    timeout: 60_000,
    cwd,
    env: { ...process.env, ...env },
    ...(uid !== undefined && { uid, gid: uid }),
  });
  return { code: status, err: stderr };
}

const LISTEN = ['--listen', 'tcp://127.0.0.1:0'];
const serve = (listen: readonly string[], workers: number): string[] => [
  'serve',
  '--config',
  config,
  ...listen,
  '--workers',
  `${workers}`,
];

describe.runIf(isRoot)('a user who may not', () => {
  test.each([
    ['check', ['check']],
    ['serve in one process', ['serve', ...LISTEN, '--workers', '1']],
    ['serve with workers', ['serve', ...LISTEN, '--workers', '2']],
    ['plugin list', ['plugin', 'list']],
    ['karma', ['karma', 'list']],
  ])('enter the configuration directory is told so in one line: %s', (_, words) => {
    chmodSync(config, 0o700);
    const line = `${config}: the configuration can't be read: user ${STRANGER} may not enter the directory ${config} (EACCES) (let that user read and enter it, by chown or chmod, or name another directory)\n`;
    expect(run([...words, '--config', config], STRANGER)).toEqual({ code: 78, err: line });
    expect(run(words, STRANGER, { env: { QPSMTPD_CONFIG: config } }).err).toBe(line);
  });

  test('enter the directory after root was given up is named, and not root', () => {
    chmodSync(config, 0o700);
    for (const workers of [1, 2]) {
      const { code, err } = run([...serve(LISTEN, workers), '--user', 'nobody']);
      expect(err).toMatch(/^\S+: the configuration can't be read: user nobody may not enter .*\n$/);
      expect(code).toBe(78);
    }
  });

  test('enter a directory above the configuration is told which', () => {
    chmodSync(folder, 0o700);
    const { code, err } = run(['check', '--config', config], STRANGER);
    expect(err).toMatch(new RegExp(`^${config}: .* may not enter the directory ${folder} .*\\n$`));
    expect(code).toBe(78);
  });

  test.each([1, 2])('write beside a socket is told where, with %i processes that serve', (workers) => {
    const { code, err } = run(serve(['--listen', `unix:${folder}/socket`], workers), STRANGER);
    expect(err).toBe(
      `cannot listen on unix:${folder}/socket: user ${STRANGER} may not write to the directory ${folder} (EACCES) (let that user write there, or name a path in another directory)\n`,
    );
    expect(code).toBe(71);
  });

  test('remove a socket that was left behind is told where', async () => {
    const socket = await leftBehind();
    chmodSync(socket, 0o777);
    const { code, err } = run(serve(['--listen', `unix:${socket}`], 1), STRANGER);
    expect(err).toMatch(/^cannot listen on unix:\S+: user 54321 may not write to the directory \S+ .*\n$/);
    expect(code).toBe(71);
    expect(existsSync(socket)).toBe(true);
  });

  test("open somebody else's socket leaves it alone: a daemon may listen there", async () => {
    const open = join(folder, 'open');
    mkdirSync(open);
    chmodSync(open, 0o777);
    const socket = join(open, 'socket');
    const server = createServer();
    await new Promise<void>((listening) => server.listen(socket, listening));
    chmodSync(socket, 0o600);
    const { code, err } = run(serve(['--listen', `unix:${socket}`], 1), STRANGER);
    expect(err).toMatch(/^\S+ is a socket that user 54321 may not open \(EACCES\): .*\n$/);
    expect(code).toBe(71);
    expect(existsSync(socket)).toBe(true);
    server.close();
  });

  test.each([
    ['sample', 77, /^\S+: user 54321 may not write to the directory \S+ \(EACCES\) .*\n$/],
    ['tls-cert', 77, /^\S+: user 54321 may not write to the directory \S+ \(EACCES\) .*\n$/],
    ['plugin new mine', 64, /^\S+ can't be written: user 54321 may not write to the directory \S+ .*\n$/],
  ])('write into the working directory is told so: %s', (words, code, line) => {
    const outcome = run(words.split(' '), STRANGER, { cwd: folder });
    expect(outcome.err).toMatch(line);
    expect(outcome.code).toBe(code);
  });

  test('write the pid file is told where', () => {
    const { code, err } = run([...serve(LISTEN, 1), '--pid-file', `${folder}/pid`], STRANGER);
    expect(err).toMatch(
      /^\S+: cannot write the pid file: user 54321 may not write to the directory \S+ .*\n$/,
    );
    expect(code).toBe(78);
  });
});

test.each([1, 2])('a socket in a directory that does not exist, with %i processes that serve', (workers) => {
  const socket = `unix:${folder}/none/socket`;
  const { code, err } = run([...serve(['--listen', socket], workers), '--user', 'root']);
  expect(err).toMatch(
    new RegExp(
      `^cannot listen on ${socket}: the directory ${folder}/none does not exist \\(make it, for user .*\\)\\n$`,
    ),
  );
  expect(code).toBe(71);
});

test('a socket below a file', () => {
  const socket = `unix:${config}/me/socket`;
  const { code, err } = run([...serve(['--listen', socket], 1), '--user', 'root']);
  expect(err).toBe(`cannot listen on ${socket}: ${config}/me is no directory (name a path in a directory)\n`);
  expect(code).toBe(71);
});

describe.runIf(isRoot)('root', () => {
  test.each([1, 2])('must say as whom the daemon runs, with %i processes that serve', (workers) => {
    expect(run(serve(LISTEN, workers))).toEqual({
      code: 77,
      err: 'started as root, and nobody said as which user to run (give --user NAME; --user root insists on root)\n',
    });
  });

  test.each([1, 2])('may insist, with %i processes that serve', async (workers) => {
    const program = new RunningProgram(join(BIN, 'qpsmtpd.cjs'), [
      ...serve(LISTEN, workers),
      '--user',
      'root',
    ]);
    try {
      expect(await program.port()).toBeGreaterThan(0);
    } finally {
      await program.dispose();
    }
  });

  test('who starts the forkserver runs it as smtpd, as in Perl', () => {
    const { code, err } = run(['-p', '0', '-l', '127.0.0.1'], undefined, { program: 'qpsmtpd-forkserver' });
    // Debian has no such user; where there is one, it may not be able to read a configuration.
    expect(err).toMatch(/there is no user smtpd|user smtpd/);
    expect(code).not.toBe(0);
  });

  test('may try the sample out, and is told that this is for trying', async () => {
    const program = new RunningProgram(join(BIN, 'qpsmtpd.cjs'), ['sample', ...LISTEN], { cwd: folder });
    try {
      await program.port();
      await program.err.find(/^the sample runs as root: /);
    } finally {
      await program.dispose();
    }
  });

  test('another user needs no --user', async () => {
    chownSync(config, STRANGER, STRANGER);
    const { err } = run([...serve(LISTEN, 1), '--user', 'root'], STRANGER);
    expect(err).toContain('cannot run as root');
  });
});

describe('code of a plugin that is wrong is named with its line', () => {
  const BEGIN = "import { definePlugin } from 'qpsmtpd/plugin';";
  const DEFINITION = "export default definePlugin({ name: 'wrong', about: '', hooks: {} });";

  test.each<[string, readonly string[], string]>([
    ['a syntax error', [BEGIN, DEFINITION, '', 'const x = ;'], "can't be loaded: .* \\(SITE/wrong.mjs:4\\)"],
    [
      'one in a file that it imports',
      [BEGIN, "import './part.mjs';", DEFINITION],
      "can't be loaded: .* \\(SITE/part.mjs:2\\)",
    ],
    ['an exception', [BEGIN, '', 'null.x;', DEFINITION], "can't be loaded: .* \\(SITE/wrong.mjs:3\\)"],
    [
      'an exception while it is set up',
      [
        BEGIN,
        "export default definePlugin({ name: 'wrong', about: '', hooks() {",
        '  return nothing;',
        '} });',
      ],
      'could not be set up: nothing is not defined \\(SITE/wrong.mjs:3\\)',
    ],
  ])('%s', (_, lines, message) => {
    const site = join(folder, 'site');
    mkdirSync(site);
    writeFileSync(join(site, 'wrong.mjs'), `${lines.join('\n')}\n`);
    writeFileSync(join(site, 'part.mjs'), 'export const one = 1;\nexport const two = ;\n');
    write('plugin_dirs', site);
    write('plugins', 'wrong');
    const { code, err } = run(['check', '--config', config, ...AS_OURSELVES]);
    expect(err).toMatch(new RegExp(`^\\S+/plugins:1: wrong: .*${message.replace('SITE', site)}\\n$`));
    expect(code).toBe(78);
  });
});

test('a private key that everybody may read is told by `check`', () => {
  expect(run(['tls-cert', '--out', folder])).toMatchObject({ code: 0 });
  const [certificate, key] = ['crt', 'key'].map((kind) => join(folder, `qpsmtpd-server.${kind}`));
  chmodSync(folder, 0o755);
  write('plugins', `tls ${certificate} ${key}\nrcpt_ok`);
  expect(run(['check', '--config', config, ...AS_OURSELVES])).toEqual({ code: 0, err: '' });
  chmodSync(key!, 0o644);
  const { code, err } = run(['check', '--config', config, ...AS_OURSELVES]);
  expect(err).toContain(
    `${key}: every user of this host may read or write the private key (chmod o= ${key})`,
  );
  expect(code).toBe(0);
});

/** A socket file without anybody who listens on it. */
async function leftBehind(): Promise<string> {
  const socket = join(folder, 'socket');
  const holder = spawnSync(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ]);
  expect(holder.signal).toBe('SIGKILL');
  return socket;
}
