/** One client of the facade: the dialogue as smtp-server has it, on a session of ours. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { isIPv6 } from '../../bindings/wire/ip-address.ts';
import { disconnect } from '../session/closing.ts';
import type { Dialogue } from '../session/dialogue.ts';
import { readLine } from '../session/line-input.ts';
import type { Session } from '../session/session.ts';
import { stopListening } from '../intake/stream-events.ts';
import { dropInput, exchangeKeys } from '../session/starttls.ts';
import {
  COMMAND,
  NEXT,
  STOP,
  TLS_HANDSHAKE,
  type Outcome,
  type Progress,
  type Step,
} from '../session/steps.ts';
import { judgeCertificate, secureSocket } from '../tls/program-tls.ts';
import { answered } from './answered.ts';
import { ConnectionFacts } from './connection-facts.ts';
import { dispatch } from './commands.ts';
import type { FacadeServer } from './facade-server.ts';
import type { MessageStream } from './message-stream.ts';
import { printReply, type ReplyTopic } from './replies.ts';
import type { SMTPServerError } from './types.ts';

/** A client that speaks before the banner is found out in this time. */
const EARLY_TALK_MS = 100;
const NAME_TIMEOUT_MS = 1_500;
const COMMAND_OCTETS = 16_384;
const SOCKET_TIMEOUT_MS = 60_000;

/** Base 32, 16 characters. */
const newId = (): string =>
  BigInt(`0x${randomBytes(10).toString('hex')}`)
    .toString(32)
    .padStart(16, '0');

/** Errors by which a client simply goes; outside a transaction they are worth no report. */
const GONE = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);

export class SMTPConnection extends ConnectionFacts implements Dialogue {
  readonly id = newId();
  readonly server: FacadeServer;
  /** Reads the next line instead of a command: AUTH goes on. */
  nextLine: ((line: string) => Progress) | undefined = undefined;
  /** The message that arrives, until its reply. */
  message: MessageStream | undefined = undefined;
  /** Commands before AUTH, and lines that were none. */
  unauthenticated = 0;
  unrecognized = 0;
  /** Of our session; set as soon as that begins. */
  engine!: Session;
  #isReady = false;
  #isClosing = false;
  #isGone = false;
  #isEntered = false;
  #isAnnounced = false;
  #line = '';
  #rest: NodeJS.Timeout | undefined;
  /** Ends the wait for the program. */
  #giveUp: (() => void) | undefined;
  readonly #run: readonly Step[] = [() => dispatch(this, this.#line)];
  readonly #readOptions;

  constructor(server: FacadeServer) {
    super(server.options);
    this.server = server;
    this.session.id = this.id;
    this.#readOptions = {
      maxOctets: server.options.maxCommandLength ?? COMMAND_OCTETS,
      take: (line: Buffer) => {
        this.#line = line.toString();
        this.engine.run(this.#run);
      },
      refuse: () => this.engine.run([() => this.end(421, 'Error: Command line too long')]),
    };
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** For the log. */
  get user(): unknown {
    const { user } = this.session;
    return (typeof user === 'object' && (user as { username?: unknown } | null)?.username) || user;
  }

  get #timeoutMs(): number {
    return this.server.options.socketTimeout || SOCKET_TIMEOUT_MS;
  }

  // What the session asks.

  begin(session: Session): readonly Step[] {
    this.engine = session;
    this.#noteProxy();
    const { secure = false, secured = false, needsUpgrade = false } = this.server.options;
    const first: Step[] = [];
    const isSecuredFirst = secure && !secured && !needsUpgrade;
    if (isSecuredFirst) first.push(() => this.#secureFirst());
    first.push(() => this.#enter());
    if (needsUpgrade) first.push(() => this.upgrade());
    return [
      ...first,
      () => this.#requirePlace(),
      () => pause(EARLY_TALK_MS),
      () => this.#findName(),
      () => this.#askConnect(),
      () => (this.session.secure && !needsUpgrade ? this.#askSecure() : NEXT),
      () => this.#greet(),
    ];
  }

  /** Health checks and the like are not worth a line. */
  #noteProxy(): void {
    const { peer, remote, local } = this.engine.intake;
    const { ignoredHosts = [] } = this.server.options;
    if (remote === peer || ignoredHosts.includes(remote.address)) return;
    const family = isIPv6(remote.address) ? 'TCP6' : 'TCP4';
    const said = [family, remote.address, local.address, String(remote.port), String(local.port)];
    const entry = { tnx: 'proxy', cid: this.id, proxy: remote.address };
    const text = '[%s] PROXY from %s through %s (%s)';
    this.server.logger.info(entry, text, this.id, remote.address, local.address, JSON.stringify(said));
  }

  readCommands(session: Session, chunk: Buffer, from: number): number {
    const end = readLine(session, chunk, from, this.#readOptions);
    // There is no need to wait for the end of a line that is too long already.
    if (session.isSkippingLine && session.isOpen) this.#readOptions.refuse();
    return end;
  }

  nextDeadline(): number {
    return performance.now() + this.#timeoutMs;
  }

  tellLate(): void {
    this.end(421, 'Timeout - closing connection');
  }

  tellShutdown(): boolean {
    return false;
  }

  // The beginning.

  async #secureFirst(): Promise<Outcome> {
    const { server } = this;
    const gone = once(this.engine.intake.stream, 'close').catch(() => undefined);
    if (!server.addPending(this)) {
      this.engine.destroy();
      return STOP;
    }
    stopListening(this.engine.intake.stream);
    const error = await this.#exchange();
    server.removePending(this);
    if (error !== undefined) {
      server.report(error);
      await gone;
      return STOP;
    }
    this.secure = this.session.secure = true;
    return NEXT;
  }

  #enter(): Outcome {
    this.takeEnds(this.engine.intake);
    const { stream } = this.engine.intake;
    this.tlsOptions = (this.secure && secureSocket(stream)?.getCipher()) || false;
    this.#isEntered = true;
    this.server.connections.add(this);
    this.#listen();
    return NEXT;
  }

  /** Of the stream in use: TLS puts another in its place. */
  #listen(): void {
    const { stream } = this.engine.intake;
    stream
      .once('close', () => this.#leave())
      .once('end', () => this.#limitRest())
      .on('error', (error) => this.fail(error));
  }

  /** The client has closed its side, and may still read; a program that never answers must not keep it. */
  #limitRest(): void {
    this.#rest = setTimeout(() => this.engine.destroy(), this.#timeoutMs);
    this.#rest.unref();
  }

  #requirePlace(): Outcome {
    const { maxClients } = this.server.options;
    if (!maxClients || this.server.connections.size <= maxClients) return NEXT;
    return this.end(421, `${this.name} Too many connected clients, try again in a moment`, 'none');
  }

  /** Names are controlled by whoever has the address: one that is no host name counts as none. */
  async #findName(): Promise<Outcome> {
    const { server, remoteAddress } = this;
    let name = '';
    try {
      if (server.options.disableReverseLookup !== true) {
        const names = await within(NAME_TIMEOUT_MS, server.namesOf(remoteAddress));
        name = names[0] ?? '';
      }
    } catch (error) {
      const err = error as Error;
      const entry = { tnx: 'connection', cid: this.id, host: remoteAddress, hostname: false, err };
      server.logger.error(entry, 'Reverse resolve for %s: %s', remoteAddress, err.message);
    }
    if (name !== '' && !isHostName(name)) {
      const entry = { tnx: 'connection', cid: this.id, host: remoteAddress, hostname: name };
      const text = 'Discarded invalid reverse resolved hostname %s for %s';
      server.logger.info(entry, text, JSON.stringify(name), remoteAddress);
      name = '';
    }
    this.setClientHostname(name);
    this.resetSession();
    return this.#refuseEarlyTalker();
  }

  #askConnect(): Progress {
    const { server } = this;
    return answered<[error?: Error | null]>(
      this,
      (callback) => server.onConnect(this.session, callback),
      (error) => {
        const entry = {
          tnx: 'connection',
          cid: this.id,
          host: this.remoteAddress,
          hostname: this.clientHostname,
        };
        server.logger.info(entry, 'Connection from %s', this.clientHostname);
        return error ? this.refuse(error, 'none') : this.#refuseEarlyTalker();
      },
    );
  }

  #askSecure(topic: ReplyTopic | undefined = 'none'): Progress {
    const { stream } = this.engine.intake;
    this.session.servername = secureSocket(stream)?.servername;
    return answered<[error?: Error | null]>(
      this,
      (callback) =>
        this.server.onSecure(stream as Parameters<FacadeServer['onSecure']>[0], this.session, callback),
      (error) => (error ? this.refuse(error, topic) : NEXT),
    );
  }

  #greet(): Progress {
    const early = this.#refuseEarlyTalker();
    if (early !== NEXT) return early;
    const { useXClient, useXForward } = this.server.options;
    this.#isReady = true;
    if (!useXClient && !useXForward) this.announce();
    this.sendGreeting();
    this.engine.mode = COMMAND;
    return STOP;
  }

  #refuseEarlyTalker(): Outcome {
    return this.engine.hasUnread ? this.end(421, `${this.name} You talk too soon`) : NEXT;
  }

  sendGreeting(): void {
    const { lmtp = false, banner } = this.server.options;
    const protocol = lmtp ? 'LMTP' : 'ESMTP';
    this.send(220, `${this.name} ${protocol}${banner ? ` ${banner}` : ''}`, 'none');
  }

  /** The event `connect`, once the client is known. */
  announce(isAgain = false): void {
    if (this.#isAnnounced && !isAgain) return;
    this.#isAnnounced = true;
    this.server.announce(this.info());
  }

  // TLS.

  async #exchange(): Promise<Error | undefined> {
    const error = await exchangeKeys(this.engine);
    if (error !== undefined) return this.#handshakeError(error);
    const socket = secureSocket(this.engine.intake.stream)!;
    const { requestCert = false, rejectUnauthorized = false } = this.server.options;
    const objection = requestCert ? judgeCertificate(socket) : undefined;
    if (objection === undefined || !rejectUnauthorized) return undefined;
    socket.destroy();
    return objection;
  }

  #handshakeError({ cause }: Error): Error {
    const meta = { protocol: 'smtp', stage: 'connect', remoteAddress: this.engine.intake.remote.address };
    if (cause instanceof Error) return Object.assign(cause, { meta });
    const error = new Error('Socket closed while initiating TLS');
    return Object.assign(error, { responseCode: 500, code: 'SocketError', report: false, meta });
  }

  /** After STARTTLS: what was known of the client counts for nothing any more. RFC 3207 section 4.2. */
  async upgrade(): Promise<Outcome> {
    const { engine, session, server } = this;
    const { mode } = engine;
    engine.mode = TLS_HANDSHAKE;
    // The chunk in which STARTTLS came has to be put aside first.
    await Promise.resolve();
    // Octets that came in the clear, after STARTTLS, count for nothing: an attacker may have put them there.
    dropInput(engine);
    engine.flush();
    const error = await this.#exchange();
    if (error !== undefined) {
      this.fail(error);
      return STOP;
    }
    this.secure = session.secure = true;
    session.user = false;
    this.hostNameAppearsAs = this.openingCommand = false;
    this.tlsOptions = secureSocket(engine.intake.stream)?.getCipher() ?? false;
    this.resetSession();
    this.#listen();
    const cipher = this.tlsOptions ? this.tlsOptions.name : undefined;
    const entry = { tnx: 'starttls', cid: this.id, user: this.user, cipher };
    server.logger.info(entry, 'Connection upgraded to TLS using', cipher ?? 'N/A');
    engine.mode = mode;
    return this.#askSecure(undefined);
  }

  /**
   * Waits until the program has answered, or the client is gone: a program that never answers must not keep what the session
   * holds.
   */
  waiting(begin: (resolve: (outcome: Progress) => void) => void): Promise<Outcome> {
    return new Promise<Outcome>((resolve) => {
      this.#giveUp = () => resolve(STOP);
      if (this.#isGone) resolve(STOP);
      else begin(resolve);
    });
  }

  // Replies.

  send(code: number, text: string | readonly string[] = '', topic?: ReplyTopic): Outcome {
    const { engine, server } = this;
    const isEnhanced = server.options.hideENHANCEDSTATUSCODES === false;
    const reply = printReply(code, text, { topic, isEnhanced });
    if (code >= 400) this.session.error = reply;
    if (engine.isOpen) {
      engine.reply(Buffer.from(`${reply}\r\n`).latin1Slice());
      server.logger.debug({ tnx: 'send', cid: this.id, user: this.user }, 'S:', reply);
    }
    if (code === 421) this.close();
    return STOP;
  }

  /** Sends a reply, after which the connection ends. */
  end(code: number, text: string, topic?: ReplyTopic): Outcome {
    this.send(code, text, topic);
    this.close();
    return STOP;
  }

  refuse(error: SMTPServerError, topic?: ReplyTopic): Outcome {
    return this.end(error.responseCode || 554, error.message, topic);
  }

  /** Memory for another recipient: false if there is none. What it takes is given back with the transaction. */
  override takesWeight(octets: number): boolean {
    const { memory } = this.engine.host;
    if (memory.defersMail) return false;
    this.weight += octets;
    memory.adjust(octets);
    return true;
  }

  protected override resetWeight(): void {
    if (this.weight > 0) this.engine.host.memory.adjust(-this.weight);
    this.weight = 0;
  }

  // The end.

  /** Closes the connection after the replies so far. */
  close(): void {
    this.server.connections.delete(this);
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.engine.run([disconnect]);
  }

  /** An error of the stream. A client that goes outside a transaction is no event. */
  fail(err: Error & { code?: string; remoteAddress?: string }): void {
    err.remoteAddress = this.remoteAddress;
    const { server, user } = this;
    server.logger.error({ err, tnx: 'error', user }, '%s %s %s', this.id, this.remoteAddress, err.message);
    if (GONE.has(err.code ?? '') && !this.session.envelope.mailFrom) this.close();
    else server.report(err);
  }

  #leave(): void {
    if (!this.#isEntered || this.#isGone) return;
    this.#isGone = true;
    const { server, id, user, remoteAddress: host } = this;
    const entry = { tnx: 'close', cid: id, host, user };
    server.logger.info({ ...entry, hadError: false }, '%s received "close" event from %s', id, host);
    clearTimeout(this.#rest);
    this.message?.abandon();
    this.#giveUp?.();
    this.resetWeight();
    server.connections.delete(this);
    server.logger.info(entry, 'Connection closed to %s', this.clientHostname || host);
    setImmediate(() => server.onClose(this.session, () => undefined));
  }
}

/** The session keeps its place meanwhile; the process may end before. */
function pause(ms: number): Promise<Outcome> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(NEXT), ms).unref();
  });
}

function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('Timeout')), ms);
    timer.unref();
    void answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/** Of a PTR record, or of XCLIENT. */
export const isHostName = (name: string): boolean =>
  name.length <= 253 &&
  name
    .replace(/\.$/, '')
    .split('.')
    .every((label) => LABEL.test(label));
