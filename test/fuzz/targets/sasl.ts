/** AUTH: whatever a client says in an exchange, each line has one reply, and the session comes out of it whole. */
import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { definePlugin, LogLevel, ok, type Credentials } from '../../../bindings/plugin/index.ts';
import type { Hooks } from '../../../bindings/plugin/hooks.ts';
import { TestServer } from '../../../host/testing/index.ts';
import { chooseCuts } from '../cores.ts';
import type { Random } from '../random.ts';
import type { Target } from '../target.ts';

const MECHANISMS = ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256', 'OAUTHBEARER', 'XOAUTH2'];
/** What EHLO would offer besides: some of it ends the game of one line, one reply. */
const OTHERS = [
  'CHUNKING',
  'BINARYMIME',
  'STARTTLS',
  'XCLIENT',
  'XFORWARD',
  'SMTPUTF8',
  'DSN',
  'LIMITS',
  'REQUIRETLS',
];
/** A session that is stuck does not answer within this time. */
const PATIENCE_MS = 20_000;
/** Far above what one session needs; a leak passes it within a minute. */
const MAX_RESIDENT = 600 * 1_048_576;

const faults: string[] = [];

const judge = async (_: unknown, _mechanism: string, credentials: Credentials) =>
  (await credentials.verify('secret')) ? ok() : undefined;

const keeper = definePlugin({
  name: 'keeper',
  about: 'Lets in who knows the word, and keeps what the daemon complains about.',
  hooks: {
    ...Object.fromEntries(MECHANISMS.map((name) => [`auth-${name.toLowerCase()}`, judge])),
    logging: (_, { level, text }) => void (level <= LogLevel.ERROR && faults.push(text)),
  } as Hooks<unknown>,
});

let started: Promise<TestServer> | undefined;

const start = (): Promise<TestServer> =>
  TestServer.start({
    plugins: [keeper],
    config: {
      auth_delay: '0',
      auth_failures: '1000000',
      max_unrecognized: '0',
      max_commands: '0',
      extensions_off: OTHERS,
    },
  });

/** Counts the replies that arrive, all lines of one as one. */
class Listener {
  replies = 0;
  hasEnded = false;
  last = '';
  #text = '';
  #wake: () => void = () => undefined;

  constructor(stream: Duplex) {
    stream.setEncoding('latin1');
    stream.on('data', (text: string) => this.#take(text));
    const end = (): void => {
      this.hasEnded = true;
      this.#wake();
    };
    stream.on('end', end).on('error', end);
  }

  /** Waits until so many have arrived or the connection is closed. */
  async until(count: number): Promise<void> {
    const timer = setTimeout(() => this.#wake(), PATIENCE_MS);
    const deadline = performance.now() + PATIENCE_MS;
    while (this.replies < count && !this.hasEnded && performance.now() < deadline) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    clearTimeout(timer);
  }

  #take(text: string): void {
    const lines = (this.#text + text).split('\r\n');
    this.#text = lines.pop()!;
    for (const line of lines) {
      assert.match(line, /^[2345]\d\d[ -]/, `no reply line: ${JSON.stringify(line)}`);
      if (line[3] === ' ') {
        this.replies++;
        this.last = line;
      }
    }
    this.#wake();
  }
}

export const target: Target = {
  name: 'sasl',
  dictionary: [
    '*\r\n',
    '=\r\n',
    '=',
    'AUTH PLAIN ',
    'AUTH LOGIN\r\n',
    'AUTH CRAM-MD5\r\n',
    'AUTH SCRAM-SHA-256\r\n',
    'AUTH XOAUTH2 ',
    'AHVzZXIAc2VjcmV0',
    'dXNlcg==',
    'EHLO x\r\n',
    'A'.repeat(2_048),
  ],
  async run(input, random) {
    const server = await (started ??= start());
    const stream = server.connectStream();
    const listener = new Listener(stream);
    const opening = `EHLO c.example\r\nAUTH ${random.pick(MECHANISMS)}\r\n`;
    // The star ends an exchange and is an unknown command outside of one: either way one reply.
    const octets = Buffer.concat([Buffer.from(opening), input, Buffer.from('\r\n*\r\nNOOP\r\n')]);
    send(stream, octets, random);
    const expected = 1 + octets.filter((octet) => octet === 0x0a).length;
    await listener.until(expected);
    if (!listener.hasEnded) {
      assert.equal(listener.replies, expected, 'lines and replies do not match');
      assert.equal(listener.last, '250 OK', 'the session is not back at commands');
    }
    stream.destroy();
    assert.deepEqual(faults, []);
    assert.ok(process.memoryUsage.rss() < MAX_RESIDENT, 'memory grows');
  },
};

function send(stream: Duplex, octets: Buffer, random: Random): void {
  let from = 0;
  for (const cut of [...chooseCuts(octets.length, random), octets.length]) {
    if (cut > from) stream.write(octets.subarray(from, cut));
    from = Math.max(from, cut);
  }
}
