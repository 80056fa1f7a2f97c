/** The attacking clients, in a process of their own: what they cost is not taken for the server's. */

import { connect, type Socket } from 'node:net';
import type { Attack, AttackKind, AttackReport } from './attack.ts';

const BLOCK = 65_536;
const ENVELOPE = 'HELO a.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<u@example.test>\r\nDATA\r\n';
const HEADER = 'Subject: x\r\n\r\n';
const TICK_MS = 5;

const attack = JSON.parse(process.argv[2]!) as Attack;
let octets = 0;
let closed = 0;

const blocks: Record<Exclude<AttackKind, 'slow'>, Buffer> = {
  'endless-commands': Buffer.alloc(BLOCK, 'x'),
  'endless-lines': Buffer.alloc(BLOCK, 'x'),
  'endless-messages': Buffer.alloc(BLOCK - (BLOCK % 80), `${'x'.repeat(78)}\r\n`),
};

/** Resolves once the server has said `expected`. */
function hear(socket: Socket, expected: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    const listen = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!text.includes(expected)) return;
      socket.off('data', listen);
      socket.resume();
      resolve();
    };
    socket.on('data', listen);
    socket.once('close', () => reject(new Error(`closed before "${expected}" came: ${text}`)));
  });
}

async function open(isInData: boolean): Promise<Socket> {
  const socket = connect({ port: attack.port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => socket.destroy());
  await hear(socket, '220 ');
  if (isInData) {
    socket.write(ENVELOPE);
    await hear(socket, '354 ');
    socket.write(HEADER);
  }
  socket.once('close', () => closed++);
  return socket;
}

/** Every client gets its octet once a second, evenly spread over the second. */
function trickle(sockets: readonly Socket[]): void {
  const began = performance.now();
  const lines = ['NOOP\r\n', 'text\r\n'].map((line) => [...line].map((octet) => Buffer.from(octet)));
  setInterval(() => {
    const due = ((performance.now() - began) / 1_000) * sockets.length;
    for (; octets < due; octets++) {
      const at = octets % sockets.length;
      const round = Math.floor(octets / sockets.length);
      const socket = sockets[at]!;
      if (socket.writable) socket.write(lines[at % 2]![round % 6]!);
    }
  }, TICK_MS);
}

/** Writes as fast as the server reads, until all clients together have sent what they may. */
function pour(socket: Socket, block: Buffer): void {
  const write = (): void => {
    while (octets < attack.maxOctets && socket.writable) {
      octets += block.length;
      if (!socket.write(block)) return;
    }
  };
  socket.on('drain', write);
  write();
}

const tell = (state: AttackReport['state']): void => void process.send?.({ state, octets, closed });

process.on('message', () => {
  tell('over');
  process.disconnect();
  process.exit();
});
process.on('disconnect', () => process.exit());

const { kind } = attack;
const isInData = (index: number): boolean =>
  kind === 'slow' ? index % 2 === 1 : kind !== 'endless-commands';
const sockets: Socket[] = [];
for (let index = 0; index < attack.clients; index++) sockets.push(await open(isInData(index)));
tell('begun');
if (kind === 'slow') trickle(sockets);
else for (const socket of sockets) pour(socket, blocks[kind]);
