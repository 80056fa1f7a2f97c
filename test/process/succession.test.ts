/** SIGUSR2: a daemon starts its successor, which serves on the same sockets before the old one lets go of them. */

import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../free-port.ts';
import { compilePrograms, type CompiledPrograms } from './compiled-program.ts';
import { greetingOf, LineClient, RunningProgram } from './running-program.ts';

let programs: CompiledPrograms;
let folder: string;
let pidFile: string;
let running: RunningProgram[] = [];

beforeAll(() => {
  programs = compilePrograms();
}, 120_000);
afterAll(() => programs.remove());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-succession-'));
  pidFile = join(folder, 'pid');
  chmodSync(folder, 0o755);
  write('greeting', 'first');
});
afterEach(async () => {
  for (const program of running) {
    const pid = readPid();
    // The successors are none of our children: they end with the file.
    if (pid !== undefined) process.kill(pid, 'SIGQUIT');
    await program.dispose();
  }
  running = [];
  rmSync(folder, { recursive: true, force: true });
});

const write = (name: string, text = ''): void => writeFileSync(join(folder, name), `${text}\n`);

function readPid(): number | undefined {
  try {
    return Number(readFileSync(pidFile, 'latin1'));
  } catch {
    return undefined;
  }
}

function serve(workers: number, ...more: string[]): RunningProgram {
  const given = more.includes('--listen') ? [] : ['--listen', 'tcp://127.0.0.1:0'];
  const options = ['--config', folder, ...given, '--workers', `${workers}`, '--pid-file', pidFile, ...more];
  const program = new RunningProgram(programs.path('qpsmtpd'), ['serve', ...options]);
  running.push(program);
  return program;
}

/** Sends USR2 to the daemon in the pid file, and resolves with what its successor says of itself. */
async function restart(program: RunningProgram): Promise<RegExpExecArray> {
  const seen = program.err.all.length;
  process.kill(readPid()!, 'SIGUSR2');
  return program.err.find(/process (\d+) has taken the place of this one/, seen);
}

/** The old process may still take a client or two. */
const serves = (port: number, greeting: string): Promise<void> =>
  expect.poll(async () => (await greetingOf(port))[1]).toBe(greeting);

describe.each([1, 2])('USR2 with %d processes that serve', (workers) => {
  it('the successor serves by the new configuration on the same port; sessions of the old one go on', async () => {
    const program = serve(workers, '--grace', '600');
    const port = await program.port();
    const before = new LineClient(port);
    await before.reply();
    expect(await before.say('DATA')).toBe('354 go');
    write('greeting', 'second');
    const [, successor] = await restart(program);
    expect(readPid()).toBe(Number(successor));
    await serves(port, 'second');
    expect(await before.say('.')).toBe('250 queued');
    expect(await before.say('QUIT')).toBe('221 bye');
    await program.exited;
    expect(readPid()).toBe(Number(successor));
    process.kill(Number(successor), 'SIGTERM');
    await program.ended;
    expect(readPid()).toBeUndefined();
  });

  it('may come again and again: each daemon hands on to the next', async () => {
    const program = serve(workers);
    const port = await program.port();
    const pids = new Set([readPid()]);
    for (let round = 0; round < 2; round++) pids.add(Number((await restart(program))[1]));
    expect(pids.size).toBe(3);
    expect((await greetingOf(port))[1]).toBe('first');
  });

  it('a successor that cannot start leaves the old one serving, which says why', async () => {
    const program = serve(workers);
    const port = await program.port();
    const pid = readPid();
    write('broken');
    program.kill('SIGUSR2');
    await program.err.find(/restart failed, this process goes on serving: .*broken:3: nothing works/);
    expect((await greetingOf(port))[1]).toBe('first');
    expect(readPid()).toBe(pid);
    unlinkSync(join(folder, 'broken'));
    write('greeting', 'second');
    await restart(program);
    await serves(port, 'second');
  });

  it('a second USR2 while the successor starts changes nothing, and HUP is carried out by the successor', async () => {
    const program = serve(workers);
    const port = await program.port();
    write('hold');
    const seen = program.err.all.length;
    program.kill('SIGUSR2');
    await program.err.find(/loading is held/, seen);
    // The successor has read its configuration already.
    write('greeting', 'second');
    program.kill('SIGUSR2');
    await program.err.find(/SIGUSR2 ignored: process \d+ is just starting/);
    program.kill('SIGHUP');
    unlinkSync(join(folder, 'hold'));
    await program.err.find(/has taken the place of this one/);
    await program.err.find(/configuration read again|reload: done/);
    await serves(port, 'second');
  });

  it.each(['SIGTERM', 'SIGQUIT'] as const)('%s while the successor starts ends both', async (signal) => {
    const program = serve(workers);
    await program.port();
    write('hold');
    const seen = program.err.all.length;
    program.kill('SIGUSR2');
    await program.err.find(/loading is held/, seen);
    program.kill(signal);
    // The streams are closed when the last process that holds them has ended.
    expect((await program.ended).code).toBe(0);
    expect(readPid()).toBeUndefined();
  });

  it('HUP that came while a successor failed to start is carried out by the old one', async () => {
    const program = serve(workers);
    const port = await program.port();
    write('hold');
    const seen = program.err.all.length;
    program.kill('SIGUSR2');
    const line = await program.err.find(/process (\d+) is being started/, seen);
    await program.err.find(/loading is held/, seen);
    write('greeting', 'second');
    program.kill('SIGHUP');
    unlinkSync(join(folder, 'hold'));
    process.kill(Number(line[1]), 'SIGKILL');
    await program.err.find(/restart failed, this process goes on serving: it was ended by SIGKILL/);
    await program.err.find(/configuration read again|reload: done/);
    await serves(port, 'second');
  });

  it('comes during the start: carried out after it', async () => {
    write('hold');
    const program = serve(workers);
    await program.err.find(/loading is held/);
    program.kill('SIGUSR2');
    unlinkSync(join(folder, 'hold'));
    await program.err.find(/has taken the place of this one/);
    expect((await greetingOf(await program.port()))[1]).toBe('first');
  });

  it('new lines of `listeners` are bound, and the sockets of those that are gone are closed', async () => {
    const free = await freePort();
    write('listeners', 'tcp://127.0.0.1:0\ntcp://127.0.0.2:0');
    const options = ['--config', folder, '--workers', `${workers}`, '--pid-file', pidFile];
    const program = new RunningProgram(programs.path('qpsmtpd'), ['serve', ...options]);
    running.push(program);
    const kept = await program.port();
    const [, dropped] = await program.out.find(/tcp:\/\/127\.0\.0\.2:(\d+)/);
    write('listeners', `tcp://127.0.0.1:0\ntcp://127.0.0.1:${free}`);
    await restart(program);
    await program.err.find(/nobody listens on tcp:\/\/127\.0\.0\.2:0 any more/);
    expect((await greetingOf(kept))[1]).toBe('first');
    expect((await greetingOf(free))[1]).toBe('first');
    await program.exited;
    const client = connect({ port: Number(dropped), host: '127.0.0.2' });
    await expect(once(client, 'connect')).rejects.toThrow('ECONNREFUSED');
  });

  it('is refused where the pid file cannot be replaced', async () => {
    if (process.getuid?.() !== 0) return;
    const closed = join(folder, 'run');
    mkdirSync(closed);
    const program = serve(workers, '--pid-file', join(closed, 'pid'), '--user', 'nobody');
    const port = await program.port();
    program.kill('SIGUSR2');
    await program.err.find(/SIGUSR2 refused: the pid file \S+ cannot be replaced by user nobody/);
    expect((await greetingOf(port))[1]).toBe('first');
  });
});
