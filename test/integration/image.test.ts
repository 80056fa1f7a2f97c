/**
 * The container image: what `contrib/oci` says is true of this package, and its own command runs as process 1 of a container made by
 * bubblewrap, as an ordinary user, on a root file system that nobody can write to. No image is built here.
 */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { hasRedis, redisPlace } from '../store/backends.ts';
import { messagesOf } from './daemon.ts';
import { connected } from './front.ts';
import { describeWith, hasProgram } from './needs.ts';
import { freePort } from '../free-port.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const OCI = join(ROOT, 'contrib/oci');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  readonly engines: { readonly node: string };
  readonly files: readonly string[];
  readonly peerDependencies: Readonly<Record<string, string>>;
};

/** Where the image has the package, and the spool, the store and Maildirs. */
const INSTALLED = '/opt/qpsmtpd/node_modules/qpsmtpd';
const VOLUME = '/var/lib/qpsmtpd';

const instructions = read('contrib/oci/Containerfile')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => /^[A-Z]/.test(line));

/** What stands after an instruction, in the last stage if it is there several times. */
function instruction(name: string): string {
  const line = instructions.findLast((each) => each.startsWith(`${name} `));
  if (line === undefined) throw new Error(`the Containerfile has no ${name}`);
  return line.slice(name.length + 1);
}

const list = (name: string): readonly string[] =>
  JSON.parse(/\[.*\]$/.exec(instruction(name))![0]) as readonly string[];

const compose = read('contrib/oci/compose.yaml');
const composeCommand = [.../command: \[('serve'.*)\]/.exec(compose)![1]!.matchAll(/'([^']*)'/g)].map(
  ([, word]) => word!,
);

describe('contrib/oci', () => {
  test('the program, its options and its port are those of this package', () => {
    const program = list('ENTRYPOINT').at(-1)!;
    expect(program).toBe(`${INSTALLED}/bin/qpsmtpd.cjs`);
    expect(existsSync(program.replace(INSTALLED, ROOT))).toBe(true);
    expect(manifest.files).toContain('bin');
    const help = execFileSync(process.execPath, [join(ROOT, 'bin/qpsmtpd.cjs'), 'serve', '--help'], {
      encoding: 'utf8',
    });
    for (const words of [list('CMD'), composeCommand]) {
      expect(words[0]).toBe('serve');
      for (const option of words.filter((word) => word.startsWith('--')))
        expect(help).toContain(`${option} `);
      expect(words).toContain(`tcp://0.0.0.0:${instruction('EXPOSE')}`);
    }
    expect(list('HEALTHCHECK').slice(1)).toEqual(['/opt/qpsmtpd/healthcheck.mjs', instruction('EXPOSE')]);
    expect(instructions).toContain('COPY contrib/oci/healthcheck.mjs /opt/qpsmtpd/');
  });

  test('versions are those that are supported', () => {
    const [, major] = /^NODE=docker\.io\/library\/node:(\d+)-bookworm-slim$/.exec(instruction('ARG'))!;
    expect(Number(major)).toBeGreaterThan(Number(/\d+/.exec(manifest.engines.node)![0]));
    const install = instructions.find((line) => line.startsWith('RUN npm install'))!;
    const [, redis] = /@redis\/client@(\S+)/.exec(install)!;
    expect(manifest.peerDependencies['@redis/client']).toBe(`~${redis}`);
  });

  test('an ordinary user, and a volume for what has to outlive the container', () => {
    const [uid, gid] = instruction('USER').split(':').map(Number);
    expect(uid).toBeGreaterThanOrEqual(1_000);
    expect(gid).toBe(uid);
    expect(instructions.join('\n')).toContain(`--uid ${uid} `);
    expect(list('VOLUME')).toEqual([VOLUME]);
    for (const file of ['spool_dir', 'plugins']) expect(read(`contrib/oci/config/${file}`)).toContain(VOLUME);
    expect(instruction('STOPSIGNAL')).toBe('SIGTERM');
  });

  test('compose: ports, mounts, and more patience than the grace period', () => {
    expect(compose).toContain(`- '25:${instruction('EXPOSE')}'`);
    expect(compose).toContain('- ./config:/etc/qpsmtpd:ro');
    expect(compose).toContain(`- mail:${VOLUME}`);
    expect(compose).toContain('read_only: true');
    const grace = Number(composeCommand[composeCommand.indexOf('--grace') + 1]);
    expect(Number(/stop_grace_period: (\d+)s/.exec(compose)![1])).toBeGreaterThan(grace);
    // Ten seconds are docker's own.
    expect(Number(list('CMD').at(-1))).toBeLessThan(10);
    expect(read('contrib/oci/config/store').trim()).toBe('redis://redis:6379/0');
    expect(compose).toMatch(/^ {2}redis:$/m);
  });
});

let folder: string;
const ends: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-image-'));
  cpSync(join(OCI, 'config'), join(folder, 'etc'), { recursive: true });
  mkdirSync(join(folder, 'var'), { mode: 0o700 });
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

interface Container {
  readonly port: number;
  /** Of its process 1, out here. */
  readonly pid: number;
  readonly ended: Promise<number | null>;
  readonly log: () => string;
}

/** Runs the image's own ENTRYPOINT and CMD, with the port of this test, in a root made of this machine's programs. */
async function run(): Promise<Container> {
  const port = await freePort();
  const [uid = '', gid = ''] = instruction('USER').split(':');
  const command = [...list('ENTRYPOINT'), ...list('CMD')].map((word) =>
    word.replace(`0.0.0.0:${instruction('EXPOSE')}`, `127.0.0.1:${port}`),
  );
  const mounts = [
    ['--ro-bind', '/usr', '/usr'],
    ...['lib', 'lib64', 'bin'].map((name) => ['--symlink', `usr/${name}`, `/${name}`]),
    ['--ro-bind', dirname(process.execPath), '/node'],
    ['--ro-bind', ROOT, INSTALLED],
    ['--ro-bind', join(folder, 'etc'), '/etc/qpsmtpd'],
    ['--bind', join(folder, 'var'), VOLUME],
    ['--proc', '/proc'],
    ['--dev', '/dev'],
    ['--tmpfs', '/tmp'],
    ['--remount-ro', '/'],
  ].flat();
  const manner = ['--unshare-user', '--uid', uid, '--gid', gid, '--unshare-pid', '--as-pid-1'];
  const environment = ['--clearenv', '--setenv', 'PATH', '/node:/usr/bin:/bin', '--chdir', VOLUME];
  const child = spawn(
    'bwrap',
    [...manner, '--cap-drop', 'ALL', '--json-status-fd', '3', ...mounts, ...environment, ...command],
    { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] },
  );
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (octets) => (log += String(octets)));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  let status = '';
  (child.stdio[3] as Duplex).on('data', (octets) => (status += String(octets)));
  await expect
    .poll(() => `${log}${child.exitCode ?? ''}`, { timeout: 120_000 })
    .toMatch(/listening on |^.*\d$/s);
  expect(log).toContain('listening on ');
  const pid = Number(/"child-pid": (\d+)/.exec(status)![1]);
  ends.push(async () => {
    if (child.exitCode === null) process.kill(pid, 'SIGKILL');
    await ended;
  });
  return { port, pid, ended, log: () => log };
}

/** Processes below another, by the letter of their state: `Z` has ended and nobody has asked how. */
function statesBelow(pid: number): readonly string[] {
  const rows = execFileSync('ps', ['-eo', 'ppid=,state='], { encoding: 'utf8' });
  return [...rows.matchAll(/^ *(\d+) (\w)$/gm)]
    .filter(([, parent]) => Number(parent) === pid)
    .map(([, , state]) => state!);
}

async function client(port: number): Promise<TestClient> {
  const stream = await connected(port);
  ends.push(() => stream.destroy());
  const made = new TestClient(stream);
  expect(await made.reply()).toMatch(/^220 mx\.example\.com/);
  return made;
}

async function deliver(port: number): Promise<void> {
  const through = await client(port);
  for (const line of ['EHLO c.example', 'MAIL FROM:<a@c.example>', 'RCPT TO:<b@example.com>'])
    expect(await through.say(line), line).toMatch(/^250/);
  expect(await through.say('DATA')).toMatch(/^354/);
  expect(await through.say('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250/);
}

const needed = hasProgram('tini') ? 'bwrap' : 'tini';

describeWith(needed, needed === 'tini' ? 'tini' : 'bubblewrap')('as process 1, by bubblewrap', () => {
  test.skipIf(!hasRedis)('the configuration of compose serves, and greylists in Redis', async () => {
    const redis = await redisPlace();
    ends.push(() => redis.remove());
    writeFileSync(join(folder, 'etc/store'), `redis://127.0.0.1:${redis.port}/0\n`);
    const { port } = await run();
    const through = await client(port);
    expect(await through.say('EHLO c.example')).toMatch(/^250/);
    expect(await through.say('MAIL FROM:<a@c.example>')).toMatch(/^450/);
  });

  test('mail lands in the volume, health is told, TERM ends it and waits for a session', async () => {
    rmSync(join(folder, 'etc/store'));
    const plugins = read('contrib/oci/config/plugins').replace('greylisting\n', '');
    writeFileSync(join(folder, 'etc/plugins'), plugins);
    const { port, pid, ended } = await run();
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^NSpid:.*\t1$/m);
    await deliver(port);
    expect(messagesOf(join(folder, 'var/Maildir')).length).toBe(1);
    const check = [join(OCI, 'healthcheck.mjs'), String(port)];
    execFileSync(process.execPath, check);
    const open = await client(port);
    process.kill(pid, 'SIGTERM');
    expect(await open.say('QUIT')).toMatch(/^221/);
    expect(await ended).toBe(0);
    expect(() => execFileSync(process.execPath, check, { stdio: 'ignore' })).toThrow();
  });

  test('children that programs of plugins leave behind are ended', async () => {
    rmSync(join(folder, 'etc/store'));
    const program = join(folder, 'etc/leave-child');
    const orphan = `(setsid sh -c 'sleep 0.2; echo > ${VOLUME}/orphan') </dev/null >/dev/null 2>&1 &`;
    writeFileSync(program, `#!/bin/sh\ncat > ${VOLUME}/message\n${orphan}\n`);
    chmodSync(program, 0o755);
    writeFileSync(join(folder, 'etc/plugins'), 'rcpt_ok\nqueue/pipe /etc/qpsmtpd/leave-child\n');
    const { port, pid } = await run();
    await deliver(port);
    await expect.poll(() => readdirSync(join(folder, 'var'))).toContain('orphan');
    await expect.poll(() => statesBelow(pid)).not.toContain('Z');
    expect(statesBelow(pid).length).toBe(1);
  });
});
