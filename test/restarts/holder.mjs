// Holds a listening socket and keeps a daemon running on it, as systemd does for a .socket unit: `node holder.mjs PROGRAM ARGUMENT…`.
// The daemon has the socket as descriptor 3.
import { spawn } from 'node:child_process';
import net from 'node:net';

const [, , ...command] = process.argv;
const socket = net._createServerHandle('127.0.0.1', 0, 4, -1, 0);
const where = {};
socket.getsockname(where);
process.stdout.write(`holding tcp://127.0.0.1:${where.port}\n`);

let daemon;
let isEnding = false;
process.on('SIGTERM', () => {
  isEnding = true;
  daemon.kill('SIGTERM');
});

function run() {
  daemon = spawn(process.execPath, command, { stdio: ['ignore', 'inherit', 'inherit', socket.fd] });
  daemon.once('exit', () => (isEnding ? process.exit() : run()));
}
run();
