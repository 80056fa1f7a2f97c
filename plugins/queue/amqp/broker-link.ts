/** The one connection to a broker, and its one channel in confirm mode. Made when needed, let go when idle. */

import type * as amqplib from 'amqplib';
import type { ChannelModel, ConfirmChannel, connect, Options } from 'amqplib';
import { connectProblem, type Clock, type Log, type Services } from '../../../bindings/plugin/index.ts';
import { Timer } from '../../../bindings/timing/time-limit.ts';
import type { Situation } from '../web/outcomes.ts';
import type { Publication } from './publication.ts';

export interface BrokerPlace {
  readonly host: string;
  readonly port: number;
  readonly virtualHost: string;
  readonly isEncrypted: boolean;
  /** PEM of the authorities that are trusted instead of the system's. */
  readonly authorities: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

export interface LinkOptions {
  readonly place: BrokerPlace;
  readonly label: string;
  readonly exchange: string;
  readonly connectTimeoutMs: number;
  readonly confirmTimeoutMs: number;
}

/** Both sides notice within twice this time that the other is gone. */
const HEARTBEAT_SECONDS = 10;
/** A broker sends us confirmations and returned messages; more in one frame is none. */
const MAX_FRAME_OCTETS = 1_048_576;
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 30_000;
/** A link nobody needs is closed after this time. */
const IDLE_MS = 60_000;
/** A broker that has blocked us confirms within this time what it had read before, and reads nothing more. */
const BLOCKED_GRACE_MS = 2_000;

/** What the broker said of a publication. */
export type Confirmation =
  'confirmed' | 'returned' | Extract<Situation, 'unreachable' | 'broken' | 'busy' | 'late' | 'stopped'>;

interface OpenLink {
  readonly model: ChannelModel;
  readonly channel: ConfirmChannel;
  /** Ends the connection at once, with everything that waits to be sent. */
  readonly cut: AbortController;
  isGone: boolean;
}

export class BrokerLink {
  readonly #library: typeof amqplib;
  readonly #options: LinkOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  #link: OpenLink | undefined;
  #opening: Promise<OpenLink> | undefined;
  #failures = 0;
  #notBefore = 0;
  /** Why the broker takes nothing; undefined while it does. */
  #blocked: string | undefined;
  readonly #grace = new Timer();
  /** What ends the wait of each publication that is not confirmed. */
  readonly #waiting = new Set<(confirmation: Confirmation) => void>();
  #inFlight = 0;
  readonly #idle = new Timer();
  /** Ids of messages the broker has returned; their confirmations follow. */
  readonly #returned = new Set<string>();

  /** Throws if the client package is missing: the first message would be too late to learn that. */
  constructor(options: LinkOptions, { clock, system }: Pick<Services, 'clock' | 'system'>, log: Log) {
    this.#library = system.optionalPackage('amqplib') as typeof amqplib;
    this.#options = options;
    this.#log = log;
    this.#clock = clock;
  }

  /** Publishes and waits for the broker's word. Never rejects. */
  async publish(
    { routingKey, options }: Publication,
    content: Buffer,
    signal: AbortSignal,
  ): Promise<Confirmation> {
    this.#idle.stop();
    this.#inFlight++;
    try {
      const link = await this.#open();
      if (signal.aborted) return 'stopped';
      if (this.#blocked !== undefined) {
        this.#log.warn(`${this.#options.label} is blocked: ${this.#blocked}`);
        return 'busy';
      }
      return await this.#confirmed(link, signal, (settle) => {
        link.channel.publish(this.#options.exchange, routingKey, content, options, (error: unknown) => {
          if (this.#returned.delete(options.messageId)) settle('returned');
          else if (error === null || error === undefined) settle('confirmed');
          else settle(isRefusal(error) ? 'busy' : 'broken');
        });
      });
    } catch (cause) {
      this.#log.warn(`${this.#options.label}: ${connectProblem(cause, this.#options.place.port)}`);
      return 'unreachable';
    } finally {
      if (--this.#inFlight === 0) this.#rest();
    }
  }

  /**
   * What `begin` is told, or `late`. A broker that does not confirm in time may have stopped reading: what waits for it
   * would pile up here, so the connection goes, with all messages that are not confirmed.
   */
  #confirmed(
    link: OpenLink,
    signal: AbortSignal,
    begin: (settle: (confirmation: Confirmation) => void) => void,
  ): Promise<Confirmation> {
    return new Promise((resolve) => {
      const settle = (confirmation: Confirmation): void => {
        timer.stop();
        signal.removeEventListener('abort', stop);
        this.#waiting.delete(settle);
        resolve(confirmation);
      };
      this.#waiting.add(settle);
      const stop = (): void => settle('stopped');
      const timer = new Timer();
      timer.start(this.#options.confirmTimeoutMs, () => {
        settle('late');
        this.#drop(link, `no confirmation within ${this.#options.confirmTimeoutMs} ms`);
        link.cut.abort();
      });
      signal.addEventListener('abort', stop, { once: true });
      try {
        begin(settle);
      } catch (cause) {
        this.#drop(link, String(cause));
        settle('broken');
      }
    });
  }

  #open(): Promise<OpenLink> {
    if (this.#link !== undefined) return Promise.resolve(this.#link);
    if (this.#opening !== undefined) return this.#opening;
    const wait = this.#notBefore - this.#clock.now();
    if (wait > 0) return Promise.reject(new Error(`not reached before, next try in ${wait} ms`));
    this.#opening = this.#connect()
      .then((link) => {
        // One that went before anybody had it would not be dropped again.
        if (link.isGone) throw new Error('closed as soon as it was open');
        this.#failures = 0;
        return (this.#link = link);
      })
      .catch((cause: unknown) => {
        this.#backOff();
        throw cause;
      })
      .finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  #backOff(): void {
    const delay = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++);
    this.#notBefore = this.#clock.now() + delay;
  }

  async #connect(): Promise<OpenLink> {
    const { exchange, connectTimeoutMs, label } = this.#options;
    const cut = new AbortController();
    const timer = new Timer();
    timer.start(connectTimeoutMs, () => cut.abort());
    try {
      const model = await dial(this.#library, this.#options.place, cut.signal);
      const link: { -readonly [K in keyof OpenLink]?: OpenLink[K] } = { model, cut, isGone: false };
      const gone = (why: string) => (): void => this.#drop(link as OpenLink, why);
      model.on('error', (cause) => this.#log.warn(`${label}: ${cause.message}`));
      model.on('close', gone('the connection was closed'));
      model.on('blocked', (reason) => this.#block(reason));
      model.on('unblocked', () => this.#unblock());
      this.#unblock();
      const channel = (link.channel = await model.createConfirmChannel());
      channel.on('error', (cause: Error) => this.#log.warn(`${label}: ${cause.message}`));
      channel.on('close', gone('the channel was closed'));
      channel.on('return', ({ properties }) => this.#returned.add(String(properties.messageId)));
      if (exchange !== '') await channel.checkExchange(exchange);
      this.#log.info(`${label}: connected`);
      return link as OpenLink;
    } catch (cause) {
      cut.abort();
      throw cause;
    } finally {
      timer.stop();
    }
  }

  /**
   * RabbitMQ tells of an alarm only after a publication, which it leaves unread until the alarm is over. So that its client
   * is not kept waiting, it is put off; the link stays, because only there the broker tells the end of the alarm.
   */
  #block(reason: string): void {
    this.#blocked = reason === '' ? 'no reason given' : reason;
    this.#grace.start(BLOCKED_GRACE_MS, () => {
      if (this.#waiting.size > 0) this.#log.warn(`${this.#options.label} is blocked: ${this.#blocked}`);
      for (const settle of [...this.#waiting]) settle('busy');
    });
  }

  #unblock(): void {
    this.#blocked = undefined;
    this.#grace.stop();
  }

  /** Forgets a link: what it had in flight is settled by its channel. */
  #drop(link: OpenLink, why: string): void {
    if (link.isGone) return;
    link.isGone = true;
    if (this.#link === link) {
      this.#link = undefined;
      this.#returned.clear();
      this.#unblock();
      this.#log.info(`${this.#options.label}: ${why}`);
    }
    link.model.close().catch(() => link.cut.abort());
  }

  #rest(): void {
    this.#idle.start(IDLE_MS, () => this.close('closed while idle'));
  }

  /** A later publication would connect anew. */
  close(why = 'closed'): void {
    this.#idle.stop();
    if (this.#link !== undefined) this.#drop(this.#link, why);
  }
}

/** The broker said no (a queue that is full, say), and the channel goes on. */
const isRefusal = (error: unknown): boolean => error instanceof Error && error.message === 'message nacked';

function dial(library: typeof amqplib, place: BrokerPlace, signal: AbortSignal): Promise<ChannelModel> {
  const {
    host,
    port,
    virtualHost,
    isEncrypted,
    authorities: ca,
    username = 'guest',
    password = 'guest',
  } = place;
  const broker: Options.Connect = {
    protocol: isEncrypted ? 'amqps' : 'amqp',
    hostname: host,
    port,
    vhost: virtualHost,
    heartbeat: HEARTBEAT_SECONDS,
    maxFrameSize: MAX_FRAME_OCTETS,
    username,
    password,
  };
  const encryption = isEncrypted
    ? { rejectUnauthorized: true, minVersion: 'TLSv1.2' as const, ...(ca === undefined ? {} : { ca }) }
    : {};
  // The socket is closed with the signal, before and after the broker has answered.
  return library.connect(broker, { noDelay: true, ...encryption, signal } as Parameters<typeof connect>[1]);
}
