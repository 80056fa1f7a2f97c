/**
 * Opens sessions that do nothing, in steps: each line on standard input is a number of sessions to have open, answered
 * by that number once all have read the greeting and the reply to EHLO. Ends with its standard input.
 */

import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const port = Number(process.argv[2]);
const PATIENCE_MS = 30_000;
/** Connections under way at a time: more would only overflow the server's backlog. */
const atOnce = Number(process.argv[3] ?? 50);
const open: Socket[] = [];

function openOne(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let hasGreeting = false;
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no greeting in time')));
    socket.once('error', reject);
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      if (!hasGreeting) {
        hasGreeting = true;
        socket.write('EHLO idle.example.com\r\n');
      } else if (/^250 .*\r\n$/m.test(text)) {
        socket.setTimeout(0);
        socket.removeAllListeners('data');
        socket.resume();
        open.push(socket);
        resolve();
      }
    });
  });
}

async function openUntil(count: number): Promise<void> {
  const one = async (): Promise<void> => {
    while (open.length + pending < count) {
      pending++;
      await openOne().finally(() => pending--);
    }
  };
  let pending = 0;
  await Promise.all(Array.from({ length: atOnce }, one));
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    await openUntil(Number(line));
    process.stdout.write(`${open.length}\n`);
  } catch (error) {
    process.stdout.write(`failed after ${open.length}: ${String(error)}\n`);
  }
}
process.exit(0);
