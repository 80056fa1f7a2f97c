/** Ports for programs that have to be told one. */

import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below those that systems hand out by themselves (`net.ipv4.ip_local_port_range`), above those that daemons have by custom. */
const FIRST = 12_000;
const END = 32_000;

const given = new Set<number>();

/**
 * A port of loopback that nobody listens on, and another one each time. None of those that the system hands out: between the look and
 * the start of the program that it is for, an outgoing connection or a listener on port 0 could take it.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 1_000; tries++) {
    const port = randomInt(FIRST, END);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no port is free from ${FIRST} to ${END - 1}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
