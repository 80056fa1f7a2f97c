/** One connection to a next hop: commands out, replies in, each waited for within its time. */

import {
  connectProblem,
  type HopReply,
  type PeerCertificate,
  type Services,
} from '../../../bindings/plugin/index.ts';
import type { HopHost, TlsDemand } from './hop-options.ts';
import type { Deadlines, Expiring } from '../../../bindings/timing/deadlines.ts';
import { NOT_IN_SET } from '../../../bindings/timing/dense-set.ts';
import { departSoon } from '../../../bindings/timing/departures.ts';
import { NO_EXTENSIONS } from './extensions.ts';
import { HopFault, hopReplies, type HopStage, printReply } from './hop-replies.ts';
import { ReplyReader } from './reply-reader.ts';

type ConnectionStream = ReturnType<Services['connect']['begin']>;

/** How long a hop that was told QUIT may take to close the connection. */
const QUIT_MS = 5_000;

/** Made once: a stack costs more than a message. */
const GIVEN_UP = new HopFault('end', hopReplies.closed);

/** No host gives up clients as fast as this; the clock of `Deadlines` goes by half seconds. */
const LONG_REST_MS = 2_000;

/** So many octets do not wait for more to go with them. */
const MAX_OUTGOING = 16_384;

interface SecureHop {
  readonly stream: ConnectionStream;
  /** The certificate is what `verified` wants, whether it was demanded or not. */
  readonly isVerified: boolean;
}

export class HopConnection implements Expiring {
  deadlineAt = Number.POSITIVE_INFINITY;
  watchedAt = NOT_IN_SET;
  readonly host: HopHost;
  extensions = NO_EXTENSIONS;
  /** Encrypted; verified as `verified` wants it. */
  isSecure = false;
  isVerified = false;
  /** Messages handed over so far. */
  deliveries = 0;
  /** The hop has announced that it will close. RFC 5321 section 3.8. */
  isClosing = false;
  /** More replies have come than commands went out: which of them was meant for which command is not known. */
  isOutOfStep = false;
  /** Called once, when the connection is gone. */
  onGone: () => void = () => undefined;
  readonly #deadlines: Deadlines;
  readonly #connect: Services['connect'];
  #socket: ConnectionStream;
  #reader = new ReplyReader();
  readonly #replies: HopReply[] = [];
  /** Written, and not yet handed to the socket. */
  #outgoing: (string | Buffer)[] = [];
  #outgoingOctets = 0;
  /** Replies that commands were sent for and that have not come. */
  #owed = 0;
  /** Those of them whose commands have not left yet. */
  #owedLater = 0;
  #stage: HopStage = 'connect';
  #restsSince = 0;
  #restedMs = 0;
  /** What waits for a reply, or for the hop to take what was written, and is to hear of a fault. */
  #takeReply: ((reply: HopReply) => void) | undefined;
  #takeDrain: (() => void) | undefined;
  #reject: ((fault: HopFault) => void) | undefined;
  #fault: HopFault | undefined;
  readonly #port: number | undefined;
  #expire: () => void = () => undefined;
  readonly #timeOut = (): void => {
    this.fail(new HopFault(this.#stage, hopReplies.timedOut(this.#stage)));
  };

  /** Begins to connect. */
  constructor(host: HopHost, port: number, connect: Services['connect'], deadlines: Deadlines) {
    const { path } = host;
    this.host = host;
    this.#port = path === undefined ? port : undefined;
    this.#deadlines = deadlines;
    this.#connect = connect;
    // Replies are strings by the time a read is over.
    this.#socket = connect.begin(path === undefined ? { host: host.address ?? host.name, port } : { path }, {
      onOctets: (octets) => this.#take(octets),
    });
    deadlines.watch(this);
    this.#listen(this.#socket);
  }

  /** Resolves once the hop has taken the connection. Rejects with a `HopFault`, as everything here does. */
  connected(timeoutMs: number): Promise<void> {
    return this.#within(timeoutMs, (resolve) =>
      this.#socket.once('connect', () => {
        this.#settle();
        resolve();
      }),
    );
  }

  /** True until the connection is lost or given up. */
  get isOpen(): boolean {
    return this.#fault === undefined;
  }

  /** A reply has come that nobody has taken yet. */
  get hasReply(): boolean {
    return this.#replies.length > 0;
  }

  /** Something that was written has not left, and never will if the connection is lost. */
  get hasUnsent(): boolean {
    return this.#outgoing.length > 0;
  }

  /** It lay unused long enough for a hop to have given it up without our knowing. */
  get hasRested(): boolean {
    return this.#restedMs > LONG_REST_MS;
  }

  /** Ready for the next transaction: open, and nothing is under way. */
  get isReady(): boolean {
    return (
      this.isOpen && !this.isClosing && this.#owed === 0 && !this.hasReply && this.deadlineAt === Infinity
    );
  }

  /** Sends octets that need no reply, in the order of the calls. They may not change any more. */
  write(octets: string | Buffer): void {
    if (this.#fault !== undefined) return;
    this.#outgoingOctets += octets.length;
    if (this.#outgoing.push(octets) === 1) departSoon(this);
  }

  /** What was written leaves now, in one piece. */
  depart(): void {
    const outgoing = this.#outgoing;
    if (outgoing.length === 0 || this.#fault !== undefined) return;
    this.#outgoing = [];
    this.#outgoingOctets = this.#owedLater = 0;
    const socket = this.#socket;
    if (outgoing.length === 1) {
      socket.write(outgoing[0]!);
      return;
    }
    socket.cork();
    for (const octets of outgoing) socket.write(octets);
    socket.uncork();
  }

  /** Sends commands, each with its line end, for which `replies` replies are owed. */
  command(lines: string | Buffer, replies = 1): void {
    this.#owed += replies;
    this.#owedLater += replies;
    this.write(lines);
  }

  /** `replies` more, or as many less, are expected. */
  owe(replies: number): void {
    this.#owed += replies;
  }

  /** The next reply, at once if it is here. Rejects with a `HopFault` if there is none within the time. */
  reply(stage: HopStage, timeoutMs: number): HopReply | Promise<HopReply> {
    this.#stage = stage;
    const here = this.#replies.shift();
    if (here !== undefined) return this.#heard(here);
    return this.#within(timeoutMs, (resolve) => {
      this.#takeReply = resolve;
    });
  }

  /** Says one line, given without its end, and returns the reply. */
  say(line: string, stage: HopStage, timeoutMs: number): Promise<HopReply> {
    this.command(`${line}\r\n`);
    return Promise.resolve(this.reply(stage, timeoutMs));
  }

  /** Undefined if more can be written; otherwise resolves once the hop has taken enough. Rejects with a `HopFault`. */
  drained(timeoutMs: number): Promise<void> | undefined {
    if (this.#outgoingOctets >= MAX_OUTGOING) this.depart();
    if (!this.#socket.writableNeedDrain && this.#fault === undefined) return undefined;
    return this.#within(timeoutMs, (resolve) => {
      this.#takeDrain = resolve;
    });
  }

  /**
   * Goes on under TLS. Octets that came before the handshake are thrown away with the connection: somebody on the way may
   * have put them there to have them taken for replies that came under TLS (CVE-2011-0411).
   */
  async upgrade(demand: TlsDemand, timeoutMs: number): Promise<void> {
    this.#stage = 'tls';
    if (this.#reader.isInsideReply || this.#replies.length > 0) {
      throw this.fail(new HopFault('tls', hopReplies.injected));
    }
    this.depart();
    const { stream, isVerified } = await this.#within<SecureHop>(timeoutMs, (resolve, reject) => {
      this.#shakeHands(demand).then(
        (secure) => {
          if (this.isOpen) this.#settle();
          resolve(secure);
        },
        (cause: unknown) =>
          reject(cause instanceof HopFault ? cause : handshakeFault(cause as NodeJS.ErrnoException)),
      );
    }).catch((cause: HopFault) => {
      throw this.fail(cause);
    });
    this.isSecure = true;
    this.isVerified = isVerified;
    this.#reader = new ReplyReader();
    this.#socket = stream;
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#listen(stream);
  }

  async #shakeHands(demand: TlsDemand): Promise<SecureHop> {
    const { host } = this;
    const { level, names = [host.name], serverName = host.name } = demand;
    const { stream, peer } = await this.#connect.secure(this.#socket, {
      ...demand,
      names,
      serverName: host.path === undefined ? serverName : undefined,
      // Every level and DANE have the same way.
      isJudgedByCaller: true,
    });
    const problem = (demand.judge ?? usualProblem)(peer);
    if (problem === undefined || level !== 'verified') return { stream, isVerified: problem === undefined };
    throw new HopFault('tls', hopReplies.distrusted, `certificate of ${host.name}: ${problem}`);
  }

  /** No transaction is under way: the process may end, and what the hop sends now means its end of the connection. */
  rest(idleMs: number): void {
    this.#restsSince = this.#deadlines.now;
    this.#socket.unref();
    this.#wait(idleMs, () => this.quit());
  }

  /** The next transaction begins. */
  resume(): void {
    this.#restedMs = this.#deadlines.now - this.#restsSince;
    this.#socket.ref();
    this.#settle();
  }

  /** Says goodbye if that can be said, and closes. */
  quit(): void {
    if (this.#fault !== undefined) return;
    if (this.#owed > 0 || this.isClosing) {
      this.destroy();
      return;
    }
    this.depart();
    this.#fault = GIVEN_UP;
    this.#socket.unref();
    this.#socket.end('QUIT\r\n');
    this.#wait(QUIT_MS, () => this.#socket.destroy());
    this.onGone();
  }

  /** Closes at once, whatever is under way. */
  destroy(): void {
    this.fail(new HopFault(this.#stage, hopReplies.aborted));
  }

  /** The first fault stays; what waits gets it. Returns it. */
  fail(fault: HopFault): HopFault {
    if (this.#fault !== undefined) return this.#fault;
    this.#fault = fault;
    this.#socket.destroy();
    this.#deadlines.forget(this);
    const reject = this.#reject;
    this.#settle();
    reject?.(fault);
    this.onGone();
    return fault;
  }

  expire(): void {
    this.#expire();
  }

  #listen(socket: ConnectionStream): void {
    const lost = (cause?: Error): void => {
      const goodbye = this.#replies.find(({ code }) => code === 421);
      const detail =
        (cause as NodeJS.ErrnoException | undefined)?.code ?? cause?.message ?? 'closed by the hop';
      const isConnecting = this.#stage === 'connect';
      const reply =
        goodbye ?? (isConnecting ? hopReplies.noConnection(detail) : hopReplies.lost(this.#stage));
      // Addresses of our network are for the log alone.
      const shown = isConnecting && cause !== undefined ? connectProblem(cause, this.#port) : detail;
      this.fail(new HopFault(this.#stage, reply, goodbye ? printReply(goodbye) : `${this.#stage}: ${shown}`));
    };
    socket.on('error', lost);
    socket.on('end', () => lost());
    socket.on('close', () => {
      lost();
      this.#deadlines.forget(this);
    });
    socket.on('drain', () => {
      const resolve = this.#takeDrain;
      if (resolve === undefined) return;
      this.#settle();
      resolve();
    });
  }

  #take(chunk: Buffer): void {
    if (this.#fault !== undefined) return;
    try {
      for (const reply of this.#reader.take(chunk)) this.#file(reply);
    } catch (cause) {
      const why = (cause as Error).message;
      this.fail(new HopFault(this.#stage, hopReplies.garbage(why)));
    }
  }

  /**
   * Replies nobody asked for come to an end here: a hop must not fill the memory with them. What has come before a command
   * left is no answer to it either: taken for one, it would have the next message delivered that the hop refuses.
   */
  #file(reply: HopReply): void {
    if (this.#owed > this.#owedLater) {
      this.#owed--;
      const resolve = this.#takeReply;
      if (resolve === undefined) {
        this.#replies.push(reply);
        return;
      }
      this.#settle();
      resolve(this.#heard(reply));
    } else if (reply.code === 421) {
      this.fail(new HopFault(this.#stage, reply, printReply(reply)));
    } else {
      this.isOutOfStep = true;
      this.fail(new HopFault(this.#stage, hopReplies.garbage('a reply nobody asked for')));
    }
  }

  #heard(reply: HopReply): HopReply {
    if (reply.code === 421) this.isClosing = true;
    return reply;
  }

  /** Runs `begin` under the deadline. The first that resolves settles. */
  #within<T>(
    timeoutMs: number,
    begin: (resolve: (value: T) => void, reject: (fault: HopFault) => void) => void,
  ): Promise<T> {
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    return new Promise<T>((resolve, reject) => {
      this.#reject = reject;
      this.#wait(timeoutMs, this.#timeOut);
      begin(resolve, reject);
    });
  }

  /** Nobody waits any more. */
  #settle(): void {
    this.#takeReply = this.#takeDrain = this.#reject = undefined;
    this.deadlineAt = Number.POSITIVE_INFINITY;
  }

  #wait(timeoutMs: number, expire: () => void): void {
    this.#expire = expire;
    this.deadlineAt = this.#deadlines.now + timeoutMs;
  }
}

const usualProblem = ({ distrust, hasName }: PeerCertificate): string | undefined =>
  distrust ?? (hasName ? undefined : 'it does not stand for the name of the host');

/** What TLS itself says is final; a connection that is lost in between may come about another time. */
function handshakeFault({ code, message }: NodeJS.ErrnoException): HopFault {
  const isRefused = code?.startsWith('ERR_SSL_') === true;
  return new HopFault(
    'tls',
    isRefused ? hopReplies.handshakeRefused : hopReplies.handshakeFailed,
    `TLS: ${message}`,
  );
}
