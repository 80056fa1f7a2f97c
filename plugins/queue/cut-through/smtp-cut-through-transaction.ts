/**
 * One client's transactions, taken to the hop while they happen. RFC 5321 sections 3.3 and 3.7.
 *
 * The envelope for the hop, before anybody knows what the content will be. RFC 5321 sections 4.1.1.2 and 4.1.1.3.
 */

import { isDeepStrictEqual } from 'node:util';
import {
  type CutThroughEnvelope,
  type CutThroughTransaction,
  deny,
  denySoft,
  type HopReply,
  ok,
  type Recipient,
  type Verdict,
  withoutClass,
  withReplyCode,
} from '../../../bindings/plugin/index.ts';
import { StrayLineEnd } from '../../../bindings/wire/dot-stuffing.ts';
import { rcptCommand, isAscii, mailCommand } from '../smtp/extensions.ts';
import type { HopConnection } from '../smtp/hop-connection.ts';
import { talkTo } from '../smtp/hop-opening.ts';
import { hasNoRoom, HopFault, hopReplies, type HopStage, isGood, printReply } from '../smtp/hop-replies.ts';
import type { HopFinder } from './hop-finder.ts';
import { OutgoingChunks, type OutgoingContent, OutgoingData } from './outgoing-content.ts';
import { holdsControls, lackOfSafety } from '../smtp/mail-fitness.ts';

export interface SmtpCutThroughOptions {
  readonly eightBit: 'refuse' | 'send';
  /** How long the connection is kept between two transactions. */
  readonly idleMs: number;
}

const changed: HopReply = {
  code: 451,
  status: '4.3.0',
  lines: ['recipients changed behind DATA, try again later'],
};

export class SmtpCutThroughTransaction implements CutThroughTransaction {
  readonly #finder: HopFinder;
  readonly #options: SmtpCutThroughOptions;
  readonly #gone = new AbortController();
  #connection: HopConnection | undefined;
  /** The client that the connection was introduced with. */
  #key: string | undefined;
  /** The hop has an envelope of ours: MAIL was accepted. */
  #hasEnvelope = false;
  /** It is the envelope of the transaction at hand, not one that nothing came of. */
  #isCurrent = false;
  /** Recipients the hop has accepted, by mailbox, in their order. */
  readonly #accepted = new Map<string, Recipient>();
  /** It had no room for others. */
  #isFull = false;
  #content: OutgoingContent | undefined;
  /** Content has been written. */
  #isFlowing = false;
  /** What became of content that must not be ended. */
  #failure: HopReply | undefined;
  #isEnding = false;

  constructor(finder: HopFinder, options: SmtpCutThroughOptions) {
    this.#finder = finder;
    this.#options = options;
  }

  offer(envelope: CutThroughEnvelope, recipient: Recipient): Promise<Verdict> {
    return this.#guard('rcpt', envelope, async () => {
      // The hop waits for content, and would take a command for it. Those it has accepted are named again before DATA.
      if (this.#content !== undefined) this.#drop();
      const refusal = await this.#beginEnvelope(envelope);
      if (refusal === undefined && this.#hasAccepted(recipient)) return verdictOfReply(ready);
      return verdictOfReply(refusal ?? (await this.#sayRecipient(recipient)));
    });
  }

  open(envelope: CutThroughEnvelope): Promise<Verdict> {
    return this.#guard('data', envelope, async () => {
      if (this.#content !== undefined) {
        if (!this.#isFlowing && this.#matches(envelope)) return verdictOfReply(ready);
        this.#drop();
      }
      let refusal = (await this.#matchEnvelope(envelope)) ?? (await this.#begin(envelope));
      // RFC 5321 section 4.5.3.1.10: a hop may hold those it had no room for against the rest; named alone, these are others.
      if (refusal !== undefined && this.#isFull) {
        this.#isCurrent = false;
        refusal = (await this.#matchEnvelope(envelope)) ?? (await this.#begin(envelope));
      }
      return verdictOfReply(refusal ?? ready);
    });
  }

  write(octets: Buffer): void {
    if (this.#content === undefined || this.#failure !== undefined) return;
    this.#isFlowing = true;
    try {
      this.#content.write(octets);
    } catch (cause) {
      this.#break(cause);
    }
  }

  drained(): Promise<void> | undefined {
    if (this.#content === undefined || this.#failure !== undefined) return undefined;
    return this.#content.drained()?.catch((cause: unknown) => this.#break(cause));
  }

  finish(envelope: CutThroughEnvelope, isEightBit: boolean): Promise<Verdict> {
    return this.#guard('end', envelope, async () => {
      const reply = await this.#problemAtEnd(envelope, isEightBit);
      if (reply !== undefined) {
        this.#drop();
        return verdictOfReply(reply);
      }
      const hop = this.#connection?.host.name;
      const answer = await this.#end();
      this.#report(envelope, answer);
      return hop === undefined ? verdictOfReply(answer) : { ...verdictOfReply(answer), hop };
    });
  }

  reset(): void {
    if (this.#content !== undefined) this.#drop();
    else if (this.#hasEnvelope && this.#connection?.isOpen === true) this.#rest();
    this.#isCurrent = false;
    this.#accepted.clear();
    this.#failure = undefined;
  }

  close(): void {
    this.#gone.abort();
    if (this.#isEnding) return;
    if (this.#content === undefined) this.#connection?.quit();
    else this.#drop();
  }

  /** Runs one exchange with the hop; faults become replies, and the connection is of no more use then. */
  async #guard(
    stage: HopStage,
    { id }: CutThroughEnvelope,
    exchange: () => Promise<Verdict>,
  ): Promise<Verdict> {
    try {
      return await exchange();
    } catch (cause) {
      const fault =
        cause instanceof HopFault ? cause : new HopFault(stage, hopReplies.unreadable, String(cause));
      const { log } = this.#finder.options;
      log.warn(`${id}: ${this.#connection?.host.name ?? 'next hop'}: ${fault.message}`);
      if (this.#isEnding) log.warn(`${id}: lost behind the end of the message: it may arrive twice`);
      this.#drop();
      return verdictOfReply(fault.reply.code < 400 ? hopReplies.garbage('unexpected reply') : fault.reply);
    } finally {
      this.#isEnding = false;
      if (this.#gone.signal.aborted) this.#connection?.quit();
    }
  }

  /** MAIL, if the hop has not had it; the refusal if there was one. */
  async #beginEnvelope(envelope: CutThroughEnvelope): Promise<HopReply | undefined> {
    if (this.#isCurrent && this.#connection?.isOpen === true) return undefined;
    const isKept = await this.#connect(envelope);
    try {
      return await this.#sayMail(envelope);
    } catch (cause) {
      if (!isKept || this.#gone.signal.aborted) throw cause;
      // The hop has closed a kept connection meanwhile, as it may at any time. Only a fresh one tells how it is.
      this.#drop();
      await this.#connect(envelope);
      return await this.#sayMail(envelope);
    }
  }

  /** True for a connection kept from an earlier transaction. */
  async #connect(envelope: CutThroughEnvelope): Promise<boolean> {
    const { introduction } = this.#finder.options;
    const key = introduction?.keyOf(envelope);
    const kept = this.#connection;
    if (kept?.isOpen === true && !kept.isClosing && (introduction === undefined || key === this.#key)) {
      kept.resume();
      return true;
    }
    kept?.quit();
    this.#forget();
    this.#connection = await this.#finder.find(envelope, this.#gone.signal);
    this.#key = key;
    return false;
  }

  async #sayMail(envelope: CutThroughEnvelope): Promise<HopReply | undefined> {
    const connection = this.#connection!;
    const { options } = this.#finder;
    const { helloMs, mailMs } = options.timeouts;
    if (this.#hasEnvelope && !isGood(await connection.say('RSET', 'mail', helloMs)))
      throw connection.fail(new HopFault('mail', hopReplies.garbage('RSET is refused')));
    this.#hasEnvelope = this.#isCurrent = this.#isFull = false;
    this.#accepted.clear();
    const problem = problemWithMail(envelope, connection, this.#options.eightBit);
    if (problem !== undefined) return this.#refusing(problem);
    await options.introduction?.beforeMail?.(talkTo(connection, options), envelope);
    const reply = await connection.say(mailLine(envelope, connection), 'mail', mailMs);
    // A kept connection whose time was up.
    if (reply.code === 421) throw connection.fail(new HopFault('mail', reply));
    if (!isGood(reply)) return this.#refusing(reply);
    this.#hasEnvelope = this.#isCurrent = true;
    return undefined;
  }

  async #sayRecipient(recipient: Recipient): Promise<HopReply> {
    const connection = this.#connection!;
    const problem = problemWithRecipient(recipient, connection);
    if (problem !== undefined) return problem;
    const line = rcptCommand(recipient, connection.extensions);
    const reply = await connection.say(line, 'rcpt', this.#finder.options.timeouts.rcptMs);
    if (reply.code === 421) throw connection.fail(new HopFault('rcpt', reply));
    const mailbox = recipient.address.canonicalMailbox;
    if (isGood(reply)) {
      if (!this.#accepted.has(mailbox)) this.#accepted.set(mailbox, recipient);
    } else if (this.#accepted.size > 0 && hasNoRoom(reply)) {
      this.#isFull = true;
      // The only code that has every client send the rest in another transaction; 552 would be a bounce to many.
      return { ...reply, code: 452, status: '4.5.3' };
    }
    return reply;
  }

  /** A hop may deliver twice to a recipient that is named twice. It is told again only of what the sender wants to hear. */
  #hasAccepted({ address, options }: Recipient): boolean {
    const before = this.#accepted.get(address.canonicalMailbox);
    return before !== undefined && (options === undefined || isDeepStrictEqual(options, before.options));
  }

  /** The hop must not deliver to anybody our plugins have taken out since, and has to hear of those they put in. */
  async #matchEnvelope(envelope: CutThroughEnvelope): Promise<HopReply | undefined> {
    if (this.#matches(envelope)) return undefined;
    this.#isCurrent = false;
    const refusal = await this.#beginEnvelope(envelope);
    if (refusal !== undefined) return refusal;
    for (const recipient of envelope.recipients) {
      const reply = await this.#sayRecipient(recipient);
      if (!isGood(reply)) return reply;
    }
    return undefined;
  }

  #matches({ recipients }: CutThroughEnvelope): boolean {
    if (this.#connection?.isOpen !== true || !this.#isCurrent) return false;
    if (recipients.length !== this.#accepted.size) return false;
    const accepted = [...this.#accepted.values()];
    return recipients.every(({ address }, at) => address.toString() === accepted[at]!.address.toString());
  }

  /** Makes the hop ready for content; the refusal if it does not want any. */
  async #begin({ mailOptions }: CutThroughEnvelope): Promise<HopReply | undefined> {
    const connection = this.#connection!;
    const { dataMs, blockMs } = this.#finder.options.timeouts;
    this.#failure = undefined;
    this.#isFlowing = false;
    if (mailOptions.body === 'binarymime') {
      this.#content = new OutgoingChunks(connection, blockMs);
      return undefined;
    }
    const reply = await connection.say('DATA', 'data', dataMs);
    if (reply.code >= 400) return reply;
    if (reply.code !== 354) throw new HopFault('data', hopReplies.garbage(`${reply.code} for DATA`));
    this.#content = new OutgoingData(connection, blockMs);
    return undefined;
  }

  /** Why the content may not be ended. */
  async #problemAtEnd(envelope: CutThroughEnvelope, isEightBit: boolean): Promise<HopReply | undefined> {
    const connection = this.#connection;
    if (this.#failure !== undefined) return this.#failure;
    if (this.#content === undefined || connection === undefined) return hopReplies.aborted;
    const early = await this.#content.settle();
    if (early !== undefined) {
      return early.code >= 400 ? early : hopReplies.garbage('a reply inside the content');
    }
    if (!connection.isOpen) return connection.fail(new HopFault('data', hopReplies.lost('data'))).reply;
    if (!this.#matches(envelope)) return changed;
    const isRefused =
      isEightBit && this.#options.eightBit === 'refuse' && !connection.extensions.has('8BITMIME');
    return isRefused ? hopReplies.needsEightBit : undefined;
  }

  async #end(): Promise<HopReply> {
    const connection = this.#connection!;
    this.#isEnding = true;
    this.#content!.end();
    const reply = await connection.reply('end', this.#finder.options.timeouts.endMs);
    connection.deliveries++;
    this.#content = undefined;
    this.#hasEnvelope = this.#isCurrent = false;
    this.#accepted.clear();
    if (connection.isClosing) connection.quit();
    else this.#rest();
    return reply;
  }

  #report({ id, recipients }: CutThroughEnvelope, reply: HopReply): void {
    const { log } = this.#finder.options;
    const text = `${id}: ${this.#connection!.host.name}: ${printReply(reply)} (${recipients.length} recipients)`;
    if (isGood(reply)) log.info(text);
    else log.notice(text);
  }

  #refusing(reply: HopReply): HopReply {
    this.#rest();
    return reply;
  }

  #rest(): void {
    this.#connection?.rest(this.#options.idleMs);
  }

  /** The content that was begun is never ended: the connection goes, and with it what the hop has of it. */
  #break(cause: unknown): void {
    const isStray = cause instanceof StrayLineEnd;
    const reply = cause instanceof HopFault ? cause.reply : hopReplies.unreadable;
    this.#failure = isStray ? hopReplies.strayLineEnd : reply;
    this.#connection?.destroy();
  }

  #drop(): void {
    this.#connection?.destroy();
    this.#forget();
  }

  #forget(): void {
    this.#connection = this.#content = undefined;
    this.#hasEnvelope = this.#isCurrent = this.#isFlowing = false;
    this.#accepted.clear();
  }
}

const ready: HopReply = { code: 250, status: undefined, lines: [] };

/**
 * What the hop says, as a verdict for the client: its code, status and text; where it has no text, what our reply to RCPT says
 * by itself would be wrong. 421 announces the end of the connection to the hop, not of that to the client, which would
 * close its own; what makes no sense as an answer leaves the matter open.
 */
function verdictOfReply({ code, status, lines }: HopReply): Verdict {
  const rest = withoutClass(status);
  if (code >= 200 && code < 300) return withReplyCode(ok(lines, rest), code);
  const hasText = lines.some((line) => line !== '');
  if (code >= 500) return withReplyCode(deny(hasText ? lines : 'refused by the next hop', rest), code);
  return withReplyCode(
    denySoft(hasText ? lines : 'put off by the next hop', rest),
    code >= 400 && code !== 421 ? code : 451,
  );
}

/** MAIL without its line end. 8-bit content is announced wherever the hop takes it: it may still come. */
export function mailLine(
  { reversePath, mailOptions }: CutThroughEnvelope,
  { extensions }: HopConnection,
): string {
  const { size } = mailOptions;
  const known = new Map(extensions);
  if (size === undefined) known.delete('SIZE');
  const message = { octets: size ?? 0, hasEightBit: true };
  const isUtf8 = mailOptions.isUtf8 || !isAscii(reversePath.toString());
  return mailCommand({ reversePath, mailOptions, message }, known, isUtf8 && known.has('SMTPUTF8'));
}

/** What the hop cannot take for want of an extension, before it is asked. */
export function problemWithMail(
  { reversePath, mailOptions }: CutThroughEnvelope,
  connection: HopConnection,
  eightBit: 'refuse' | 'send',
): HopReply | undefined {
  const { extensions } = connection;
  const path = reversePath.toString();
  if (holdsControls(path)) return hopReplies.badSender;
  const lack = lackOfSafety({ reversePath, mailOptions }, connection);
  if (lack !== undefined) return lack;
  if ((mailOptions.isUtf8 || !isAscii(path)) && !extensions.has('SMTPUTF8')) return hopReplies.needsUtf8;
  if (mailOptions.body === 'binarymime') {
    return extensions.has('BINARYMIME') && extensions.has('CHUNKING') ? undefined : hopReplies.needsBinary;
  }
  const isRefused = mailOptions.body === '8bitmime' && eightBit === 'refuse' && !extensions.has('8BITMIME');
  return isRefused ? hopReplies.needsEightBit : undefined;
}

export function problemWithRecipient(
  { address }: Recipient,
  { extensions }: HopConnection,
): HopReply | undefined {
  const path = address.toString();
  if (holdsControls(path)) return hopReplies.badAddress;
  return isAscii(path) || extensions.has('SMTPUTF8') ? undefined : hopReplies.needsUtf8;
}
