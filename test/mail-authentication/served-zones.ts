/** A name server on the loopback interface that says what a `FakeResolver` says: the same zones for us and for other programs. */

import { createSocket, type Socket } from 'node:dgram';
import dnsPacket, { type Answer, type Packet } from 'dns-packet';
import { fakeResolver, TestClock, type FakeDnsZones } from '../../host/testing/index.ts';
import { LookupError, mailauthResolver, type MailauthResolver } from '../../plugins/mailauth/dns-resolver.ts';

const CODES: Readonly<Record<string, number>> = { ENODATA: 0, ENOTFOUND: 3, EBADQUERY: 0 };
const SERVFAIL = 2;
const ASKED: ReadonlySet<string> = new Set(['A', 'AAAA', 'MX', 'PTR', 'TXT']);

export class ServedZones {
  readonly #socket: Socket;
  #resolve: MailauthResolver = () => Promise.reject(new LookupError('ENOTFOUND', 'no zones yet'));

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async start(): Promise<ServedZones> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const served = new ServedZones(socket);
    socket.on('message', (question, { port, address }) => {
      void served.#answer(question).then((answer) => {
        if (answer !== undefined) socket.send(answer, port, address);
      });
    });
    return served;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** From the next question on. A name whose fault is `timeout` is never answered. */
  set zones(zones: FakeDnsZones) {
    const clock = new TestClock();
    this.#resolve = mailauthResolver({ dns: fakeResolver(zones, clock), clock }, { timeoutMs: 1_000 });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(resolve));
  }

  async #answer(octets: Buffer): Promise<Buffer | undefined> {
    const { id = 0, questions = [] } = dnsPacket.decode(octets);
    const [question] = questions;
    if (question === undefined) return undefined;
    const reply: Packet = { type: 'response', id, questions };
    const { name, type } = question;
    if (!ASKED.has(type)) return dnsPacket.encode({ ...reply, flags: dnsPacket.AUTHORITATIVE_ANSWER });
    try {
      const records = await this.#resolve(name, type);
      const answers = records.map((data) => answerOf(name, type, data));
      return dnsPacket.encode({ ...reply, flags: dnsPacket.AUTHORITATIVE_ANSWER, answers });
    } catch (failure) {
      if (!(failure instanceof LookupError)) throw failure;
      return dnsPacket.encode({ ...reply, flags: CODES[failure.code] ?? SERVFAIL });
    }
  }
}

function answerOf(name: string, type: string, record: unknown): Answer {
  const ttl = 300;
  if (type === 'TXT') return { name, type, ttl, data: stringsOf((record as string[]).join('')) };
  if (type === 'MX') {
    const { exchange, priority } = record as { exchange: string; priority: number };
    return { name, type, ttl, data: { exchange: exchange === '' ? '.' : exchange, preference: priority } };
  }
  return { name, type: type as 'A' | 'AAAA' | 'PTR', ttl, data: record as string };
}

/** RFC 1035 section 3.3.14: a text is kept in strings of 255 octets at most. */
function stringsOf(text: string): Buffer[] {
  const octets = Buffer.from(text, 'latin1');
  const strings: Buffer[] = [];
  for (let at = 0; at < octets.length; at += 255) strings.push(octets.subarray(at, at + 255));
  return strings.length === 0 ? [Buffer.alloc(0)] : strings;
}
