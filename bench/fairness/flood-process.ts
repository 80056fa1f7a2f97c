/** The flooding clients, in a process of their own: what they cost is not taken for the server's. */

import { connect, type Socket } from 'node:net';
import type { Flood, FloodKind } from './flood.ts';

const BLOCK = 65_536;
const TICK_MS = 10;
const ENVELOPE = 'MAIL FROM:<a@a.example>\r\nRCPT TO:<u@example.test>\r\n';

const flood = JSON.parse(process.argv[2]!) as Flood;

/** `before` is sent once, `again` over and over. */
interface Words {
  readonly before: string;
  readonly again: string;
}

const COMMANDS = 'RSET\r\nNOOP\r\nVRFY x\r\nMAIL FROM:<a@a.example> SIZE=1 BODY=7BIT\r\nRSET\r\nHELP\r\n';
const WORDS: Readonly<Record<FloodKind, Words>> = {
  bdat: { before: ENVELOPE, again: 'BDAT 1\r\nx' },
  commands: { before: '', again: COMMANDS },
  'refused-recipients': { before: 'MAIL FROM:<a@a.example>\r\n', again: 'RCPT TO:<u@other.example>\r\n' },
  'header-lines': { before: '', again: `${ENVELOPE}DATA\r\n${'a:\r\n'.repeat(1_900)}\r\nx\r\n.\r\n` },
  dots: { before: '', again: `${ENVELOPE}DATA\r\na: b\r\n\r\n${'..\r\n'.repeat(100_000)}.\r\n` },
};

const { before, again } = WORDS[flood.kind];
const block = Buffer.from(again.repeat(Math.ceil(BLOCK / again.length)));

/** A client that is turned out comes back: limits of one connection are not what is measured. */
function begin(): void {
  const socket = connect({ port: flood.port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => socket.destroy());
  socket.once('close', () => setTimeout(begin, TICK_MS));
  socket.once('data', () => {
    socket.resume();
    socket.write(`EHLO a.example\r\n${before}`);
    if (flood.octetsPerSecond === undefined) pour(socket);
    else trickle(socket, flood.octetsPerSecond);
  });
}

function pour(socket: Socket): void {
  const write = (): void => {
    while (socket.writable && socket.write(block));
  };
  socket.on('drain', write);
  write();
}

/** In pieces of every size, at a steady rate, wherever they may part. */
function trickle(socket: Socket, octetsPerSecond: number): void {
  const began = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1_000) * octetsPerSecond;
    while (sent < due && socket.writable && !socket.writableNeedDrain) {
      const at = sent % block.length;
      const piece = block.subarray(at, at + Math.ceil(due - sent));
      sent += piece.length;
      socket.write(piece);
    }
  }, TICK_MS);
  socket.once('close', () => clearInterval(timer));
}

process.on('disconnect', () => process.exit());
for (let index = 0; index < flood.clients; index++) begin();
