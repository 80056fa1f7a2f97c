/** The built daemon with a plugin that never gives the processor back. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LineClient, type RunningProgram } from '../process/running-program.ts';
import { serveIn, Workplace } from './daemon.ts';

const PLUGIN = `
const answers = {
  loop() { for (;;); },
  slow: () => new Promise((resolve) => setTimeout(resolve, 6_000)),
};
export default { name: 'stuck', about: '', hooks: { rcpt: (context, address) => answers[address.localPart]?.() } };
`;

let place: Workplace;
let clients: LineClient[] = [];
let running: RunningProgram[] = [];

beforeEach(() => {
  place = new Workplace({ loglevel: '5' });
  const plugins = join(place.folder, 'plugins');
  mkdirSync(plugins);
  writeFileSync(join(plugins, 'stuck.mjs'), PLUGIN);
  place.write({ plugin_dirs: plugins, plugins: `stuck\nrcpt_ok\nqueue/maildir ${place.maildir}` });
});
afterEach(async () => {
  for (const client of clients) client.close();
  await Promise.all(running.map((program) => program.dispose()));
  [clients, running] = [[], []];
  place.remove();
});

function serve(workers: number, ...more: string[]): RunningProgram {
  const program = serveIn(place, workers, more);
  running.push(program);
  return program;
}

/** A client that was greeted, with the process and the name of its session. */
async function connect(program: RunningProgram): Promise<LineClient & { pid: number; id: string }> {
  const seen = program.err.all.length;
  const client = new LineClient(await program.port());
  clients.push(client);
  expect(await client.reply()).toMatch(/^220 /);
  const line = await program.err.find(/^(?:\S+Z )?(\d+) \[([\w-]+)\] Connection from/, seen);
  return Object.assign(client, { pid: Number(line[1]), id: line[2]! });
}

async function begin(client: LineClient): Promise<void> {
  expect(await client.say('HELO client.example')).toMatch(/^250 /);
  expect(await client.say('MAIL FROM:<me@example.test>')).toMatch(/^250 /);
}

async function getStuck(client: LineClient): Promise<void> {
  await begin(client);
  void client.say('RCPT TO:<loop@example.test>').catch(() => undefined);
}

describe.each([1, 2])('of %d processes', (workers) => {
  test('one that is stuck tells hook, plugin and lost sessions, and is killed', async () => {
    place.write({ worker_timeout: '2' });
    const program = serve(workers);
    const client = await connect(program);
    // The kernel chooses the worker: clients are opened until another one is on the same.
    let neighbour = await connect(program);
    while (neighbour.pid !== client.pid) neighbour = await connect(program);
    const { pid, id } = client;
    const others = clients.filter((each) => each !== client && (each as { pid?: number }).pid !== pid);
    // Its thread starts a moment after the first clients may come.
    await new Promise((settled) => setTimeout(settled, 3_000));
    await getStuck(client);
    const where = `last hook: rcpt of plugin stuck, session ${id}`;
    await program.err.find(new RegExp(`^${pid} the event loop is stuck for 1 s, waiting; ${where}`));
    await program.err.find(new RegExp(`^${pid} the event loop is stuck for 2 s, killed; ${where}`));
    const lost = await program.err.find(new RegExp(`^${pid} sessions lost: (.*)`));
    expect(lost[1]!.split(' ')).toEqual(expect.arrayContaining([id, neighbour.id]));
    await Promise.all([client.closed, neighbour.closed]);
    if (workers === 1) {
      expect(await program.ended).toEqual({ code: null, signal: 'SIGKILL' });
      return;
    }
    await program.err.find(new RegExp(`worker ${pid}: was ended by SIGKILL; replaced in 250 ms`));
    for (const other of others) expect(await other.say('NOOP')).toMatch(/^250 /);
    const pids = new Set<number>();
    while (pids.size < 2) pids.add((await connect(program)).pid);
    expect(pids).not.toContain(pid);
  });
});

test('TERM does not wait for a worker that is stuck as long as for a transaction', async () => {
  place.write({ worker_timeout: '3600' });
  // Ten minutes of grace: only killed it ends before the test does.
  const program = serve(2, '--grace', '600');
  const client = await connect(program);
  await getStuck(client);
  program.kill('SIGTERM');
  const line = await program.err.find(
    /worker (\d+): no sign of life for \d+ s, killed; its sessions are lost/,
  );
  expect(Number(line[1])).toBe(client.pid);
  expect((await program.ended).code).toBe(0);
});

test('a worker that was stopped is killed and replaced', async () => {
  place.write({ worker_timeout: '2' });
  const program = serve(2);
  const { pid } = await connect(program);
  process.kill(pid, 'SIGSTOP');
  await program.err.find(new RegExp(`worker ${pid}: no sign of life for \\d+ s, killed`));
  await program.err.find(new RegExp(`worker ${pid}: was ended by SIGKILL; replaced`));
});

test('a hook that is only slow, and processes that were all asleep together, are left alone', async () => {
  place.write({ worker_timeout: '2' });
  const program = serve(2);
  const client = await connect(program);
  const pids = new Set([client.pid]);
  while (pids.size < 2) pids.add((await connect(program)).pid);
  await begin(client);
  expect(await client.say('RCPT TO:<slow@example.test>')).toMatch(/^250 /);
  const all = [program.pid, ...pids];
  for (const pid of all) process.kill(pid, 'SIGSTOP');
  // Longer than the time-out: what is to be shown is that nothing comes of it.
  await new Promise((settled) => setTimeout(settled, 4_000));
  for (const pid of all) process.kill(pid, 'SIGCONT');
  expect(await client.say('RCPT TO:<slow@example.test>')).toMatch(/^250 /);
  expect(program.err.all.join('\n')).not.toMatch(/killed|stuck for/);
});

test('with worker_timeout 0 nobody watches', async () => {
  place.write({ worker_timeout: '0' });
  const program = serve(2);
  const { pid } = await connect(program);
  process.kill(pid, 'SIGSTOP');
  await new Promise((settled) => setTimeout(settled, 3_000));
  process.kill(pid, 'SIGCONT');
  expect(program.err.all.join('\n')).not.toMatch(/killed/);
});
