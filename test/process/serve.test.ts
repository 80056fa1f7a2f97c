import { chmodSync, mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compilePrograms, type CompiledPrograms } from './compiled-program.ts';
import { greetingOf, LineClient, RunningProgram } from './running-program.ts';

const PID = 2;
const LOCAL = 'tcp://127.0.0.1:0';

let programs: CompiledPrograms;
let configDir: string;
let running: RunningProgram[] = [];

// The compiler has the machine to itself only when nothing else runs.
beforeAll(() => {
  programs = compilePrograms();
}, 120_000);
afterAll(() => programs.remove());
beforeEach(() => {
  configDir = mkdtempSync(join(tmpdir(), 'qpsmtpd-process-'));
  chmodSync(configDir, 0o755);
  writeFileSync(join(configDir, 'greeting'), 'first\n');
});
afterEach(async () => {
  await Promise.all(running.map((program) => program.dispose()));
  running = [];
  rmSync(configDir, { recursive: true, force: true });
});

function serve(workers: number, ...more: string[]): RunningProgram {
  const options = ['--config', configDir, '--listen', LOCAL, '--workers', String(workers), ...more];
  const program = new RunningProgram(programs.path('qpsmtpd'), ['serve', ...options]);
  running.push(program);
  return program;
}

/** Asks for greetings until one satisfies `isRight`: which worker answers is for the kernel to say. */
async function greetingWhere(
  port: number,
  isRight: (words: readonly string[]) => boolean,
): Promise<readonly string[]> {
  for (;;) {
    const words = await greetingOf(port);
    if (isRight(words)) return words;
  }
}

const count = (program: RunningProgram, text: string): number =>
  program.err.all.filter((line) => line.includes(text)).length;

describe.each([1, 2])('qpsmtpd serve --workers %d', (workers) => {
  it('prints the bound port, serves, and leaves with 0 on TERM', async () => {
    const program = serve(workers);
    const line = await program.out.find(/^listening on tcp:\/\/127\.0\.0\.1:\d+, \d workers?$/);
    expect(line[0]).toContain(`${workers} worker`);
    const words = await greetingOf(await program.port());
    expect(words[3]).toBe(workers === 1 ? 'alone' : 'worker');
    program.kill('SIGTERM');
    expect(await program.ended).toEqual({ code: 0, signal: null });
  });

  it('lets transactions and idle sessions end after TERM, and leaves when the last is gone', async () => {
    const program = serve(workers, '--grace', '600');
    const port = await program.port();
    const busy = new LineClient(port);
    const idle = new LineClient(port);
    await Promise.all([busy.reply(), idle.reply()]);
    expect(await busy.say('DATA')).toBe('354 go');
    program.kill('SIGTERM');
    await program.err.find(/stopping/);
    expect(await busy.say('.')).toBe('250 queued');
    for (const client of [busy, idle]) expect(await client.say('QUIT')).toBe('221 bye');
    expect((await program.ended).code).toBe(0);
  });

  it('tells idle sessions 421 at the end of the grace period', async () => {
    const program = serve(workers, '--grace', '1');
    const idle = new LineClient(await program.port());
    await idle.reply();
    program.kill('SIGTERM');
    expect(await idle.reply()).toBe('421 stopping');
    expect((await program.ended).code).toBe(0);
  });

  it('exits at once on the second TERM, whatever is going on', async () => {
    const program = serve(workers, '--grace', '600');
    const busy = new LineClient(await program.port());
    await busy.reply();
    await busy.say('DATA');
    program.kill('SIGTERM');
    await program.err.find(/stopping/);
    program.kill('SIGTERM');
    expect((await program.ended).code).toBe(0);
    await busy.closed;
  });

  it.each(['serving', 'stopping'])('ends at once on QUIT while it is %s', async (state) => {
    const pidFile = join(configDir, 'qpsmtpd.pid');
    const program = serve(workers, '--grace', '600', '--pid-file', pidFile);
    const busy = new LineClient(await program.port());
    await busy.reply();
    await busy.say('DATA');
    if (state === 'stopping') {
      program.kill('SIGTERM');
      await program.err.find(/stopping/);
    }
    program.kill('SIGQUIT');
    expect(await program.ended).toEqual({ code: 0, signal: null });
    await busy.closed;
    expect(() => readFileSync(pidFile)).toThrow('ENOENT');
  });

  it('gives the start up on QUIT', async () => {
    writeFileSync(join(configDir, 'hold'), '');
    const program = serve(workers);
    await program.err.find(/loading is held/);
    program.kill('SIGQUIT');
    expect(await program.ended).toEqual({ code: 0, signal: null });
  });

  it('lets clients in for another while after TERM, where it is told to', async () => {
    const program = serve(workers, '--drain-delay', '600');
    const port = await program.port();
    program.kill('SIGTERM');
    await program.err.find(/health checks are told 421 from now on; clients are let in for another 600 s/);
    await greetingWhere(port, ([, greeting]) => greeting === 'last');
    program.kill('SIGTERM');
    expect((await program.ended).code).toBe(0);
  });

  it('stops when that while is over', async () => {
    const program = serve(workers, '--drain-delay', '1');
    await program.port();
    program.kill('SIGTERM');
    await program.err.find(/stopping: sessions have 30 s to end/);
    expect((await program.ended).code).toBe(0);
  });

  it('stops before that while is over where faults add up', async () => {
    // Faults of workers are for their primary, which replaces them.
    if (workers > 1) return;
    const program = serve(workers, '--drain-delay', '600');
    const client = new LineClient(await program.port());
    await client.reply();
    program.kill('SIGTERM');
    await program.err.find(/health checks are told 421/);
    for (let i = 0; i < 11; i++) await client.say('THROW');
    await program.err.find(/stopping: sessions have 30 s to end/);
    expect((await program.ended).code).toBe(70);
  });

  it('closes the rest at the end of the grace period', async () => {
    const program = serve(workers, '--grace', '1');
    const busy = new LineClient(await program.port());
    await busy.reply();
    await busy.say('DATA');
    program.kill('SIGINT');
    await busy.closed;
    expect((await program.ended).code).toBe(0);
  });

  it('serves new connections by the new configuration after HUP', async () => {
    const program = serve(workers);
    const port = await program.port();
    const before = new LineClient(port);
    await before.reply();
    await before.say('DATA');
    writeFileSync(join(configDir, 'greeting'), 'second\n');
    program.kill('SIGHUP');
    await program.err.find(/configuration read again|reload: done/);
    expect((await greetingOf(port))[1]).toBe('second');
    expect(await before.say('.')).toBe('250 queued');
    before.close();
  });

  it('goes on with the old configuration when HUP finds a broken one', async () => {
    const program = serve(workers);
    const port = await program.port();
    writeFileSync(join(configDir, 'broken'), '');
    program.kill('SIGHUP');
    const line = await program.err.find(/reload failed.*/);
    expect(line[0]).toContain('broken:3: nothing works');
    expect((await greetingOf(port))[1]).toBe('first');
  });

  it('carries out a HUP that came during the start', async () => {
    const hold = join(configDir, 'hold');
    writeFileSync(hold, '');
    const program = serve(workers);
    await program.err.find(/loading is held/);
    // The first worker has read its configuration already.
    writeFileSync(join(configDir, 'greeting'), 'second\n');
    program.kill('SIGHUP');
    unlinkSync(hold);
    const port = await program.port();
    await program.err.find(/configuration read again|reload: done/);
    expect((await greetingOf(port))[1]).toBe('second');
  });

  it('leaves with 0 on a TERM during the start', async () => {
    writeFileSync(join(configDir, 'hold'), '');
    const program = serve(workers);
    await program.err.find(/loading is held/);
    program.kill('SIGTERM');
    expect(await program.ended).toEqual({ code: 0, signal: null });
    expect(program.out.all).toEqual([]);
  });

  it('opens the logs again in every process on USR1, and never the inspector', async () => {
    const program = serve(workers);
    const port = await program.port();
    const pids = new Set<string>();
    while (pids.size < workers) pids.add((await greetingOf(port))[PID] ?? '');
    program.kill('SIGUSR1');
    for (const pid of pids) await program.err.find(new RegExp(`^${pid} opens its logs again`));
    // By hand too, unless the worker was begun with the option that has Node block the signal.
    const isDeaf = workers > 1 && process.allowedNodeEnvironmentFlags.has('--disable-sigusr1');
    for (const pid of pids) process.kill(Number(pid), 'SIGUSR1');
    if (isDeaf) program.kill('SIGUSR1');
    for (const pid of pids) await expect.poll(() => count(program, `${pid} opens its logs again`)).toBe(2);
    expect(program.err.all.join('\n')).not.toContain('Debugger listening');
  });

  it('opens the logs again after a start during which USR1 came', async () => {
    const hold = join(configDir, 'hold');
    writeFileSync(hold, '');
    const program = serve(workers);
    await program.err.find(/loading is held/);
    program.kill('SIGUSR1');
    unlinkSync(hold);
    await program.port();
    await program.err.find(/opens its logs again/);
    expect(program.err.all.join('\n')).not.toContain('Debugger listening');
  });

  it('says of a HUP that comes while it stops that it is ignored', async () => {
    const program = serve(workers);
    const busy = new LineClient(await program.port());
    await busy.reply();
    await busy.say('DATA');
    program.kill('SIGTERM');
    await program.err.find(/stopping/);
    for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) program.kill(signal);
    await program.err.find(/SIGHUP ignored: stopping/);
    await program.err.find(/SIGUSR2 ignored: stopping/);
    await program.err.find(/opens its logs again/);
    expect(await busy.say('.')).toBe('250 queued');
    busy.close();
    expect((await program.ended).code).toBe(0);
  });

  it('says with file and line what is wrong with the configuration, once, and exits with 78', async () => {
    writeFileSync(join(configDir, 'broken'), '');
    const program = serve(workers);
    expect((await program.ended).code).toBe(78);
    expect(program.err.all).toEqual([`${join(configDir, 'broken')}:3: nothing works (remove it)`]);
    expect(program.out.all).toEqual([]);
  });

  it('exits with 75 when the address is in use', async () => {
    const first = serve(1);
    const port = await first.port();
    const second = serve(workers, '--listen', `tcp://127.0.0.1:${port}`);
    expect((await second.ended).code).toBe(75);
  });

  it('keeps the pid file while it runs and refuses to run twice with 25', async () => {
    const pidFile = join(configDir, 'qpsmtpd.pid');
    const program = serve(workers, '--pid-file', pidFile);
    await program.port();
    expect(readFileSync(pidFile, 'latin1')).toBe(`${program.pid}\n`);
    const second = serve(workers, '--pid-file', pidFile);
    expect((await second.ended).code).toBe(25);
    expect(second.err.all).toEqual([`Found an already running qpsmtpd with pid ${program.pid}.`]);
    program.kill('SIGTERM');
    await program.ended;
    expect(() => readFileSync(pidFile)).toThrow('ENOENT');
  });

  it('survives exceptions and rejections that nobody catches', async () => {
    const program = serve(workers);
    const client = new LineClient(await program.port());
    await client.reply();
    await client.say('THROW');
    await client.say('REJECT');
    await program.err.find(/uncaught exception: Error: nobody catches this at /);
    await program.err.find(/unhandled rejection: Error: nobody awaits this at /);
    expect(await client.say('DATA')).toBe('354 go');
    client.close();
  });

  it.runIf(process.getuid?.() === 0)('gives up root before the configuration is read', async () => {
    const program = serve(workers, '--user', 'nobody');
    const words = await greetingOf(await program.port());
    const uid = Number(/^nobody:[^:]*:(\d+)/m.exec(readFileSync('/etc/passwd', 'latin1'))?.[1]);
    expect(words.slice(4).map(Number)).toEqual([uid, uid]);
    const status = readFileSync(`/proc/${program.pid}/status`, 'latin1');
    expect(status).toContain(`Uid:\t${uid}\t${uid}\t${uid}\t${uid}\n`);
    expect(/^Groups:(.*)$/m.exec(status)?.[1]?.trim().split(' ')).not.toContain('0');
  });
});

describe('qpsmtpd serve in one process', () => {
  it('drains and exits with 70 after more than ten uncaught exceptions in a minute', async () => {
    const program = serve(1);
    const client = new LineClient(await program.port());
    await client.reply();
    for (let i = 0; i < 11; i++) await client.say('THROW');
    expect((await program.ended).code).toBe(70);
  });
});

describe('qpsmtpd serve with workers', () => {
  it('replaces a worker that was killed and says what ended it', async () => {
    const program = serve(2);
    const port = await program.port();
    const victim = Number((await greetingOf(port))[PID]);
    process.kill(victim, 'SIGKILL');
    await program.err.find(new RegExp(`worker ${victim}: was ended by SIGKILL; replaced in 250 ms`));
    // Two pids other than the victim's answer: the survivor and the new one.
    const survivor = await greetingWhere(port, (words) => Number(words[PID]) !== victim);
    const other = (words: readonly string[]): boolean =>
      Number(words[PID]) !== victim && words[PID] !== survivor[PID];
    await greetingWhere(port, other);
  });

  it('serves from every worker', async () => {
    const program = serve(3);
    const port = await program.port();
    const pids = new Set<string>();
    while (pids.size < 3) pids.add((await greetingOf(port))[PID] ?? '');
    expect(pids.size).toBe(3);
  });

  it('refuses no connection while HUP exchanges the workers', async () => {
    const program = serve(2);
    const port = await program.port();
    let isDone = false;
    const greetings: string[] = [];
    const hammer = async (): Promise<void> => {
      while (!isDone) {
        const client = new LineClient(port);
        greetings.push(await client.reply());
        client.close();
        await client.closed;
      }
    };
    const hammers = [hammer(), hammer(), hammer()];
    for (let reload = 0; reload < 2; reload++) {
      const seen = program.err.all.length;
      program.kill('SIGHUP');
      await program.err.find(/reload: done/, seen);
    }
    isDone = true;
    await Promise.all(hammers);
    expect(greetings.length).toBeGreaterThan(10);
    expect(greetings.filter((greeting) => !/^(220|421) /.test(greeting))).toEqual([]);
  });

  it('holds --max-from-ip over all workers, and forgets the connections of a worker that died', async () => {
    const program = serve(2, '--max-from-ip', '4');
    const port = await program.port();
    const clients = Array.from({ length: 4 }, () => new LineClient(port));
    const greetings = await Promise.all(clients.map((client) => client.reply()));
    expect(greetings.every((greeting) => greeting.startsWith('220'))).toBe(true);
    expect(await new LineClient(port).reply()).toBe('421 too many');
    const elsewhere = new LineClient(port, '127.0.0.2');
    expect(await elsewhere.reply()).toMatch(/^220/);
    elsewhere.close();

    const victim = Number(greetings[0]?.split(' ')[PID]);
    const freed = greetings.filter((greeting) => Number(greeting.split(' ')[PID]) === victim).length;
    process.kill(victim, 'SIGKILL');
    await program.err.find(/was ended by SIGKILL/);
    const again = Array.from({ length: freed }, () => new LineClient(port));
    for (const client of again) expect(await client.reply()).toMatch(/^220/);
    expect(await new LineClient(port).reply()).toBe('421 too many');
    for (const client of [...clients, ...again]) client.close();
  });

  it('lets transactions end when the primary is killed, and leaves no worker behind', async () => {
    const program = serve(2);
    const client = new LineClient(await program.port());
    await client.reply();
    await client.say('DATA');
    program.kill('SIGKILL');
    expect(await client.say('.')).toBe('250 queued');
    client.close();
    // It closes its streams when the last process that holds them has ended.
    await program.ended;
  });

  it('replaces a worker with too many faults while its last transaction still goes on', async () => {
    const program = serve(2);
    const port = await program.port();
    const client = new LineClient(port);
    const faulty = Number((await client.reply()).split(' ')[PID]);
    await client.say('DATA');
    for (let i = 0; i < 11; i++) await client.say('THROW');
    await program.err.find(new RegExp(`worker ${faulty}: takes no more connections; replaced in 250 ms`));
    const survivor = await greetingOf(port);
    await greetingWhere(port, (words) => words[PID] !== survivor[PID]);
    expect(await client.say('.')).toBe('250 queued');
    expect(await client.reply()).toBe('421 stopping');
  });

  it('replaces a worker that ends on QUIT at once', async () => {
    const program = serve(2, '--grace', '600');
    const client = new LineClient(await program.port());
    const worker = Number((await client.reply()).split(' ')[PID]);
    await client.say('DATA');
    process.kill(worker, 'SIGQUIT');
    await client.closed;
    await program.err.find(new RegExp(`worker ${worker}: ended with exit code 0; replaced in 250 ms`));
  });

  it('ignores INT and HUP in a worker: a terminal sends them to the whole group', async () => {
    const program = serve(2);
    const client = new LineClient(await program.port());
    const worker = Number((await client.reply()).split(' ')[PID]);
    for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR2', 'SIGPIPE'] as const) process.kill(worker, signal);
    expect(await client.say('DATA')).toBe('354 go');
    client.close();
  });
});
