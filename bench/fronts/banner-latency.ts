/** How long a client waits for the greeting: at the daemon itself, and where a super-server starts a program for it. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type NetConnectOpts } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { MissingError, type Place } from '../peers/peer.ts';
import { ROOT } from '../places.ts';
import type { BannerRow } from '../results.ts';
import { findFreePort } from '../server/running-server.ts';
import { rotate, spreadOf } from '../statistics.ts';

/** The least a program can do that tcpserver starts: what remains of the launcher's time is its own. */
const BARE_PROGRAM = `#include <unistd.h>
int main(void) { return write(1, "220 mx.example.test\\r\\n", 21) == 21 ? 0 : 1; }
`;
const PROXY_HEADER = 'PROXY TCP4 127.0.0.1 127.0.0.1 40000 25\r\n';
const START_TRIES = 200;
const WARM_UP = 20;

interface BannerWay {
  readonly name: string;
  readonly options: NetConnectOpts;
  readonly header?: string;
}

/** Clients one after the other, by turns on each way. */
export async function measureBanners(
  place: Place,
  { port, socket }: { readonly port: number; readonly socket: string },
  clients: number,
): Promise<BannerRow[]> {
  const launcher = compile(place, join(ROOT, 'contrib/launcher/qpsmtpd-connect.c'), 'qpsmtpd-connect');
  const bareSource = join(place.folder, 'bare.c');
  writeFileSync(bareSource, BARE_PROGRAM);
  const bare = compile(place, bareSource, 'bare');
  const [launched, bared] = [await startTcpserver([launcher, socket]), await startTcpserver([bare])];
  const ways: readonly BannerWay[] = [
    { name: 'the daemon, TCP', options: { port, host: '127.0.0.1' } },
    { name: 'the daemon, Unix socket and PROXY header', options: { path: socket }, header: PROXY_HEADER },
    { name: 'tcpserver and a program that only greets', options: { port: bared.port, host: '127.0.0.1' } },
    {
      name: 'tcpserver, qpsmtpd-connect and the daemon',
      options: { port: launched.port, host: '127.0.0.1' },
    },
  ];
  try {
    const times = new Map(ways.map(({ name }) => [name, [] as number[]]));
    for (let count = -WARM_UP; count < clients; count++)
      for (const way of rotate(ways, count + WARM_UP)) {
        const milliseconds = await awaitBanner(way);
        if (count >= 0) times.get(way.name)!.push(milliseconds);
      }
    return ways.map(({ name }) => ({ way: name, milliseconds: spreadOf(times.get(name)!) }));
  } finally {
    await Promise.all([launched.stop(), bared.stop()]);
  }
}

function compile({ folder }: Place, source: string, name: string): string {
  const program = join(folder, name);
  try {
    execFileSync('cc', ['-O2', '-o', program, source], { stdio: 'pipe' });
  } catch {
    throw new MissingError('there is no C compiler: apt-get install gcc libc6-dev');
  }
  return program;
}

async function startTcpserver(program: readonly string[]) {
  const port = await findFreePort();
  const args = ['-H', '-R', '-l0', '127.0.0.1', String(port), ...program];
  const child = spawn('tcpserver', args, { stdio: 'ignore' });
  const gone = once(child, 'exit').catch(() => {
    throw new MissingError('tcpserver cannot be started: apt-get install ucspi-tcp');
  });
  gone.catch(() => undefined);
  const isUp = async (): Promise<boolean> =>
    awaitBanner({ name: 'start', options: { port, host: '127.0.0.1' } }).then(
      () => true,
      () => false,
    );
  for (let tries = 0; !(await isUp()); tries++) {
    if (tries > START_TRIES || child.exitCode !== null)
      throw new MissingError('tcpserver does not listen: apt-get install ucspi-tcp');
    await wait(20);
  }
  return {
    port,
    async stop(): Promise<void> {
      child.kill('SIGTERM');
      await gone;
    },
  };
}

/** From the call of connect to the first octets, in milliseconds. */
function awaitBanner({ options, header }: BannerWay): Promise<number> {
  return new Promise((resolve, reject) => {
    const begunAt = performance.now();
    const stream = connect(options);
    if (header !== undefined) stream.write(header);
    stream.on('error', reject);
    stream.once('data', () => {
      const milliseconds = performance.now() - begunAt;
      // The next client must not find this one's end under way. A program that only greets resets at the QUIT.
      stream.once('close', () => resolve(milliseconds)).resume();
      stream.off('error', reject).on('error', () => undefined);
      stream.end('QUIT\r\n');
    });
  });
}
