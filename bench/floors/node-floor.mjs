// The least a Node server can do: plain sockets, the 'data' event, ready replies, one write per chunk. It understands
// just enough of SMTP to keep step with a client; it keeps nothing, checks nothing and asks nobody.
// Usage: node-floor.mjs PORT [KEY CERT]
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

const [port, key, cert] = process.argv.slice(2);
const secureContext = key && createSecureContext({ key: readFileSync(key), cert: readFileSync(cert) });

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
const UPPER = 0xdf;
const END = Buffer.from('\r\n.\r\n');
const NOTHING = Buffer.alloc(0);
/** In front of the content: a dot on the first line is at the start of a line too. */
const LINE_START = END.subarray(0, 2);
const REFUSED = '@elsewhere.test>';
const TAKEN = '250 taken\r\n';

const letter = (text) => text.charCodeAt(0);
const REPLIES = [];
REPLIES[letter('E')] =
  `250-floor\r\n250-PIPELINING\r\n250-8BITMIME\r\n${key ? '250-STARTTLS\r\n' : ''}250 CHUNKING\r\n`;
REPLIES[letter('D')] = '354 go ahead\r\n';
REPLIES[letter('Q')] = '221 bye\r\n';

/** Position after the end of data, or -1. `tail` is what stands in front of `at`, four octets at most. */
function endOfData(tail, chunk, at) {
  const octet = chunk[at];
  if (octet === CR || octet === LF || octet === DOT) {
    const seam = Buffer.concat([tail, chunk.subarray(at, at + 4)]).indexOf(END);
    if (seam >= 0) return at + seam + END.length - tail.length;
  }
  const end = chunk.indexOf(END, at);
  return end < 0 ? -1 : end + END.length;
}

class Connection {
  socket;
  mode = 'command';
  left = 0;
  tail = NOTHING;

  constructor(socket) {
    this.attend(socket);
    socket.write('220 floor ESMTP\r\n');
  }

  attend(socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.read(chunk));
    socket.on('error', () => socket.destroy());
  }

  read(chunk) {
    let replies = '';
    let at = 0;
    while (at < chunk.length) {
      if (this.mode === 'data') {
        const end = endOfData(this.tail, chunk, at);
        if (end < 0) {
          const rest = chunk.subarray(Math.max(at, chunk.length - 4));
          this.tail = rest.length === 4 ? rest : Buffer.concat([this.tail, rest]).subarray(-4);
          break;
        }
        at = end;
        this.tail = NOTHING;
        this.mode = 'command';
        replies += TAKEN;
      } else if (this.mode === 'bdat') {
        const taken = Math.min(this.left, chunk.length - at);
        at += taken;
        this.left -= taken;
        if (this.left > 0) break;
        this.mode = 'command';
        replies += TAKEN;
      } else {
        const lf = chunk.indexOf(LF, at);
        if (lf < 0) {
          this.tail = Buffer.concat([this.tail, chunk.subarray(at)]);
          break;
        }
        const line =
          this.tail === NOTHING ? chunk.subarray(at, lf) : Buffer.concat([this.tail, chunk.subarray(at, lf)]);
        this.tail = NOTHING;
        at = lf + 1;
        const verb = line[0] & UPPER;
        if (verb === letter('S')) return this.startTls();
        if (verb === letter('R') && line.includes(REFUSED, 0, 'latin1')) replies += '550 not here\r\n';
        else if (verb !== letter('B')) replies += REPLIES[verb] ?? '250 ok\r\n';
        if (verb === letter('D')) {
          this.mode = 'data';
          this.tail = LINE_START;
        } else if (verb === letter('B')) {
          this.mode = 'bdat';
          this.left = Number(line.latin1Slice().split(' ')[1]);
        } else if (verb === letter('Q')) {
          this.socket.end(replies);
          return;
        }
      }
    }
    if (replies !== '') this.socket.write(replies, 'latin1');
  }

  startTls() {
    const plain = this.socket;
    plain.write('220 go ahead\r\n');
    plain.removeAllListeners();
    this.attend(new TLSSocket(plain, { isServer: true, secureContext }));
  }
}

createServer({ noDelay: true }, (socket) => void new Connection(socket)).listen({
  port: Number(port),
  host: '127.0.0.1',
  backlog: 1024,
});
