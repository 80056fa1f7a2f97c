/** The built programs with the real SMTP server: processes, signals, and mail that survives them. */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LineClient, RunningProgram } from '../process/running-program.ts';

const QPSMTPD = resolve(import.meta.dirname, '../../bin/qpsmtpd.cjs');

let folder: string;
let configDir: string;
let running: RunningProgram[] = [];
let clients: LineClient[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-integration-'));
  configDir = join(folder, 'config');
  mkdirSync(configDir);
  mkdirSync(join(folder, 'spool'), { mode: 0o700 });
  configure('plugins', 'rcpt_ok', `queue/maildir ${join(folder, 'Maildir')}`);
  configure('rcpthosts', 'example.com');
  configure('spool_dir', join(folder, 'spool'));
  configure('loglevel', '6');
  configure('me', 'mx.example.com');
});
afterEach(async () => {
  for (const client of clients) client.close();
  await Promise.all(running.map((program) => program.dispose()));
  [running, clients] = [[], []];
  rmSync(folder, { recursive: true, force: true });
});

function configure(file: string, ...lines: string[]): void {
  writeFileSync(join(configDir, file), `${lines.join('\n')}\n`);
}

function start(...args: string[]): RunningProgram {
  const program = new RunningProgram(QPSMTPD, args);
  running.push(program);
  return program;
}

const serve = (workers: number, ...more: string[]): RunningProgram =>
  start('serve', '--config', configDir, '--listen', 'tcp://127.0.0.1:0', '--workers', `${workers}`, ...more);

/** A client that has been greeted. */
async function connect(where: number | string): Promise<LineClient> {
  const client = new LineClient(where);
  clients.push(client);
  expect(await client.reply()).toMatch(/^220 /);
  return client;
}

/** A client whose next line is one of the message. */
async function connectInData(where: number | string): Promise<LineClient> {
  const client = await connect(where);
  expect(await client.say('HELO client.example.org')).toMatch(/^250 /);
  expect(await client.say('MAIL FROM:<me@example.org>')).toMatch(/^250 /);
  expect(await client.say('RCPT TO:<you@example.com>')).toMatch(/^250 /);
  expect(await client.say('DATA')).toMatch(/^354 /);
  return client;
}

const send = (client: LineClient): Promise<string> => client.say('Subject: test\r\n\r\nhello\r\n.');
const delivered = (): readonly string[] => readdirSync(join(folder, 'Maildir/new'));

/** Greets clients until so many processes have logged a connection; returns their pids. */
async function servingPids(
  program: RunningProgram,
  port: number,
  count: number,
  from = 0,
): Promise<Set<string>> {
  const pids = new Set<string>();
  while (pids.size < count) {
    const seen = program.err.all.length;
    const client = await connect(port);
    const line = await program.err.find(/^(?:\S+Z )?(\d+) \[[\w-]+\] Connection from/, Math.max(seen, from));
    pids.add(line[1] ?? '');
    client.close();
    await client.closed;
  }
  return pids;
}

describe.each([1, 2])('qpsmtpd serve --workers %d', (workers) => {
  it('ends a transaction with 250 after TERM, has the message on disk, and exits with 0', async () => {
    const program = serve(workers);
    const port = await program.port();
    const busy = await connectInData(port);
    const idle = await connect(port);
    program.kill('SIGTERM');
    await program.err.find(/stopping/);
    expect(await send(busy)).toMatch(/^250 /);
    for (const client of [busy, idle]) expect(await client.say('QUIT')).toMatch(/^221 /);
    expect(await program.ended).toEqual({ code: 0, signal: null });
    expect(delivered()).toHaveLength(1);
  });

  it('tells an idle session 421 when the grace period after TERM is over, and not before', async () => {
    const program = serve(workers, '--grace', '3');
    const idle = await connect(await program.port());
    program.kill('SIGTERM');
    await program.err.find(/stopping/);
    expect(await idle.say('NOOP')).toMatch(/^250 /);
    expect(await idle.reply()).toMatch(/^421 /);
    expect(await program.ended).toEqual({ code: 0, signal: null });
  });

  it('writes into a new log file at once after USR1, in every process', async () => {
    configure('logging', `logging/file loglevel LOGNOTICE ${join(folder, 'log')}`);
    const program = serve(workers);
    const port = await program.port();
    const log = (name: string): string => readFileSync(join(folder, name), 'latin1');
    const pids = new Set<string>();
    while (pids.size < workers) {
      (await connect(port)).close();
      await expect.poll(() => log('log')).toMatch(/Connection from/);
      for (const [, pid] of log('log').matchAll(/\[(\d+)\]: .*Connection from/g)) pids.add(pid ?? '');
    }
    renameSync(join(folder, 'log'), join(folder, 'log.1'));
    program.kill('SIGUSR1');
    for (const pid of pids) {
      await expect
        .poll(() => (existsSync(join(folder, 'log')) ? log('log') : ''))
        .toMatch(new RegExp(`\\[${pid}\\]: .*log files opened again`));
    }
  });

  it('goes on serving when HUP finds a broken configuration, and says where it is broken', async () => {
    const program = serve(workers);
    const port = await program.port();
    configure('plugins', 'rcpt_ok', 'no_such_plugin');
    program.kill('SIGHUP');
    expect((await program.err.find(/reload failed.*/))[0]).toContain(`${join(configDir, 'plugins')}:2: `);
    expect(await send(await connectInData(port))).toMatch(/^250 /);
  });

  it('serves new connections by the new configuration after HUP; a transaction ends under the old', async () => {
    const program = serve(workers);
    const port = await program.port();
    const before = await connectInData(port);
    configure('plugins', 'badmailfrom', 'rcpt_ok', `queue/maildir ${join(folder, 'Other')}`);
    program.kill('SIGHUP');
    await program.err.find(/configuration read again|reload: done/);
    expect(await send(await connectInData(port))).toMatch(/^250 /);
    expect(readdirSync(join(folder, 'Other/new'))).toHaveLength(1);
    expect(await send(before)).toMatch(/^250 /);
    expect(delivered()).toHaveLength(1);
  });

  it('does not start with a broken configuration: exit code 78, file and line, no stack', async () => {
    configure('plugins', 'rcpt_ok', 'no_such_plugin');
    const program = serve(workers);
    expect((await program.ended).code).toBe(78);
    const text = program.err.all.join('\n');
    expect(text.split(`${join(configDir, 'plugins')}:2: `)).toHaveLength(2);
    expect(text).not.toMatch(/^ +at /m);
  });

  it('takes clients on a Unix socket of the given mode, also where a crash has left one behind', async () => {
    const path = join(folder, 'smtp.sock');
    const crashed = serve(1, '--listen', `unix:${path}`);
    await crashed.out.find(/^listening/);
    crashed.kill('SIGKILL');
    await crashed.ended;
    const program = serve(workers, '--listen', `unix:${path} mode=0600`);
    await program.out.find(new RegExp(`^listening on tcp://\\S+ unix:${path}, `));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await send(await connectInData(path))).toMatch(/^250 /);
  });

  it('lets in no more connections of one address than --max-from-ip', async () => {
    const program = serve(workers, '--max-from-ip', '2');
    const port = await program.port();
    const first = await connect(port);
    await connect(port);
    const third = new LineClient(port);
    clients.push(third);
    expect(await third.reply()).toMatch(/^4\d\d /);
    await third.closed;
    expect(await first.say('QUIT')).toMatch(/^221 /);
    await first.closed;
    await expect
      .poll(async () => {
        const client = new LineClient(port);
        clients.push(client);
        return client.reply();
      })
      .toMatch(/^220 /);
  });
});

describe('qpsmtpd serve with two workers', () => {
  it('serves from both, and replaces the one that is killed', async () => {
    const program = serve(2);
    const port = await program.port();
    const [victim = '', survivor = ''] = await servingPids(program, port, 2);
    process.kill(Number(victim), 'SIGKILL');
    await program.err.find(new RegExp(`worker ${victim}: was ended by SIGKILL`));
    const after = await servingPids(program, port, 2, program.err.all.length);
    expect(after).toContain(survivor);
    expect(after).not.toContain(victim);
  });
});

describe('signals of every program that runs on', () => {
  afterEach(() => {
    delete process.env['QPSMTPD_CONFIG'];
  });

  it.each([
    ['qpsmtpd sample', ['sample', '--listen', 'tcp://127.0.0.1:0']],
    ['qpsmtpd-forkserver', ['-l', '127.0.0.1', '-p', '0', '--user', userInfo().username]],
    ['qpsmtpd-prefork', ['--interface', '127.0.0.1', '--port', '0', '--user', userInfo().username]],
  ])(
    '%s: USR1 opens no inspector, HUP is for the configuration, USR2 brings a successor',
    async (name, args) => {
      process.env['QPSMTPD_CONFIG'] = configDir;
      const path = join(resolve(QPSMTPD, '..'), `${name.split(' ')[0]}.cjs`);
      const program = new RunningProgram(path, args, { cwd: folder });
      running.push(program);
      const port = await program.port();
      program.kill('SIGUSR1');
      program.kill('SIGHUP');
      await program.err.find(/configuration read again|reload: done/);
      program.kill('SIGUSR2');
      const [, successor] = await program.err.find(/process (\d+) has taken the place of this one/);
      const client = await connect(port);
      expect(program.err.all.join('\n')).not.toContain('Debugger listening');
      client.close();
      process.kill(Number(successor), 'SIGTERM');
      expect(await program.ended).toEqual({ code: 0, signal: null });
    },
  );
});

describe('qpsmtpd check', () => {
  it('accepts the configuration that the package ships', async () => {
    const program = start('check', '--config', resolve(import.meta.dirname, '../../config.sample'));
    expect((await program.ended).code).toBe(0);
    await program.out.find(/ queue\/maildir/);
  });
});

describe('qpsmtpd sample', () => {
  const sample = (port: number): RunningProgram => {
    const program = new RunningProgram(QPSMTPD, ['sample', '--listen', `tcp://127.0.0.1:${port}`], {
      cwd: folder,
    });
    running.push(program);
    return program;
  };

  it('takes a message into the Maildir that it names', async () => {
    const program = sample(0);
    const client = await connectInData(await program.port());
    expect(await send(client)).toMatch(/^250 /);
    const landing = (await program.out.find(/^it lands in (.*)$/))[1] ?? '';
    const [name = ''] = readdirSync(landing);
    expect(readFileSync(join(landing, name), 'latin1')).toContain('\nSubject: test\n\nhello\n');
  });

  it('suggests another port when its own is taken', async () => {
    const port = await sample(0).port();
    const second = sample(port);
    expect((await second.ended).code).toBe(75);
    expect(second.err.all.at(-1)).toBe(
      `port ${port} is taken; try another: npm start -- --listen tcp://127.0.0.1:${port + 1}`,
    );
  });
});
