// Stands in for host/embed/smtp-daemon.ts: the same interface, a protocol of a few words, and faults on demand.
// Configuration: DIR/greeting; DIR/broken makes loading fail; while DIR/hold exists, loading does not go on.
import cluster from 'node:cluster';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { ConfigError, QpsmtpdError } from '../errors/error-classes.js';
import { inheritedSockets, listenOn } from '../intake/inherited-sockets.js';
import { parseListen, printListen } from '../intake/listen-spec.js';
import { Logger } from '../observe/logger.js';

function readGreeting(configDir) {
  const broken = join(configDir, 'broken');
  if (existsSync(broken)) throw new ConfigError({ file: broken, line: 3 }, 'nothing works', 'remove it');
  return readFileSync(join(configDir, 'greeting'), 'utf8').trim();
}

async function open(server, text) {
  const { address, port, ...spec } = parseListen(text);
  const fd = inheritedSockets.take(parseListen(text)) ?? spec.fd;
  await new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new QpsmtpdError('Q_LISTEN', `cannot listen on ${text}`, { cause })),
    );
    server.once('listening', resolve);
    listenOn(server, fd === undefined ? { port, host: address } : { fd });
  });
  const bound = server.address();
  return printListen({ kind: 'tcp', address: bound.address, port: bound.port });
}

class FakeDaemon {
  logger = new Logger(5, (line) => process.stderr.write(`${line}\n`));
  sessions = new Set();
  workerTimeoutMs = 60_000;

  static async bind(options) {
    const servers = options.listen.map(() => createServer());
    const addresses = await Promise.all(servers.map((server, i) => open(server, options.listen[i])));
    return { addresses, servers };
  }

  static async load(options, bound) {
    const server = new FakeDaemon();
    server.options = options;
    server.bound = bound;
    server.greeting = readGreeting(options.configDir);
    server.loadedAs = process.getuid();
    const hold = join(options.configDir, 'hold');
    if (existsSync(hold)) process.stderr.write('loading is held\n');
    while (existsSync(hold)) await wait(10);
    return server;
  }

  static async clearStaleSockets() {}

  async listen() {
    this.servers = this.bound?.servers ?? this.options.listen.map(() => createServer());
    for (const server of this.servers) server.on('connection', (socket) => this.serve(socket));
    if (this.bound) return this.bound.addresses;
    return Promise.all(this.servers.map((server, i) => open(server, this.options.listen[i])));
  }

  async reload() {
    this.greeting = readGreeting(this.options.configDir);
  }

  announceStop() {
    this.stopsSoon = true;
  }

  sockets() {
    return this.servers.map((server, i) => ({ listen: this.options.listen[i], fd: server._handle.fd }));
  }

  reopenLogs() {
    process.stderr.write(`${process.pid} opens its logs again\n`);
  }

  async drain(graceMs, { isPrompt } = {}) {
    for (const server of this.servers) server.close();
    this.isPrompt = isPrompt;
    if (isPrompt) for (const session of this.sessions) session.sendAway();
    const rest = [...this.sessions].map(({ ended }) => ended);
    await Promise.race([Promise.all(rest), wait(graceMs)]);
    for (const session of this.sessions) session.sendAway();
    await wait(50);
    for (const session of this.sessions) session.socket.destroy();
  }

  describe() {
    return { plugins: ['rcpt_ok', 'queue/maildir'], settings: [{ name: 'greeting', value: this.greeting }] };
  }

  async serve(socket) {
    socket.on('error', () => undefined);
    const ip = socket.remoteAddress;
    const admission = await this.options.ledger.admit(ip);
    if (!admission.isAdmitted) return socket.end('421 too many\r\n');
    const session = { socket, inData: false, done: undefined };
    session.ended = new Promise((resolve) => (session.done = resolve));
    session.sendAway = () => {
      if (!session.inData) socket.end('421 stopping\r\n');
    };
    this.sessions.add(session);
    socket.on('close', () => {
      this.sessions.delete(session);
      this.options.ledger.release(ip);
      session.done();
    });
    const uids = `${this.loadedAs} ${process.getuid()}`;
    socket.write(
      `220 ${this.stopsSoon ? 'last' : this.greeting} ${process.pid} ${cluster.isWorker ? 'worker' : 'alone'} ${uids}\r\n`,
    );
    socket.on('data', (data) => this.hear(session, data.toString().trim()));
  }

  hear(session, word) {
    const { socket } = session;
    if (word === 'DATA') {
      session.inData = true;
      socket.write('354 go\r\n');
    } else if (word === '.') {
      session.inData = false;
      socket.write('250 queued\r\n');
      if (this.isPrompt) session.sendAway();
    } else if (word === 'THROW') {
      socket.write('250 thrown\r\n');
      setImmediate(() => {
        throw new Error('nobody catches this');
      });
    } else if (word === 'REJECT') {
      socket.write('250 rejected\r\n');
      void Promise.reject(new Error('nobody awaits this'));
    } else if (word === 'QUIT') socket.end('221 bye\r\n');
  }
}

export const smtpDaemon = FakeDaemon;
