/**
 * A message that did not come by SMTP becomes a session of SMTP inside this process: the same hooks are asked, the same limits
 * hold, the same replies are given. RFC 5321 section 3.3.
 */

import type { Duplex } from 'node:stream';
import { pour, type MessageContent } from './message-content.ts';
import { SmtpDialogue, type SmtpReply } from './smtp-dialogue.ts';

/** How far a message had come when it got its reply. */
export type Stage = 'connect' | 'ehlo' | 'mail' | 'rcpt' | 'data' | 'end-of-data';

export interface InjectedEnvelope {
  /** Reverse-path without brackets; empty: the null reverse-path. No control characters, no angle brackets. */
  readonly from: string;
  /** Forward-paths, in the same form; at least one. */
  readonly to: readonly string[];
  readonly options: EnvelopeOptions;
}

/** Parameters of MAIL and RCPT, as the client wrote them; the session judges them. RFC 3461, RFC 6531. */
export interface EnvelopeOptions {
  readonly smtputf8?: boolean | undefined;
  readonly ret?: string | undefined;
  readonly envid?: string | undefined;
  readonly notify?: string | undefined;
}

export interface Judgement {
  readonly to: string;
  readonly reply: SmtpReply;
  readonly stage: Stage;
}

/** What became of a message. Each recipient is in one of the two lists. */
export interface InjectionOutcome {
  /** Those for whom the daemon has taken responsibility. */
  readonly accepted: readonly string[];
  readonly rejected: readonly Judgement[];
  /** The reply to the message; if nobody gets it, a temporary one rather than a permanent one. */
  readonly reply: SmtpReply;
  readonly stage: Stage;
  /** The rest of the content was not read. */
  readonly isUnread: boolean;
}

/** The request was given up before the message was whole: nothing is queued. */
export class InjectionAborted extends Error {
  constructor() {
    super('the request ended before the message was whole');
  }
}

/** The client's side of a new connection to this process. */
export type Connect = () => Duplex;

export interface InjectionOptions {
  readonly connect: Connect;
  readonly envelope: InjectedEnvelope;
  readonly content: MessageContent;
  /** What EHLO says: an address literal of the client. */
  readonly hello: string;
  /** The client has gone. Counts until the message is whole, not after that. */
  readonly signal: AbortSignal;
}

/** Throws an `InjectionAborted`, and nothing else. */
export function inject(options: InjectionOptions): Promise<InjectionOutcome> {
  return new Injection(options).run();
}

/** Recipients of one transaction where the session does not say how many it takes. RFC 5321 section 4.5.3.1.8. */
const RECIPIENTS_ANYWAY = 100;
/** Recipients whose RCPT is under way at a time. */
const PIPELINED = 200;
/** A session that ends for what it refused is followed by another one for the rest, this often. */
const MAX_SESSIONS = 16;
/** The content cannot be said in SMTP; the session would find the same and refuse it so. */
const LONE_CR: SmtpReply = {
  code: 550,
  status: '5.6.11',
  lines: ['Message contains bare CR or LF; lines must end in CRLF (RFC 5321 section 2.3.8)'],
};

/** The last reply of a session that has ended, for the recipients it left without one. */
interface End {
  readonly reply: SmtpReply;
  readonly stage: Stage;
}

class Injection {
  readonly #options: InjectionOptions;
  /** Without a reply so far. */
  #pending: readonly string[];
  readonly #accepted: string[] = [];
  readonly #rejected: Judgement[] = [];
  #reply: SmtpReply | undefined = undefined;
  #isUnread: boolean;
  /** A message is whole: from here on its outcome counts, whether or not anybody waits for it. */
  #isDecided = false;
  #extensions = new Map<string, string>();

  constructor(options: InjectionOptions) {
    this.#options = options;
    this.#pending = [...new Set(options.envelope.to)];
    this.#isUnread = !options.content.isRepeatable;
  }

  async run(): Promise<InjectionOutcome> {
    for (let sessions = 1; this.#pending.length > 0; sessions++) {
      const before = this.#pending.length;
      const { reply, stage } = await this.#runSession();
      const goesOn = this.#pending.length < before && sessions < MAX_SESSIONS;
      if (!goesOn) this.#refuse(this.#pending, reply, stage);
    }
    return this.#outcome();
  }

  #outcome(): InjectionOutcome {
    const { accepted, rejected, isUnread } = this.#lists;
    if (this.#reply !== undefined)
      return { accepted, rejected, reply: this.#reply, stage: 'end-of-data', isUnread };
    const told = rejected.find(({ reply }) => reply.code < 500) ?? rejected[0]!;
    return { accepted, rejected, reply: told.reply, stage: told.stage, isUnread };
  }

  get #lists(): Pick<InjectionOutcome, 'accepted' | 'rejected' | 'isUnread'> {
    return { accepted: this.#accepted, rejected: this.#rejected, isUnread: this.#isUnread };
  }

  #refuse(recipients: readonly string[], reply: SmtpReply, stage: Stage): void {
    for (const to of recipients) this.#rejected.push({ to, reply, stage });
    const refused = new Set(recipients);
    this.#pending = this.#pending.filter((to) => !refused.has(to));
  }

  /** One session, with as many transactions as it takes. */
  async #runSession(): Promise<End> {
    const { connect, signal } = this.#options;
    this.#throwIfAborted();
    const dialogue = new SmtpDialogue(connect());
    const abort = (): void => {
      if (!this.#isDecided) dialogue.destroy();
    };
    signal.addEventListener('abort', abort);
    try {
      return await this.#speak(dialogue);
    } finally {
      signal.removeEventListener('abort', abort);
      dialogue.quit();
      this.#throwIfAborted();
    }
  }

  async #speak(dialogue: SmtpDialogue): Promise<End> {
    const banner = await dialogue.reply();
    if (banner.code !== 220) return { reply: banner, stage: 'connect' };
    const greeted = await dialogue.command(`EHLO ${this.#options.hello}`);
    if (greeted.code !== 250) return { reply: greeted, stage: 'ehlo' };
    this.#extensions = extensionsIn(greeted);
    let end: End | undefined;
    while (end === undefined && this.#pending.length > 0) end = await this.#runTransaction(dialogue);
    return end ?? { reply: greeted, stage: 'ehlo' };
  }

  #throwIfAborted(): void {
    if (this.#options.signal.aborted && !this.#isDecided) throw new InjectionAborted();
  }

  /** Returns what ended the session, if anything did. */
  async #runTransaction(dialogue: SmtpDialogue): Promise<End | undefined> {
    const group = this.#pending.slice(0, this.#groupSize);
    const mail = await dialogue.command(this.#mailCommand());
    if (mail.code !== 250) {
      // Closed for what came before it in this session: another session may take it.
      if (mail.code !== 421) this.#refuse(this.#pending, mail, 'mail');
      return { reply: mail, stage: 'mail' };
    }
    const asked = await this.#askRecipients(dialogue, group);
    if ('ended' in asked) return { reply: asked.ended, stage: 'rcpt' };
    if (asked.accepted.length === 0) {
      const reset = await dialogue.command('RSET');
      return reset.code === 250 ? undefined : { reply: reset, stage: 'rcpt' };
    }
    return this.#sendContent(dialogue, asked.accepted);
  }

  /** RCPTMAX (RFC 9422). What can be sent only once goes to all recipients in one transaction, or to those it takes. */
  get #groupSize(): number {
    if (!this.#options.content.isRepeatable) return Number.POSITIVE_INFINITY;
    const limit = /\bRCPTMAX=(\d{1,6})\b/.exec(this.#extensions.get('LIMITS') ?? '')?.[1];
    return Math.max(1, Number(limit ?? RECIPIENTS_ANYWAY));
  }

  #mailCommand(): string {
    const { envelope, content } = this.#options;
    const { from, to, options } = envelope;
    const isUtf8 = options.smtputf8 === true || [from, ...to].some((path) => NOT_ASCII.test(path));
    const parameters = [
      this.#extensions.has('SIZE') && content.octets !== undefined ? ` SIZE=${content.octets}` : '',
      this.#extensions.has('8BITMIME') && content.isEightBit ? ' BODY=8BITMIME' : '',
      isUtf8 ? ' SMTPUTF8' : '',
      options.ret === undefined ? '' : ` RET=${options.ret}`,
      options.envid === undefined ? '' : ` ENVID=${options.envid}`,
    ];
    return `MAIL FROM:<${from}>${parameters.join('')}`;
  }

  /** Recipients that are deferred because there are too many are left for the next transaction, if there can be one. */
  async #askRecipients(
    dialogue: SmtpDialogue,
    group: readonly string[],
  ): Promise<{ readonly accepted: readonly string[] } | { readonly ended: SmtpReply }> {
    const { notify } = this.#options.envelope.options;
    const parameters = notify === undefined ? '' : ` NOTIFY=${notify}`;
    const accepted: string[] = [];
    for (let from = 0; from < group.length; from += PIPELINED) {
      const piece = group.slice(from, from + PIPELINED);
      dialogue.write(piece.map((to) => `RCPT TO:<${to}>${parameters}\r\n`).join(''));
      for (const to of piece) {
        const reply = await dialogue.reply();
        if (reply.code === 421) return { ended: reply };
        if (reply.code === 250 || reply.code === 251) accepted.push(to);
        else if (reply.code !== 452 || accepted.length === 0 || !this.#options.content.isRepeatable)
          this.#refuse([to], reply, 'rcpt');
      }
    }
    return { accepted };
  }

  async #sendContent(dialogue: SmtpDialogue, recipients: readonly string[]): Promise<End | undefined> {
    const data = await dialogue.command('DATA');
    if (data.code !== 354) {
      this.#refuse(recipients, data, 'data');
      return { reply: data, stage: 'data' };
    }
    const poured = await pour(this.#options.content.open(), dialogue);
    this.#throwIfAborted();
    if (poured.end === 'whole') return this.#finish(dialogue, recipients, poured.ending);
    // What goes on after that would be read as content.
    const reply = poured.end === 'answered' ? await dialogue.reply() : LONE_CR;
    dialogue.destroy();
    if (poured.end === 'aborted') throw new InjectionAborted();
    this.#refuse(recipients, reply, 'end-of-data');
    return { reply, stage: 'end-of-data' };
  }

  /** Sends the end of data; the reply to it decides. */
  async #finish(
    dialogue: SmtpDialogue,
    recipients: readonly string[],
    ending: Buffer,
  ): Promise<End | undefined> {
    this.#isUnread = false;
    this.#isDecided = true;
    dialogue.write(ending);
    const reply = await dialogue.reply();
    if (reply.code !== 250) {
      this.#refuse(recipients, reply, 'end-of-data');
      return reply.code === 421 ? { reply, stage: 'end-of-data' } : undefined;
    }
    this.#reply = reply;
    const queued = new Set(recipients);
    for (const to of recipients) this.#accepted.push(to);
    this.#pending = this.#pending.filter((to) => !queued.has(to));
    return undefined;
  }
}

const NOT_ASCII = /[^\u0000-\u007f]/;

/** The extensions that EHLO offers, with their arguments. */
function extensionsIn({ lines }: SmtpReply): Map<string, string> {
  return new Map(
    lines.slice(1).map((line) => {
      const [keyword = '', ...rest] = line.split(' ');
      return [keyword.toUpperCase(), rest.join(' ')];
    }),
  );
}
