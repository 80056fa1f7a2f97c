/** `--detach`: what the program that is called says and leaves, and what goes on after it. */

import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compilePrograms, type CompiledPrograms } from './compiled-program.ts';
import { greetingOf, RunningProgram } from './running-program.ts';

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

function detach(workers: number, listen = 'tcp://127.0.0.1:0'): RunningProgram {
  const options = ['--config', folder, '--listen', listen, '--workers', `${workers}`, '--pid-file', pidFile];
  return new RunningProgram(programs.path('qpsmtpd'), ['serve', '--detach', ...options]);
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
