/** The file of a Unix socket: its name, its permissions, and who removes it. */

import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SocketPath } from '../../host/intake/socket-path.ts';

let folder: string;
let path: string;
const ends: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-socket-'));
  path = join(folder, 'front.sock');
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
  rmSync(folder, { recursive: true, force: true });
});

async function published(mode = 0o660): Promise<SocketPath> {
  const file = new SocketPath({ kind: 'unix', path, mode });
  const server = createServer();
  ends.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(file.draft, resolve));
  file.publish();
  return file;
}

const modeOf = (): number => lstatSync(path).mode & 0o777;

test('the socket has its name and its permissions at once, and no other name', async () => {
  await published(0o600);
  expect([readdirSync(folder), modeOf()]).toEqual([['front.sock'], 0o600]);
});

test('a successor sets other permissions', async () => {
  await published();
  new SocketPath({ kind: 'unix', path, mode: 0o666 }).inherit();
  expect(modeOf()).toBe(0o666);
});

test('a successor leaves permissions alone that are right: root may have made the file, and is given up', async () => {
  await published();
  const before = lstatSync(path, { bigint: true }).ctimeNs;
  new SocketPath({ kind: 'unix', path, mode: 0o660 }).inherit();
  expect(lstatSync(path, { bigint: true }).ctimeNs).toBe(before);
});

test('the file is removed by the last that has it, and not where it was passed on', async () => {
  const first = await published();
  const second = new SocketPath({ kind: 'unix', path, mode: 0o660 });
  second.inherit();
  first.passOn();
  first.remove();
  expect(existsSync(path)).toBe(true);
  second.remove();
  expect(existsSync(path)).toBe(false);
});

test('the file of another process is left where it is', async () => {
  const first = await published();
  rmSync(path);
  await published();
  first.remove();
  expect(existsSync(path)).toBe(true);
});
