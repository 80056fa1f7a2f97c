/**
 * Clients that keep a daemon busy while it is restarted, and count what they lose: sessions that were refused, reset, closed without
 * a reply or told 421 before their end, and messages that were acknowledged and are not there.
 */

import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

const CLIENTS = 8;
/** One session of so many brings no message: it says QUIT as soon as it is greeted. */
const QUITTERS = 4;
/** Between two commands of the long session. */
const PAUSE_MS = 50;
/** Of so many commands of the long session one is a message. */
const NOOPS = 10;

export interface HammerResult {
  /** Sessions that came to their end, those of all clients. */
  readonly sessions: number;
  /** What became of each that did not. */
  readonly lost: readonly string[];
  /** Subjects of the messages that were acknowledged. */
  readonly acknowledged: readonly string[];
  /** How often the long session was told 421, after its time. */
  readonly farewells: number;
}

/** The connection is over, or about to be. */
class Loss extends Error {
  /** The daemon takes leave, at a time at which it may. */
  readonly isDue: boolean;

  constructor(what: string, isDue: boolean) {
    super(what);
    this.isDue = isDue;
  }
}

/** One connection, spoken with line by line. */
class Talk {
  readonly #socket: Socket;
  readonly #hammer: Hammer;
  readonly #beganAt = performance.now();
  #text = '';
  #wake: () => void = () => undefined;
  #ending: string | undefined = undefined;

  constructor(port: number, hammer: Hammer) {
    this.#hammer = hammer;
    this.#socket = connect(port, '127.0.0.1').setEncoding('latin1');
    this.#socket.on('data', (text: string) => {
      this.#text += text;
      this.#wake();
    });
    this.#socket.on('error', (error) => this.#end(error.message));
    this.#socket.on('end', () => this.#end('closed'));
    this.#socket.on('close', () => this.#end('closed'));
  }

  get isConnecting(): boolean {
    return this.#socket.connecting;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Sends the line and returns the last line of the reply. Throws a `Loss` if it is not of the class that is expected. */
  async say(line: string | undefined, expected: string): Promise<void> {
    if (line !== undefined) this.#socket.write(`${line}\r\n`);
    for (;;) {
      const reply = /^(?:\d{3}-.*\r\n)*(\d{3} .*)\r\n/.exec(this.#text);
      if (reply !== null) {
        this.#text = this.#text.slice(reply[0].length);
        const [, last = ''] = reply;
        if (last.startsWith(expected)) return;
        throw new Loss(
          `${last} (after ${line ?? 'the connection'})`,
          this.#hammer.isFarewellDue(this.#beganAt),
        );
      }
      if (this.#ending !== undefined) throw new Loss(`${this.#ending} (after ${line ?? 'nothing'})`, false);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Returns the subject once the message is acknowledged. */
  async deliver(): Promise<string> {
    const subject = randomBytes(9).toString('hex');
    await this.say('MAIL FROM:<me@example.org>', '250');
    await this.say('RCPT TO:<you@example.test>', '250');
    await this.say('DATA', '354');
    await this.say(`Subject: ${subject}\r\n\r\nhello\r\n.`, '250');
    return subject;
  }

  #end(how: string): void {
    this.#ending ??= how;
    this.#wake();
  }
}

export class Hammer {
  readonly #port: number;
  readonly #graceMs: number;
  readonly #restarts: { readonly from: number; to: number }[] = [];
  readonly #lost: string[] = [];
  readonly #acknowledged: string[] = [];
  readonly #talks = new Set<Talk>();
  readonly #ended: Promise<unknown>;
  #sessions = 0;
  #farewells = 0;
  #isStopped = false;

  /** `graceMs`: how long sessions may go on after a restart. */
  constructor(port: number, graceMs: number) {
    this.#port = port;
    this.#graceMs = graceMs;
    this.#ended = Promise.all([...Array.from({ length: CLIENTS }, () => this.#hit()), this.#last()]);
  }

  /** To be called before the daemon is told to restart; what it returns, when it has done so. */
  noteRestart(): () => void {
    const restart = { from: performance.now(), to: Number.POSITIVE_INFINITY };
    this.#restarts.push(restart);
    return () => {
      restart.to = performance.now();
    };
  }

  /** True if a session that began then may be told 421: the process that has it was replaced, and the grace period is over. */
  isFarewellDue(beganAt: number): boolean {
    const restart = this.#restarts.find(({ to }) => to > beganAt);
    return restart !== undefined && performance.now() - Math.max(restart.from, beganAt) >= this.#graceMs;
  }

  /** Resolves when so many sessions more have come to their end. */
  async more(sessions: number): Promise<void> {
    const wanted = this.#sessions + this.#lost.length + sessions;
    while (this.#sessions + this.#lost.length < wanted) await wait(5);
  }

  /** No session begins any more; resolves when the daemon has, or could have, accepted all that did. */
  async holdBack(): Promise<void> {
    this.#isStopped = true;
    while ([...this.#talks].some(({ isConnecting }) => isConnecting)) await wait(1);
  }

  /** Lets the sessions end, the long one as well. */
  async stop(): Promise<HammerResult> {
    this.#isStopped = true;
    await this.#ended;
    return {
      sessions: this.#sessions,
      lost: this.#lost,
      acknowledged: this.#acknowledged,
      farewells: this.#farewells,
    };
  }

  async #hit(): Promise<void> {
    for (let number = 0; !this.#isStopped; number++) {
      await this.#talk(async (talk) => {
        await talk.say(undefined, '220');
        if (number % QUITTERS !== 0) {
          await talk.say('EHLO client.example', '250');
          this.#acknowledged.push(await talk.deliver());
        }
        await talk.say('QUIT', '221');
        this.#sessions++;
      });
    }
  }

  /** The session that lasts: it goes on until it is told 421, and begins again. */
  async #last(): Promise<void> {
    while (!this.#isStopped) {
      await this.#talk(async (talk) => {
        await talk.say(undefined, '220');
        await talk.say('EHLO client.example', '250');
        for (let number = 1; !this.#isStopped; number++) {
          await wait(PAUSE_MS);
          if (number % NOOPS === 0) this.#acknowledged.push(await talk.deliver());
          else await talk.say('NOOP', '250');
        }
        await talk.say('QUIT', '221');
        this.#sessions++;
      });
    }
  }

  async #talk(course: (talk: Talk) => Promise<void>): Promise<void> {
    const talk = new Talk(this.#port, this);
    this.#talks.add(talk);
    try {
      await course(talk);
    } catch (error) {
      if (!(error instanceof Loss)) throw error;
      if (error.isDue) this.#farewells++;
      else this.#lost.push(error.message);
    } finally {
      talk.close();
      this.#talks.delete(talk);
    }
  }
}

/** The acknowledged messages that are not among those delivered. */
export function missingFrom(delivered: readonly Buffer[], { acknowledged }: HammerResult): readonly string[] {
  const found = new Set(delivered.map((message) => /^Subject: (\w+)/m.exec(message.toString('latin1'))?.[1]));
  return acknowledged.filter((subject) => !found.has(subject));
}
