/**
 * The same dialogue with nodemailer's smtp-server and with the facade: what each client reads, what the callbacks are told and in
 * which order, what the session holds, what is logged. Whatever differs by nature (ids, ports, times) is made alike.
 */

import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect, vi } from 'vitest';
import { SMTPServer as Theirs } from 'smtp-server';
import {
  SMTPServer as Ours,
  type SMTPServerOptions,
  type SMTPServerSession,
} from '../../host/smtp-server/index.ts';

export type Options = SMTPServerOptions;
export type Kind = 'theirs' | 'ours';

/** What a server did, in its order. */
export interface Record {
  /** What the client read. */
  readonly replies: string[];
  readonly events: string[];
  readonly log: string[];
}

export interface Talk {
  /** Sends a line and reads its reply. */
  say(line: string): Promise<string>;
  send(octets: string | Buffer): void;
  reply(): Promise<string>;
  /** As `reply`, for a text that differs each time. */
  challenge(): Promise<string>;
  /** Everything until the server closes the connection. */
  rest(): Promise<string>;
  startTls(): Promise<void>;
  readonly socket: Socket;
}

export interface Twin {
  /** Of the server under test; made for each run, so that nothing is shared. `note` writes into the record. */
  readonly options?: (note: (text: string) => void, kind: Kind) => Options;
  readonly talk: (talk: Talk, server: Ours) => Promise<void>;
  /** The client begins with TLS. */
  readonly isSecure?: boolean;
  /** Octets before everything else, such as a PROXY header. */
  readonly prefix?: string;
  /** The log is compared as well. */
  readonly comparesLog?: boolean;
}

const PATIENCE_MS = 60_000;

class Client implements Talk {
  socket: Socket;
  readonly #replies: string[];
  #buffered = '';
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket, replies: string[]) {
    this.socket = socket;
    this.#replies = replies;
    this.#listen(socket);
  }

  #listen(socket: Socket): void {
    const wake = (): void => this.#wake();
    socket.on('data', (chunk: Buffer) => {
      if (socket !== this.socket) return;
      this.#buffered += chunk.toString('utf8');
      wake();
    });
    const end = (): void => {
      if (socket === this.socket) this.#isOver = true;
      wake();
    };
    socket.on('end', end).on('close', end).on('error', end);
  }

  send(octets: string | Buffer): void {
    this.socket.write(octets);
  }

  say(line: string): Promise<string> {
    this.send(`${line}\r\n`);
    return this.reply();
  }

  async reply(): Promise<string> {
    const deadline = performance.now() + PATIENCE_MS;
    while (performance.now() < deadline) {
      const whole = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/.exec(this.#buffered)?.[0];
      if (whole !== undefined) {
        this.#buffered = this.#buffered.slice(whole.length);
        this.#replies.push(whole);
        return whole;
      }
      if (this.#isOver) return '';
      await this.#news();
    }
    throw new Error(`no reply; so far ${JSON.stringify(this.#replies)} ${JSON.stringify(this.#buffered)}`);
  }

  async challenge(): Promise<string> {
    const text = await this.reply();
    this.#replies[this.#replies.length - 1] = text.slice(0, 4);
    return text;
  }

  async rest(): Promise<string> {
    while (!this.#isOver) await this.#news();
    const rest = this.#buffered;
    this.#buffered = '';
    this.#replies.push(rest, 'closed');
    return rest;
  }

  async startTls(): Promise<void> {
    const plain = this.socket;
    const secured = connectTls({ socket: plain, rejectUnauthorized: false, servername: 'mx.example' });
    this.socket = secured;
    this.#listen(secured);
    await once(secured, 'secureConnect');
  }

  #news(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`nothing came; so far ${JSON.stringify(this.#replies)}`)),
        PATIENCE_MS,
      );
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Runs the dialogue with one of them. */
export async function run(kind: Kind, twin: Twin): Promise<Record> {
  const replies: string[] = [];
  const events: string[] = [];
  const log: string[] = [];
  const note = (text: string): void => void events.push(text);
  const options: Options = {
    name: 'mx.example',
    disableReverseLookup: true,
    logger: twin.comparesLog === true ? logInto(log) : false,
    ...twin.options?.(note, kind),
  };
  const server = (kind === 'ours' ? new Ours(options) : new Theirs(options as never)) as unknown as Ours;
  server.on('connect', ({ clientHostname, remoteAddress, hostNameAppearsAs }) =>
    note(`event connect ${clientHostname} ${remoteAddress} ${hostNameAppearsAs}`),
  );
  server.on('error', (error) => note(`event error ${error.message}`));
  server.on('close', () => note('event close'));
  const listening = once(server.listen(0, '127.0.0.1'), 'listening');
  await listening;
  const { port } = server.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  if (twin.prefix !== undefined) socket.write(twin.prefix);
  await once(socket, 'connect');
  const clientPort = String(socket.localPort);
  const client = new Client(socket, replies);
  if (twin.isSecure === true)
    await client.startTls().catch((error: Error) => note(`client ${error.message}`));
  await twin.talk(client, server);
  client.socket.destroy();
  socket.destroy();
  // `onClose` comes a moment after the end of the connection.
  const connections = (): Promise<number> =>
    new Promise((resolve) => server.server.getConnections((_, count) => resolve(count)));
  await vi.waitFor(async () => expect(await connections()).toBe(0), { timeout: PATIENCE_MS, interval: 5 });
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  await new Promise<void>((resolve) => server.close(resolve));
  const alike = (text: string): string =>
    [[String(port), 'PORT'] as const, [clientPort, 'CLIENT'] as const]
      .reduce((so, [from, to]) => so.replaceAll(new RegExp(`\\b${from}\\b`, 'g'), to), text)
      .replace(/\b[0-9a-v]{16}\b/g, 'ID');
  return { replies: replies.map(alike), events: events.map(alike), log: log.map(alike) };
}

/** Each line of the log: level, fields, text with its arguments. */
function logInto(log: string[]): NonNullable<Exclude<Options['logger'], boolean>> {
  const write =
    (level: string) =>
    (entry: { [key: string]: unknown }, message: string, ...args: unknown[]): void => {
      // Without a value it makes no difference in a log.
      const fields = JSON.stringify(entry, (_, value: unknown) =>
        value instanceof Error ? value.message : value === undefined || value === false ? undefined : value,
      );
      log.push(`${level} ${fields} ${[message, ...args.map((arg) => String(arg))].join(' | ')}`);
    };
  return { debug: write('debug'), info: write('info'), error: write('error') };
}

/** Facts of a session, without what differs by nature. */
export function factsOf(session: SMTPServerSession): string {
  const { id, tlsOptions, xClient, xForward, ...rest } = session;
  return JSON.stringify({
    ...rest,
    id: typeof id,
    tlsOptions: tlsOptions && Object.keys(tlsOptions).sort(),
    xClient: [...xClient],
    xForward: [...xForward],
  });
}

/** Options with which every callback notes its call and what the session holds, and goes on. */
export const noting = (note: (text: string) => void, more: Options = {}): Options => ({
  onConnect(session, callback) {
    note(`onConnect ${factsOf(session)}`);
    callback();
  },
  onSecure(_socket, session, callback) {
    note(`onSecure ${session.servername} ${factsOf(session)}`);
    callback();
  },
  onAuth(auth, session, callback) {
    const { validatePassword, ...facts } = auth;
    // They differ each time.
    const rest = {
      ...facts,
      challenge: typeof facts.challenge,
      challengeResponse: typeof facts.challengeResponse,
    };
    note(`onAuth ${JSON.stringify(rest)} ${typeof validatePassword} ${factsOf(session)}`);
    const isRight =
      auth.method === 'CRAM-MD5'
        ? validatePassword('secret')
        : (auth.accessToken ?? auth.password) === 'secret';
    callback(null, isRight ? { user: { username: 'known', via: auth.method } } : {});
  },
  onMailFrom(address, session, callback) {
    note(`onMailFrom ${JSON.stringify(address)} ${factsOf(session)}`);
    callback();
  },
  onRcptTo(address, session, callback) {
    note(`onRcptTo ${JSON.stringify(address)} ${factsOf(session)}`);
    callback();
  },
  onData(stream, session, callback) {
    note(`onData ${factsOf(session)}`);
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
    stream.on('end', () => {
      note(
        `end ${stream.byteLength} ${stream.sizeExceeded} ${JSON.stringify(Buffer.concat(chunks).toString('latin1'))}`,
      );
      callback();
    });
  },
  onClose(session) {
    note(`onClose ${factsOf(session)}`);
  },
  ...more,
});

export async function compare(twin: Twin): Promise<void> {
  const theirs = await run('theirs', twin);
  const ours = await run('ours', twin);
  expect(theirs.replies.length + theirs.events.length).toBeGreaterThan(1);
  expect(ours).toEqual(theirs);
}

/** Says the lines one after the other, beginning with the banner. */
export const lines =
  (...all: readonly string[]) =>
  async (talk: Talk): Promise<void> => {
    await talk.reply();
    for (const line of all) if ((await talk.say(line)) === '') break;
  };

export const base64 = (text: string): string => Buffer.from(text).toString('base64');
export const PLAIN = base64('\0someone\0secret');
export const EHLO = 'EHLO Client.Example';
export const ENVELOPE = [EHLO, 'MAIL FROM:<a@b.example>', 'RCPT TO:<c@d.example>'];
export const MESSAGE = [...ENVELOPE, 'DATA', 'Subject: x\r\n\r\nHello\r\n..dot\r\n.'];
/** No AUTH, no TLS, or nothing would come through. */
export const OPEN: Options = { disabledCommands: ['AUTH', 'STARTTLS'] };
export const INSECURE: Options = { allowInsecureAuth: true, hideSTARTTLS: true };
