/** The output of a session: replies gather, and leave in one write. Its log lines begin here, too. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { Verdict } from '../../bindings/plugin/verdict.ts';
import { shownReply } from '../observe/log-text.ts';
import type { IncomingConnection } from '../intake/incoming-connection.ts';
import type { ConnectionFacts } from './connection-facts.ts';
import type { Template } from '../replies/reply.ts';
import type { SessionHost } from './session-host.ts';
import { SessionParts } from './session-parts.ts';

/** Characters of replies that may gather before they are written, for clients that send much and read nothing. */
const MAX_OUT = 65_536;

export abstract class SessionOutput extends SessionParts {
  abstract readonly host: SessionHost;
  abstract readonly intake: IncomingConnection;
  /** Replaced when XCLIENT makes another client of this one. */
  abstract facts: ConnectionFacts;
  abstract readonly transactionId: string | undefined;
  /** Texts that must not appear in the log. */
  abstract readonly secrets: readonly string[] | undefined;
  /** Replies wait for the client to read those before. */
  protected isClogged = false;
  #out = '';

  /** Replies can no longer reach the client. */
  protected abstract readonly isMute: boolean;
  /** A reply of 4yz or 5yz is about to go out. */
  protected abstract noteRefusal(text: string): void;
  /** The client reads again. */
  protected abstract unclog(): void;

  /** Adds a reply of the table to what the next write sends. */
  send(reply: Template, first?: string, second?: string): void {
    const { printer } = this.host;
    this.reply(first === undefined ? printer.fixed(reply) : printer.filled(reply, first, second));
  }

  /** Adds a reply with the text of a plugin, or that of the table if it has none. */
  sendVerdict(reply: Template, verdict: Verdict, about = ''): void {
    this.reply(this.host.printer.verdict(reply, verdict, about));
  }

  /** Adds a ready reply, its CRLF included. */
  reply(text: string): void {
    const { logger } = this.host;
    if (logger.writes(LogLevel.INFO)) this.log(LogLevel.INFO, shownReply(text, this.secrets));
    if (text >= '4') this.noteRefusal(text);
    this.#out += text;
  }

  log(level: LogLevel, text: string): void {
    this.host.logger.log(level, text, { connectionId: this.facts.id, transactionId: this.transactionId });
  }

  /** Writes the replies that have gathered. A client that does not read its replies is not read from either. */
  flush(): void {
    if (this.#out === '') return;
    const out = this.#out;
    this.#out = '';
    if (this.isMute || this.intake.stream.write(out, 'latin1')) return;
    this.isClogged = true;
    this.intake.stream.once('drain', () => {
      this.isClogged = false;
      this.unclog();
    });
  }

  /** Octets of replies that gather. */
  protected get outLength(): number {
    return this.#out.length;
  }

  /** `flush`, where much has gathered. */
  protected flushMuch(): void {
    if (this.#out.length > MAX_OUT) this.flush();
  }
}
