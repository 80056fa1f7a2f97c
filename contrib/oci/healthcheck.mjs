// Is the daemon in this container well? `node healthcheck.mjs PORT` exits with 0 if a client is greeted with 220 there.
import { connect } from 'node:net';

const PATIENCE_MS = 8_000;
const port = Number(process.argv[2] ?? 2525);

function end(problem) {
  if (problem !== undefined) process.stderr.write(`${problem}\n`);
  process.exit(problem === undefined ? 0 : 1);
}

const socket = connect({ port, host: '127.0.0.1' });
socket.setEncoding('latin1');
socket.setTimeout(PATIENCE_MS, () => end(`no greeting within ${PATIENCE_MS / 1_000} s`));
socket.once('error', (error) => end(error.message));
let said = '';
socket.on('data', (text) => {
  said += text;
  if (!said.includes('\n')) return;
  // One that drains says 421: it is not to be given clients.
  if (said.startsWith('220')) socket.end('QUIT\r\n', () => end());
  else end(said.split('\r\n', 1)[0]);
});
socket.once('end', () => end(`closed after ${JSON.stringify(said)}`));
