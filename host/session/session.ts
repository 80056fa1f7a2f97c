/**
 * One client's dialogue, from banner to close. This file moves octets: it feeds input to the reader of the current mode,
 * runs the steps of a verb, gathers the replies of one read into one write, and ends when either side does. What the
 * verbs mean stands in the files named after them.
 */

import { Verb } from '../../bindings/core/contract.ts';
import type { Recipient } from '../../bindings/plugin/connection.ts';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { IncomingConnection } from '../intake/incoming-connection.ts';
import { SHARE_OF_FREE_SLABS } from '../message/slab-pool.ts';
import type { HookSession } from '../hooks/context.ts';
import { readResponses, type AuthAttempt } from './auth-exchange.ts';
import { readChunk } from './bdat.ts';
import { smtpVerbs } from './command-reader.ts';
import { conceal } from '../observe/log-text.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { CONNECTION_OCTETS, TLS_OCTETS } from '../memory/memory-share.ts';
import { disconnect } from './closing.ts';
import { ConnectionFacts, type ResultLifetime, type ResultTimes } from './connection-facts.ts';
import { readData } from './data.ts';
import type { IncomingData } from './incoming-data.ts';
import type { Expiring } from '../../bindings/timing/deadlines.ts';
import type { Dialogue } from './dialogue.ts';
import { countCommandsAnew, latestAt, startClock, SessionCounters } from './limits.ts';
import { MailTransaction } from './mail-transaction.ts';
import type { MessageRoute } from './message-route.ts';
import { CLOSED, COMMAND, GREETING, NEXT, STOP, type InputMode, type Outcome, type Step } from './steps.ts';
import { NO_SEAT } from '../observe/flight-record.ts';
import { NOT_IN_SET } from '../../bindings/timing/dense-set.ts';
import { replies } from '../replies/replies.ts';
import type { SessionHost } from './session-host.ts';
import { SessionOutput } from './session-output.ts';
import { endSummary, noteRefusal } from './summary.ts';
import { closeStream, listenTo, type StreamEvents } from '../intake/stream-events.ts';
import type { TurnTaker } from './turns.ts';

/** How long a closed connection may linger for the client to read the last reply and to close its side. */
const LINGER_MS = 5_000;
/** Octets a closed connection swallows: a client that sends a whole message first would meet a reset, not the reply. */
const LINGER_OCTETS = 67_108_864;
/**
 * More octets of commands than one slice is enough for; an envelope has less, unless its recipients are very many. So five hundred
 * clients that come at once, each with a read full of commands, are recognised before they have used anything.
 */
const MUCH_COMMANDS = 8_192;

export class Session
  extends SessionOutput
  implements Expiring, HookSession, ResultTimes, StreamEvents, TurnTaker
{
  readonly host: SessionHost;
  readonly intake: IncomingConnection;
  readonly verbs: readonly (readonly Step[])[] = smtpVerbs;
  readonly dialogue: Dialogue;
  facts: ConnectionFacts;
  /** How much the client has used of its limits. */
  counters = new SessionCounters();
  /** When the session has to be over, on the clock of `Deadlines.now`. */
  endsAt = Number.POSITIVE_INFINITY;
  #transactions = 0;
  mode: InputMode = GREETING;
  /** The transaction, if one has begun. Hooks use `transaction`, which makes one. */
  openTransaction: MailTransaction | undefined = undefined;
  /** The message that arrives, from DATA or its first chunk to its reply. */
  openIncoming: IncomingData | undefined = undefined;
  route: MessageRoute;
  /** AUTH, from its command line to its last reply. */
  authAttempt: AuthAttempt | undefined = undefined;
  deadlineAt = Number.POSITIVE_INFINITY;
  watchedAt = NOT_IN_SET;
  /** For the list of all sessions. */
  listedAt = NOT_IN_SET;
  /** Given by `takeSeat`, and given back with the place in the list. */
  seat = NO_SEAT;
  /** The beginning of a command line whose end has not come yet. */
  partial: Buffer | undefined = undefined;
  /** The rest of an over-long line is being dropped. */
  isSkippingLine = false;
  /** QUIT was the client's last command. RFC 5321 section 4.1.1.10. */
  hasQuit = false;
  /** A step, or the session's turn, is waited for; input is kept until then. */
  isBusy = false;
  /** The octets that are being read change later: only copies of them may be kept. */
  isInputLent = false;
  usedUs = 0;
  usedIn = 0;
  /** The steps to run in the turn that is waited for, before input is read. */
  #steps = NO_STEPS;
  #next = 0;
  /** The client has closed its side; the stream is gone altogether. */
  #hasEnded = false;
  #isGone = false;
  #hasHungUp = false;
  #lingered = 0;
  /** What the memory budget was told of this session. */
  #weight = 0;

  constructor(intake: IncomingConnection, host: SessionHost, id: string) {
    super();
    this.intake = intake;
    this.host = host;
    this.facts = new ConnectionFacts(id, intake, this);
    this.route = host.openRoute();
    this.dialogue = host.openDialogue();
  }

  /** Listens to the stream, asks the connect hooks and greets. */
  begin(): void {
    listenTo(this.intake.stream, this);
    this.host.deadlines.watch(this);
    startClock(this);
    countCommandsAnew(this);
    this.#goOn(this.dialogue.begin(this), 0);
  }

  /** True until the client or the daemon has closed the connection. */
  get isOpen(): boolean {
    return this.mode !== CLOSED && !this.#isGone;
  }

  protected get isMute(): boolean {
    return this.#isGone || this.#hasHungUp;
  }

  protected unclog(): void {
    if (!this.isBusy) this.#goOn(NO_STEPS, 0);
  }

  get connection(): ConnectionFacts {
    return this.facts;
  }

  /** HELO within a transaction is about the name; everything else there is about the transaction, as is MAIL itself. */
  get resultLifetime(): ResultLifetime {
    const verb = this.runningVerb;
    if (verb === Verb.Helo || verb === Verb.Ehlo || verb === Verb.Lhlo) return 'hello';
    if (verb === Verb.Mail || this.openTransaction?.reversePath !== undefined) return 'transaction';
    return this.authAttempt === undefined ? 'connection' : 'login';
  }

  get connectionId(): string {
    return this.facts.id;
  }

  get transactionId(): string | undefined {
    return this.openTransaction?.id;
  }

  get secrets(): readonly string[] | undefined {
    return this.authAttempt?.secrets ?? this.hidden;
  }

  /** The transaction, made if there is none: hooks always see one. */
  get transaction(): MailTransaction {
    if (this.openTransaction !== undefined) return this.openTransaction;
    return (this.openTransaction = new MailTransaction(`${this.facts.id}.${++this.#transactions}`));
  }

  /** `openIncoming`, for steps that run only while there is one. */
  get incoming(): IncomingData {
    if (this.openIncoming !== undefined) return this.openIncoming;
    throw new QpsmtpdError('Q_NO_MESSAGE', 'no message is being received');
  }

  /** Plugins and route have accepted what RCPT named. */
  acceptRecipient(recipient: Recipient): void {
    this.transaction.acceptRecipient(recipient);
  }

  /** Those whom the reply to the message at hand has to answer one by one: nobody, but in LMTP. */
  get answered(): readonly Recipient[] {
    return NOBODY;
  }

  /** The next reply is that to a message, which in LMTP is one for each recipient. */
  beginAnswer(recipients?: readonly Recipient[]): void {
    // SMTP has one for all.
    void recipients;
  }

  /** Those whom the caller now answers, one reply for each. */
  takeAnswered(): readonly Recipient[] {
    return NOBODY;
  }

  adjustKarma(points: number): number {
    this.facts.karma += points;
    return this.facts.karma;
  }

  protected override noteRefusal(text: string): void {
    noteRefusal(this, text);
  }

  /** Runs the steps of a verb; input waits until the last one is through. */
  run(steps: readonly Step[]): void {
    this.#advance(steps, 0);
  }

  /** Takes no input until `ready`: the spool or the next hop is slower than the client. */
  holdInput(ready: Promise<void>): void {
    this.#wait(
      ready.then(() => NEXT),
      NO_STEPS,
      0,
    );
  }

  /** Forgets the transaction and what its message held. */
  forgetTransaction(): Outcome {
    if (this.summary !== undefined) endSummary(this);
    // It was said of this message. A transaction that has not begun leaves it to the next.
    if (this.openTransaction?.reversePath !== undefined) this.facts.forwarded = undefined;
    this.route.reset();
    this.openIncoming?.abandon();
    this.openIncoming = undefined;
    this.openTransaction = undefined;
    this.endTransactionTasks();
    return NEXT;
  }

  /** Closes the connection, in a way that does not swallow the last reply. */
  hangUp(): void {
    if (this.#hasHungUp) return;
    this.flush();
    this.route.close();
    this.#hasHungUp = true;
    this.partial = undefined;
    this.releaseCommand();
    this.deadlineAt = this.host.deadlines.now + LINGER_MS;
    if (!this.#isGone) closeStream(this.intake, this.#hasEnded || (this.hasQuit && !this.hasUnread));
    this.#weigh();
  }

  /** The deadline has passed: the client keeps silent, or does not close its side. */
  expire(): void {
    this.deadlineAt = Number.POSITIVE_INFINITY;
    if (this.mode === CLOSED) {
      this.intake.stream.destroy();
      return;
    }
    this.log(LogLevel.NOTICE, 'timed out');
    this.dialogue.tellLate(this);
    this.#leave();
  }

  /** Ends the session: at once if it is idle, else after the transaction. */
  drain(): void {
    if (!this.openTransaction?.reversePath) this.takeLeave();
  }

  /** Ends the session with 421 if it waits for a command; the transaction is lost. RFC 5321 section 3.8. */
  takeLeave(): void {
    if (this.isBusy || !this.isOpen || this.mode !== COMMAND) return;
    if (this.dialogue.tellShutdown(this)) this.#leave();
  }

  /** Closes the connection without further ado. */
  destroy(): void {
    this.intake.stream.destroy();
  }

  #leave(): void {
    this.run([disconnect]);
    this.#settleInput();
  }

  /** Of the stream: octets from the client. */
  receive(chunk: Buffer): void {
    const { turns } = this.host;
    if (this.mode === CLOSED) {
      this.#linger(chunk.length);
    } else if (this.isBusy || this.isClogged || turns.isPressed) {
      this.unread.keep(chunk, this.intake.stream);
      this.#waitForTurn();
    } else {
      turns.begin(chunk.length);
      this.#process(chunk);
      this.#settleInput();
      turns.end(this);
    }
  }

  /** Dropped octets cost reads: a client that sends many of them has to wait for its turn, too. */
  #linger(octets: number): void {
    this.#lingered += octets;
    if (this.#lingered > LINGER_OCTETS) this.intake.stream.destroy();
    else if (this.host.turns.isPressed && !this.isBusy) {
      this.intake.stream.pause();
      this.#lineUp(false);
    }
  }

  /** Only the data reader never keeps what it reads, and only while its message copies: other readers get a copy. */
  receiveLent(octets: Buffer): void {
    const { mode } = this;
    const isCopied = mode.kind === 'data' && mode.message.content.isCopying;
    const { turns } = this.host;
    if (this.mode === CLOSED) return this.#linger(octets.length);
    if (this.isBusy || this.isClogged || turns.isPressed) {
      this.unread.keepLent(octets, this.intake.stream);
      return this.#waitForTurn();
    }
    if (!isCopied) return this.receive(Buffer.from(octets));
    turns.begin(octets.length);
    this.isInputLent = true;
    const at = this.#read(octets, 0);
    this.isInputLent = false;
    if (at < octets.length) this.#process(Buffer.from(octets.subarray(at)));
    this.#settleInput();
    turns.end(this);
  }

  /** For the input that was put aside, unless the session waits for something else. */
  #waitForTurn(): void {
    if (!this.isBusy && !this.isClogged) {
      this.#lineUp(this.mode === COMMAND && this.unread.octets > MUCH_COMMANDS);
    }
    this.#weigh();
  }

  /** Feeds the chunk to the reader of the mode, which may change while it goes. */
  #process(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.isBusy || this.isClogged) {
        this.unread.keep(at === 0 ? chunk : chunk.subarray(at), this.intake.stream);
        return;
      }
      at = this.#read(chunk, at);
      this.flushMuch();
      if (at < chunk.length && this.host.turns.spend() && !this.isBusy) this.#lineUp(true);
    }
  }

  /** Returns where the reader stopped. One that fails ends this session and no other; how far it came is not known. */
  #read(chunk: Buffer, at: number): number {
    try {
      return this.#readByMode(chunk, at);
    } catch (cause) {
      this.#fail(cause);
      this.run([disconnect]);
      return chunk.length;
    }
  }

  #readByMode(chunk: Buffer, at: number): number {
    const { mode } = this;
    switch (mode.kind) {
      case 'command':
        return this.dialogue.readCommands(this, chunk, at);
      case 'data':
        return readData(this, mode, chunk, at);
      case 'bdat':
        return readChunk(this, mode, chunk, at);
      case 'sasl':
        return readResponses(this, mode, chunk, at);
      case 'dialogue':
        return mode.read(this, chunk, at);
      default:
        // Unwanted octets: until TLS has taken over they are put aside before they come here.
        return chunk.length;
    }
  }

  /** Lets other sessions have their turn before this one goes on. */
  #lineUp(hasMuch: boolean): void {
    this.isBusy = true;
    this.flush();
    if (this.mode !== CLOSED) this.deadlineAt = latestAt(this);
    this.host.turns.lineUp(this, hasMuch);
  }

  /** Of `Turns`. */
  takeTurn(): void {
    const [steps, next] = [this.#steps, this.#next];
    this.#steps = NO_STEPS;
    this.#next = 0;
    this.isBusy = false;
    if (this.isOpen) this.#advance(steps, next);
    this.#resume();
  }

  /** Takes a turn for the steps from `next` on and for the input that waited, at once unless others are in line. */
  #goOn(steps: readonly Step[], next: number): void {
    const { turns } = this.host;
    this.#steps = steps;
    this.#next = next;
    if (turns.isPressed || (this.hasUnread && turns.isDueAfterStep())) {
      this.#lineUp(false);
      return;
    }
    turns.begin(0);
    this.takeTurn();
    turns.end(this);
  }

  /** After input was dealt with: replies go out, and the clock starts for the client's next line. */
  #settleInput(): void {
    if (!this.isBusy) this.#awaitInput();
    this.#weigh();
  }

  #awaitInput(): void {
    this.flush();
    if (!this.hasUnread) this.releaseInput(this.host.memory.limit * SHARE_OF_FREE_SLABS);
    if (this.mode === CLOSED) return;
    if (this.#hasEnded && !this.hasUnread) {
      this.#finish();
      return;
    }
    this.dropCommand();
    this.deadlineAt = this.dialogue.nextDeadline(this);
    if (this.host.isDraining) this.drain();
  }

  /** Once the client is gone and every step is through, nothing is left. */
  #weigh(): void {
    const isOver = this.#isGone && this.#hasHungUp;
    const change = (isOver ? 0 : weightOf(this) + this.outLength) - this.#weight;
    this.#weight += change;
    if (change !== 0) this.host.memory.adjust(change);
  }

  #advance(steps: readonly Step[], from: number): void {
    try {
      for (let index = from; index < steps.length; index++) {
        const outcome = steps[index]!(this);
        if (outcome === NEXT) continue;
        if (outcome !== STOP) this.#wait(outcome, steps, index + 1);
        return;
      }
    } catch (cause) {
      this.#fail(cause);
    }
  }

  #wait(outcome: Promise<Outcome>, steps: readonly Step[], next: number): void {
    this.isBusy = true;
    this.deadlineAt = Number.POSITIVE_INFINITY;
    outcome.then(
      (result) => this.#goOn(result === NEXT ? steps : NO_STEPS, next),
      (cause: unknown) => {
        this.isBusy = false;
        this.#fail(cause);
        if (!this.isBusy) this.#goOn(NO_STEPS, 0);
      },
    );
  }

  /** Takes up the input that waited. */
  #resume(): void {
    if (this.isBusy || this.isClogged) return;
    if (this.#isGone && this.mode !== CLOSED) {
      this.run([disconnect]);
      return;
    }
    const rest = this.takeUnread();
    if (rest !== undefined) {
      this.isInputLent = this.isUnreadLent;
      this.#process(rest);
      this.isInputLent = false;
    }
    if (!this.hasUnread && this.intake.stream.isPaused()) this.intake.stream.resume();
    this.#settleInput();
  }

  /** A step threw: that is our fault, so the client may try again and the session goes on. */
  #fail(cause: unknown): void {
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    this.log(LogLevel.CRIT, `internal error: ${conceal(text, this.secrets)}`);
    if (!this.isOpen) {
      this.hangUp();
      return;
    }
    this.send(replies.internalError, conceal(this.command.verbText.toLowerCase(), this.secrets));
    this.forgetTransaction();
    // After a fault within DATA more content comes: read as commands, it would run commands of its author's choice (smuggling).
    if (this.mode === GREETING || this.mode.kind === 'data' || this.mode.kind === 'dialogue')
      this.run([disconnect]);
    else this.mode = this.hasChunk && this.chunk.left > 0 ? this.chunk : COMMAND;
  }

  /** Of the stream: the client has closed its side. */
  end(): void {
    this.#hasEnded = true;
    this.endInput();
    if (this.mode !== CLOSED && !this.isBusy && !this.isClogged) this.#finish();
  }

  /** The client will send nothing more and has had all its answers. */
  #finish(): void {
    const { mode } = this;
    // A chunk of BDAT that was refused has had its reply.
    if (mode.kind === 'data' || (mode.kind === 'bdat' && !mode.isRefused)) this.send(replies.incompleteData);
    this.run([disconnect]);
    this.flush();
  }

  /** Of the stream: it is gone. */
  vanish(): void {
    this.#isGone = true;
    this.isClogged = false;
    this.takeUnread();
    this.endInput();
    this.route.close();
    this.closeTasks();
    this.host.deadlines.forget(this);
    this.host.leave(this);
    if (!this.isBusy && this.mode !== CLOSED) this.run([disconnect]);
    this.#weigh();
  }
}

const NO_STEPS: readonly Step[] = [];
const NOBODY: readonly Recipient[] = [];

/** Recomputed from what is there, so that no end of a transaction can forget to give something back. */
function weightOf({ intake, facts, openTransaction, partial, authAttempt, inputOctets }: Session): number {
  let octets = CONNECTION_OCTETS + facts.noteOctets + inputOctets;
  if (intake.hops.includes('tls')) octets += TLS_OCTETS;
  if (openTransaction !== undefined) octets += openTransaction.octets;
  if (partial !== undefined) octets += partial.length;
  if (authAttempt !== undefined) octets += authAttempt.octets;
  // Replies that the client does not read; below the stream's high-water mark they are as good as sent.
  if (intake.stream.writableNeedDrain) octets += intake.stream.writableLength;
  return octets;
}
