/** Daemons on sockets that another process has opened. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { compilePrograms, type CompiledPrograms } from './compiled-program.ts';
import { greetingOf, RunningProgram } from './running-program.ts';

let programs: CompiledPrograms;
let configDir: string;
const open: (() => unknown)[] = [];
const servers: Server[] = [];

beforeAll(() => {
  programs = compilePrograms();
  configDir = mkdtempSync(join(tmpdir(), 'qpsmtpd-activation-'));
  writeFileSync(join(configDir, 'greeting'), 'first\n');
}, 120_000);
afterAll(() => {
  programs.remove();
  rmSync(configDir, { recursive: true });
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  for (const close of open.splice(0).reverse()) await close();
});

/** A socket for a daemon, which leaves this process when it is passed: else this one would accept clients too. */
async function listening(): Promise<{ fd: number; port: number }> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { fd: handleOf(server).fd, port: (server.address() as AddressInfo).port };
}

/** What Node has behind it, and does not document. */
function handleOf(server: Server): { readonly fd: number } {
  return (server as unknown as { readonly _handle: { readonly fd: number } })._handle;
}

const SYSTEMD = 'export LISTEN_PID=$$';

function start(workers: number, shell: string, passed: readonly number[], ...args: string[]): RunningProgram {
  const options = ['--config', configDir, '--workers', String(workers), ...args];
  const program = new RunningProgram(programs.path('qpsmtpd'), ['serve', ...options], { shell, passed });
  open.push(() => program.dispose());
  for (const server of servers.splice(0)) server.close();
  return program;
}

describe.each([1, 2])('with %d workers', (workers) => {
  test('all sockets that systemd passes are served where nobody has said where to listen', async () => {
    const [one, other] = [await listening(), await listening()];
    const program = start(workers, `${SYSTEMD} LISTEN_FDS=2`, [one.fd, other.fd]);
    const line = await program.out.find(/^listening on .*/);
    expect(line[0]).toContain(`tcp://127.0.0.1:${one.port} tcp://127.0.0.1:${other.port}`);
    for (const { port } of [one, other]) expect((await greetingOf(port))[0]).toBe('220');
  });

  test('a name chooses among them, and the log says which nobody serves', async () => {
    const [one, other] = [await listening(), await listening()];
    const shell = `${SYSTEMD} LISTEN_FDS=2 LISTEN_FDNAMES=one:other`;
    const program = start(workers, shell, [one.fd, other.fd], '--listen', 'fdname:other');
    const line = await program.out.find(/^listening on .*/);
    expect(line[0]).toMatch(new RegExp(`^listening on tcp://127\\.0\\.0\\.1:${other.port}, `));
    expect((await greetingOf(other.port))[0]).toBe('220');
    await program.err.find(/nobody listens on fd:3 \(one\)/);
  });

  test('a number needs no variables, and does not mind those of another process', async () => {
    const { fd, port } = await listening();
    const program = start(workers, 'export LISTEN_PID=1 LISTEN_FDS=1', [fd], '--listen', 'fd:3');
    await program.out.find(/^listening on .*/);
    expect((await greetingOf(port))[0]).toBe('220');
  });

  test('workers that are exchanged go on with the same socket', async () => {
    const { fd, port } = await listening();
    const program = start(workers, `${SYSTEMD} LISTEN_FDS=1`, [fd]);
    await program.out.find(/^listening on .*/);
    program.kill('SIGHUP');
    await program.err.find(workers === 1 ? /configuration read again/ : /reload: done/);
    expect((await greetingOf(port))[0]).toBe('220');
    program.kill('SIGTERM');
    expect(await program.ended).toEqual({ code: 0, signal: null });
  });

  test.each([
    [
      'a name, but the sockets are another process\u2019s',
      'export LISTEN_PID=1 LISTEN_FDS=1',
      'fdname:smtp',
      /LISTEN_PID is 1 /,
    ],
    ['a name, but nobody passes sockets', 'true', 'fdname:smtp', /LISTEN_FDS is not set/],
    [
      'more sockets are promised than come',
      `${SYSTEMD} LISTEN_FDS=9`,
      undefined,
      /fd:\d+: it is (not open|no socket)/,
    ],
  ])('%s: exit code 71 and the reason', async (_, shell, listen, reason) => {
    const { fd } = await listening();
    const program = start(workers, shell, [fd], ...(listen === undefined ? [] : ['--listen', listen]));
    expect(await program.ended).toEqual({ code: 71, signal: null });
    await program.err.find(reason);
  });
});
