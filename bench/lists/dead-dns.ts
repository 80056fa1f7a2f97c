/**
 * Mail while the DNS is dead: the daemon asks a server that never answers, for its lists, for the sender's domain, for SPF, for
 * the client's name. Sessions come at the same time and deliver a message after the other.
 */

import { createSocket, type Socket } from 'node:dgram';
import { OrdinaryClient, quantile } from '../slow-clients/latency.ts';
import { startServer } from '../slow-clients/server-process.ts';

const SESSIONS = 100;
const MESSAGES = 2;
/** Configured for all who ask. */
const TIMEOUT_SECONDS = 5;
/** Of that, for the work besides. */
const MAX_OVER = 1.1;

const zones = (name: string, count: number): string =>
  Array.from({ length: count }, (_, index) => `${name}${index}.test`).join('\n');

/** In the order of config.sample, each waited for in the hook in which it is by default or in which its line there says. */
const ENVELOPE = [
  `dns_whitelist_soft timeout ${TIMEOUT_SECONDS}`,
  `iprev timeout ${TIMEOUT_SECONDS}`,
  `resolvable_fromhost timeout ${TIMEOUT_SECONDS} dns_failure accept`,
  `rhsbl timeout ${TIMEOUT_SECONDS}`,
  `dnsbl check-at rcpt timeout ${TIMEOUT_SECONDS}`,
  `sender_permitted_from reject 3 timeout ${TIMEOUT_SECONDS}`,
  'rcpt_ok',
];
const SETTINGS = {
  dnsbl_zones: zones('dnsbl', 20),
  rhsbl_zones: zones('rhsbl', 10),
  whitelist_zones: zones('allow', 2),
  dns_timeout: String(TIMEOUT_SECONDS),
  loglevel: '0',
};

export interface DeadDnsResult {
  readonly timeoutMs: number;
  readonly messages: number;
  readonly refused: number;
  /** From MAIL to the last reply, in milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
  /** Questions that the dead server got. */
  readonly questions: number;
  readonly isWithin: boolean;
}

/** Hears everything and says nothing. */
class DeadServer {
  readonly #socket: Socket = createSocket('udp4');
  questions = 0;

  async start(): Promise<number> {
    this.#socket.on('message', () => this.questions++);
    await new Promise<void>((resolve) => this.#socket.bind(0, '127.0.0.1', resolve));
    return this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }
}

export async function measureDeadDns(): Promise<DeadDnsResult> {
  const dns = new DeadServer();
  const port = await dns.start();
  const plugins = [...ENVELOPE, 'queue/discard'].join('\n');
  const server = await startServer({ ...SETTINGS, plugins, dns_servers: `127.0.0.1:${port}` });
  try {
    const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => deliverAll(server.port)));
    const times = sessions.flatMap((session) => session.times);
    const refused = sessions.reduce((sum, session) => sum + session.refused, 0);
    const timeoutMs = TIMEOUT_SECONDS * 1_000;
    const p95 = quantile(times, 0.95);
    return {
      timeoutMs,
      messages: times.length,
      refused,
      p50: quantile(times, 0.5),
      p95,
      max: Math.max(...times),
      questions: dns.questions,
      // Without questions nobody was dead.
      isWithin: refused === 0 && p95 <= timeoutMs * MAX_OVER && dns.questions > SESSIONS,
    };
  } finally {
    await server.stop();
    dns.close();
  }
}

async function deliverAll(port: number): Promise<{ times: number[]; refused: number }> {
  const times: number[] = [];
  const client = await OrdinaryClient.open(port);
  try {
    while (times.length < MESSAGES) times.push(await client.deliver());
    return { times, refused: 0 };
  } catch (cause) {
    // Another reply than 250.
    process.stderr.write(`${String(cause)}\n`);
    return { times, refused: 1 };
  } finally {
    client.close();
  }
}
