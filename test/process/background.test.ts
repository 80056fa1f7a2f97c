/** `--detach`: what the program that is called says and leaves, and what goes on after it. */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compilePrograms, type CompiledPrograms } from './compiled-program.ts';
import { greetingOf, RunningProgram, type RunOptions } from './running-program.ts';

let programs: CompiledPrograms;
let folder: string;
let pidFile: string;

beforeAll(() => {
  programs = compilePrograms();
}, 120_000);
afterAll(() => programs.remove());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-background-'));
  pidFile = join(folder, 'pid');
  writeFileSync(join(folder, 'greeting'), 'first\n');
});
afterEach(async () => {
  if (existsSync(pidFile)) process.kill(pidOf(), 'SIGQUIT');
  await expect.poll(() => existsSync(pidFile)).toBe(false);
  rmSync(folder, { recursive: true, force: true });
});

const pidOf = (): number => Number(readFileSync(pidFile, 'latin1'));

function detach(workers: number, more: readonly string[] = [], run: RunOptions = {}): RunningProgram {
  const listen = more.includes('--listen') ? [] : ['--listen', 'tcp://127.0.0.1:0'];
  const options = ['--config', folder, ...listen, '--workers', `${workers}`, '--pid-file', pidFile, ...more];
  return new RunningProgram(programs.path('qpsmtpd'), ['serve', '--detach', ...options], run);
}

/** Fields of /proc/PID/stat after the name: 0 state, 1 parent, 2 process group, 3 session, 4 terminal. */
const statOf = (pid: number): readonly string[] =>
  readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');

/** The old process may still take a client or two. */
const serves = (port: number, greeting: string): Promise<void> =>
  expect.poll(async () => (await greetingOf(port))[1]).toBe(greeting);

describe.each([1, 2])('serve --detach with %d processes that serve', (workers) => {
  it('ends with 0 when the daemon is ready, which has a session and a null device of its own', async () => {
    const launcher = detach(workers);
    const port = await launcher.port();
    // Its output is closed: no process holds it any more.
    expect(await launcher.ended).toEqual({ code: 0, signal: null });
    const pid = pidOf();
    expect(pid).not.toBe(launcher.pid);
    const [, greeting, serving] = await greetingOf(port);
    expect(greeting).toBe('first');
    expect(Number(statOf(pid)[3])).toBe(pid);
    expect(Number(statOf(pid)[4])).toBe(0);
    for (const process of [pid, Number(serving)])
      for (const fd of [0, 1, 2]) expect(readlinkSync(`/proc/${process}/fd/${fd}`)).toBe('/dev/null');
  });

  it('ends with the exit code and the message of a daemon that cannot start', async () => {
    writeFileSync(join(folder, 'broken'), '');
    const launcher = detach(workers);
    expect(await launcher.ended).toEqual({ code: 78, signal: null });
    expect(launcher.err.all).toEqual([`${join(folder, 'broken')}:3: nothing works (remove it)`]);
    expect(existsSync(pidFile)).toBe(false);
  });

  it('ends the daemon that is still starting when it is ended itself', async () => {
    writeFileSync(join(folder, 'hold'), '');
    const launcher = detach(workers);
    await launcher.err.find(/loading is held/);
    launcher.kill('SIGTERM');
    expect((await launcher.ended).code).toBe(0);
    expect(existsSync(pidFile)).toBe(false);
  });

  it('and its successor take over from each other by USR2', async () => {
    const launcher = detach(workers);
    const port = await launcher.port();
    await launcher.ended;
    const pid = pidOf();
    writeFileSync(join(folder, 'greeting'), 'second\n');
    process.kill(pid, 'SIGUSR2');
    await expect.poll(pidOf).not.toBe(pid);
    await serves(port, 'second');
  });
});

describe('serve --detach and the log', () => {
  const isLost = 'the log goes to the standard error stream, which is closed now';

  it.each([
    ['no plugin for the log', {}, true],
    ['plugins that write to that stream', { logging: 'logging/warn 6\nlogging/json\n' }, true],
    [
      'a plugin that writes to a file',
      { logging: 'logging/warn\nlogging/json /var/log/qpsmtpd.json\n' },
      false,
    ],
    ['a plugin of the list of all', { plugins: 'rcpt_ok\nlogging/syslog\n' }, false],
  ] as const)('with %s', async (_, files, isTold) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const launcher = detach(1);
    expect((await launcher.ended).code).toBe(0);
    expect(launcher.err.all.some((line) => line.startsWith(isLost))).toBe(isTold);
  });
});

describe('serve --detach and its starter', () => {
  it.each([
    ['--listen', 'fd:3', 'fd:3 is a socket of the process that is called'],
    ['--listen', 'fdname:smtp', 'fdname:smtp is a socket of the process that is called'],
    ['--ready-fd', '3', '--ready-fd 3 is a descriptor of the process that is called'],
  ])('%s %s is refused: it would be another descriptor in the background', async (option, value, problem) => {
    const launcher = detach(1, [option, value]);
    expect((await launcher.ended).code).toBe(64);
    expect(launcher.err.all.join('\n')).toContain(`--detach: ${problem}`);
  });

  it('sockets that systemd has passed are refused, though nobody names them', async () => {
    const shell = 'export LISTEN_FDS=1 LISTEN_PID=$$';
    const options = ['serve', '--detach', '--config', folder];
    const launcher = new RunningProgram(programs.path('qpsmtpd'), options, { shell });
    expect((await launcher.ended).code).toBe(64);
    expect(launcher.err.all.join('\n')).toContain('--detach: the sockets that were passed are those');
  });

  it('the watchdog of systemd is fed by the daemon, which is not the process that systemd has started', async () => {
    const told = join(folder, 'told');
    mkdirSync(join(folder, 'bin'));
    writeFileSync(join(folder, 'bin/systemd-notify'), `#!/bin/sh\necho "$@" >> ${told}\n`, { mode: 0o755 });
    const variables = `PATH=${folder}/bin:$PATH NOTIFY_SOCKET=/none WATCHDOG_PID=$$ WATCHDOG_USEC=200000`;
    const launcher = detach(1, [], { shell: `export ${variables}` });
    expect((await launcher.ended).code).toBe(0);
    await expect.poll(() => existsSync(told) && readFileSync(told, 'utf8')).toContain('WATCHDOG=1');
    expect(readFileSync(told, 'utf8')).toContain(`MAINPID=${pidOf()}`);
  });
});
