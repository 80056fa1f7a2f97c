/** What is done with the descriptors of a client before anything else is loaded: in a process of its own, where they are 0, 1 and 2. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const MODULE = join(import.meta.dirname, '../../bin/client-descriptors.cjs');
/** Tells what `protect` has found and where the descriptors lead now, in a file; the arguments of the program come after it. */
const PROGRAM = `
  const fs = require('node:fs');
  const [file, ...args] = process.argv.slice(1);
  const client = require(${JSON.stringify(MODULE)}).protect(args, process.env);
  const place = (fd) => { try { return fs.readlinkSync('/proc/self/fd/' + fd); } catch { return 'closed'; } };
  fs.writeFileSync(file, JSON.stringify({ ...client, places: [0, 1, 2].map(place), to: place(client.output) }));
`;

interface Found {
  readonly isThere: boolean;
  readonly output: number;
  readonly isErrorHidden: boolean;
  /** Where descriptors 0, 1 and 2 lead. */
  readonly places: readonly string[];
  /** Where `output` leads. */
  readonly to: string;
}

let folder: string;
const ends: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-descriptors-'));
});
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
  rmSync(folder, { recursive: true, force: true });
});

async function protect(
  stdio: readonly (Socket | number | 'ignore')[],
  args: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Promise<Found> {
  const file = join(folder, 'found');
  const child = spawn(process.execPath, ['-e', PROGRAM, '--', file, ...args], {
    stdio: [...stdio],
    env: { PATH: process.env['PATH'], ...environment },
  });
  expect((await once(child, 'exit'))[0]).toBe(0);
  return JSON.parse(readFileSync(file, 'utf8')) as Found;
}

/** The end of a connection that a starter has accepted. */
async function accepted(): Promise<Socket> {
  const server = createServer({ pauseOnConnect: true });
  ends.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
  const client = createConnection(join(folder, 'socket'));
  const [socket] = (await once(server, 'connection')) as [Socket];
  ends.push(() => [client, socket].forEach((each) => each.destroy()));
  return socket;
}

const SOCKET = /^socket:/;
const NOWHERE = '/dev/null';

describe('one socket on all three, as inetd has it', () => {
  test('output and errors lead nowhere, and the client is answered on descriptor 0', async () => {
    const socket = await accepted();
    expect(await protect([socket, socket, socket])).toEqual({
      isThere: true,
      output: 0,
      isErrorHidden: true,
      places: [expect.stringMatching(SOCKET), NOWHERE, NOWHERE],
      to: expect.stringMatching(SOCKET) as string,
    });
  });

  test('errors go to the file that QPSMTPD_STDERR names; into none that cannot be opened', async () => {
    const socket = await accepted();
    const errors = join(folder, 'errors');
    const named = await protect([socket, socket, socket], [], { QPSMTPD_STDERR: errors });
    expect([named.isErrorHidden, named.places[2]]).toEqual([false, errors]);
    const lost = await protect([socket, socket, socket], [], { QPSMTPD_STDERR: join(folder, 'no/such') });
    expect(lost.places.slice(1)).toEqual([NOWHERE, NOWHERE]);
  });

  test.each([
    [['serve', '--listen', 'stdin:']],
    [['serve', '--listen=stdin: tls=implicit']],
    [['serve', '--listen', 'fd:0 proxy=required']],
  ])('also with %j', async (args) => {
    const socket = await accepted();
    expect((await protect([socket, socket, socket], args)).places.slice(1)).toEqual([NOWHERE, NOWHERE]);
  });

  test.each([[['check']], [['serve', '--listen', 'fd:01']], [['serve', '--listen', 'tcp://127.0.0.1:0']]])(
    'a program that is called with %j has no client there: nothing is touched',
    async (args) => {
      const socket = await accepted();
      const { isThere, places } = await protect([socket, socket, socket], args);
      expect([isThere, places]).toEqual([false, Array(3).fill(expect.stringMatching(SOCKET))]);
    },
  );
});

describe('where the streams differ', () => {
  test('errors that go elsewhere stay, as with tcpserver', async () => {
    const socket = await accepted();
    const errors = join(folder, 'errors');
    const fd = openSync(errors, 'a');
    ends.push(() => closeSync(fd));
    const { isErrorHidden, places } = await protect([socket, socket, fd]);
    expect([isErrorHidden, places.slice(1)]).toEqual([false, [NOWHERE, errors]]);
  });

  test('pipes both ways: the one to the client is kept under another number', async () => {
    const [from, to] = ['from', 'to'].map((name) => {
      execFileSync('mkfifo', [join(folder, name)]);
      const fd = openSync(join(folder, name), 'r+');
      ends.push(() => closeSync(fd));
      return fd;
    }) as [number, number];
    const found = await protect([from, to, 'ignore'], [], { TCPREMOTEIP: '192.0.2.7' });
    expect([found.isThere, found.output > 2, found.places[1]]).toEqual([true, true, NOWHERE]);
    expect(found.to).toBe(join(folder, 'to'));
    // Nobody says whose it is.
    expect((await protect([from, to, 'ignore'])).isThere).toBe(false);
  });

  test('no client: a terminal, a file or the null device on descriptor 0', async () => {
    expect((await protect(['ignore', 'ignore', 'ignore'])).isThere).toBe(false);
  });
});
