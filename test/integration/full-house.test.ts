/** The built daemon when all its places are taken, or its descriptors run out. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { LineClient, type RunningProgram } from '../process/running-program.ts';
import { serveIn, Workplace } from './daemon.ts';

let place: Workplace;
let clients: LineClient[] = [];
let running: RunningProgram[] = [];

beforeEach(() => {
  place = new Workplace({ loglevel: '5' });
});
afterEach(async () => {
  for (const client of clients) client.close();
  await Promise.all(running.map((program) => program.dispose()));
  [clients, running] = [[], []];
  place.remove();
});

function serve(workers: number, more: readonly string[], descriptors?: number): RunningProgram {
  const program = serveIn(place, workers, more, descriptors);
  running.push(program);
  return program;
}

function connect(port: number): LineClient {
  const client = new LineClient(port);
  clients.push(client);
  return client;
}

const heard = ({ lines }: LineClient): string => lines.all[0] ?? '';
const greeted = (): number => clients.filter((client) => heard(client).startsWith('220 ')).length;
const isClosed = async (client: LineClient): Promise<boolean> =>
  Promise.race([client.closed.then(() => true), Promise.resolve(false)]);
const linesAbout = (program: RunningProgram, text: RegExp): number =>
  program.err.all.filter((line) => text.test(line)).length;

test('a worker whose places are taken leaves clients to the one that has some', async () => {
  const program = serve(2, ['--max-connections', '20']);
  const port = await program.port();
  for (let i = 0; i < 20; i++) expect(await connect(port).reply()).toMatch(/^220 /);
  await program.err.find(/all 10 places are taken: accepting pauses/);
  // All are taken in both: who comes now waits in the kernel, and gets the first place there is.
  const last = connect(port);
  clients[0]!.close();
  expect(await last.reply()).toMatch(/^220 /);
  await program.err.find(/a place is free again: accepting goes on/);
  expect(linesAbout(program, /accepting pauses/)).toBe(2);
});

test('with 128 descriptors two workers serve what they can, and drop nobody unheard', async () => {
  const program = serve(2, [], 128);
  const port = await program.port();
  for (let i = 0; i < 300; i++) connect(port);
  await expect.poll(greeted, { timeout: 60_000 }).toBeGreaterThanOrEqual(106);
  await program.err.find(/all 53 places \(128 descriptors\) are taken: accepting pauses/);
  // A client that is not served waits, or was told to come back; nobody was closed without a word.
  const unheard = await Promise.all(
    clients.map(async (client) => heard(client) === '' && (await isClosed(client))),
  );
  expect(unheard.filter(Boolean)).toHaveLength(0);
  expect(greeted()).toBe(106);
  const waiting = clients.filter((client) => heard(client) === '');
  for (const client of clients) if (heard(client) !== '') client.close();
  await expect
    .poll(() => waiting.filter((client) => heard(client).startsWith('220 ')).length, { timeout: 60_000 })
    .toBeGreaterThan(40);
  expect(program.err.all.join('\n')).not.toContain('EMFILE');
});

test('one process tells who finds the waiting line full to come back', async () => {
  const program = serve(1, ['--max-connections', '1000'], 128);
  const port = await program.port();
  await program.err.find(/128 descriptors are enough for 53 connections, not for 1000: raise the limit/);
  for (let i = 0; i < 53; i++) expect(await connect(port).reply()).toMatch(/^220 /);
  for (let i = 0; i < 100; i++) connect(port);
  await expect
    .poll(() => clients.filter((client) => heard(client).startsWith('421 ')).length, { timeout: 60_000 })
    .toBe(93);
  expect(linesAbout(program, /all 53 places \(128 descriptors\) are taken: clients wait/)).toBe(1);
});
