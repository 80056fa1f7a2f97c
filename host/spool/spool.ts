/** A store-and-forward queue: what it has acknowledged is on disk, and goes on until it is delivered or returned. */

import type { Core } from '../../bindings/core/contract.ts';
import type { DeliveryReport, MailObject, Outlet, RecipientOutcome } from '../../bindings/plugin/delivery.ts';
import type { Clock } from '../../bindings/plugin/services.ts';
import type { SpoolOptions } from '../../bindings/plugin/spool-services.ts';
import type { AttemptParts } from './delivery-attempt.ts';
import { envelopeOf, isReport } from './files/envelope.ts';
import { writeMessageFile } from './files/message-file.ts';
import type { SpoolFolder } from './files/spool-folder.ts';
import { newSpoolId } from './files/spool-id.ts';
import { entriesOf, type Totals } from './index/index-entries.ts';
import { SpoolIndex } from './index/spool-index.ts';
import { PersistentTask } from './persistent-task.ts';
import { reportId, reportMail } from './report/report-mail.ts';
import { Runner } from './runner.ts';
import { checkSpool } from './spool-check.ts';

/** How long an answer of the file system about free space is good for. */
const LOOK_MS = 1_000;

/** Whether there is room for one more message. A spool that fills the disk takes everything else down with it. */
export class SpoolSpace {
  readonly #freeOctets: () => Promise<number>;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #free = 0;
  #looking: Promise<void> | undefined;
  #pendingMessages = 0;
  #pendingOctets = 0;

  constructor(freeOctets: () => Promise<number>) {
    this.#freeOctets = freeOctets;
  }

  /** Why a message of `octets` has no room, for the log; undefined if it has. Then `release` is due once it is stored. */
  async reserve(
    octets: number,
    totals: Totals,
    { maxMessages, maxOctets, minFreeOctets }: SpoolOptions,
  ): Promise<string | undefined> {
    await this.#look();
    const messages = totals.messages + this.#pendingMessages + 1;
    const held = totals.octets + this.#pendingOctets + octets;
    if (messages > maxMessages) return `it holds ${maxMessages} messages`;
    if (held > maxOctets) return `it holds ${totals.octets} of ${maxOctets} octets`;
    if (this.#free - this.#pendingOctets - octets < minFreeOctets)
      return `the file system has ${this.#free} octets left, and ${minFreeOctets} must stay free`;
    this.#pendingMessages++;
    this.#pendingOctets += octets;
    return undefined;
  }

  release(octets: number): void {
    this.#pendingMessages--;
    this.#pendingOctets -= octets;
  }

  /** By the system's own clock, not the spool's: the disk does not fill in simulated time. */
  async #look(): Promise<void> {
    if (performance.now() - this.#lookedAt < LOOK_MS) return;
    this.#looking ??= this.#freeOctets()
      .then((octets) => {
        this.#free = octets;
        this.#lookedAt = performance.now();
      })
      .finally(() => (this.#looking = undefined));
    await this.#looking;
  }
}

/** Digits of the order stamp; microseconds since the epoch have eleven in base 36. */
const ORDER_DIGITS = 12;

export interface SpoolSources {
  readonly core: Core;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

interface OpenSpool {
  readonly index: SpoolIndex;
  readonly runner: Runner;
  readonly checking: PersistentTask<void>;
}

export class Spool implements Outlet {
  readonly folder: SpoolFolder;
  readonly #sources: SpoolSources;
  readonly #space: SpoolSpace;
  #options: SpoolOptions;
  readonly #opening: PersistentTask<OpenSpool>;
  #isRunning = false;
  #isPaused = false;
  #isResting = false;
  #order = 0;
  #isFull = false;

  /** `folder` has been prepared. */
  constructor(folder: SpoolFolder, options: SpoolOptions, sources: SpoolSources) {
    this.folder = folder;
    this.#options = options;
    this.#sources = sources;
    this.#space = new SpoolSpace(() => folder.freeOctets());
    this.#opening = new PersistentTask({
      work: () => this.#open(),
      isWanted: () => this.#isWorking,
      failed: `${folder.path} can't be opened, and takes no messages`,
      mended: `${folder.path} is open again`,
      log: () => this.#options.log,
    });
  }

  /** From now on messages are delivered with these options; attempts under way end with the old ones. */
  adopt(options: SpoolOptions): void {
    this.#options = options;
    this.#rest(false);
  }

  /** No plugin names the spool any more: what it holds stays where it is. */
  abandon(): void {
    const { log } = this.#options;
    log.warn(`${this.folder.path} is named by no plugin any more: the messages in it stay there`);
    this.#rest(true);
  }

  /**
   * Takes up what earlier processes have left, and begins to hand on. Never rejects: what is wrong is in the log, and tried
   * again until it is right.
   */
  async begin(): Promise<void> {
    if (this.#isRunning || this.#isPaused) return;
    this.#isRunning = true;
    await this.#opening.run().catch(() => undefined);
  }

  /** Stores the mail object; reports it as delivered once it is durable. */
  async deliver(mail: MailObject): Promise<DeliveryReport> {
    const { octets } = mail.message;
    const all = (outcome: DeliveryReport[number]): DeliveryReport => mail.recipients.map(() => outcome);
    let open: OpenSpool;
    try {
      open = await this.#opening.run();
    } catch (error) {
      // It is in the log already, once and not for every client.
      return all(replyFor(error));
    }
    try {
      const { index, runner } = open;
      const problem = await this.#space.reserve(octets, index.totals(), this.#options);
      this.#noteFull(problem);
      if (problem !== undefined) return all(spoolReplies.full);
      try {
        const id = newSpoolId(this.#sources.clock.now());
        await this.#store(mail, id, index);
        runner.wake();
        return all(spoolReplies.stored(id));
      } finally {
        this.#space.release(octets);
      }
    } catch (error) {
      this.#options.log.error(`${mail.id}: ${String(error)}`);
      return all(replyFor(error));
    }
  }

  /** One look for work, for those who drive the time themselves; resolves when all that it began has ended. */
  async work(): Promise<void> {
    const { runner, checking } = await this.#opening.run();
    await checking.result();
    await runner.turn();
    await runner.idle();
  }

  /** Begins nothing more. Messages are still taken in, for the next process. */
  pause(): void {
    this.#isPaused = true;
    this.#opening.stop();
    void this.#opening.result().then((open) => {
      open?.checking.stop();
      open?.runner.pause();
    });
  }

  /** Lets messages that are being sent end, for at most `graceMs`; nothing can be stored afterwards. */
  async close(graceMs: number): Promise<void> {
    this.pause();
    const open = await this.#opening.result();
    if (open === undefined) return;
    await open.runner.stop(graceMs);
    await open.checking.result();
    await open.index.close();
  }

  /** True while it is to hand messages on. */
  get #isWorking(): boolean {
    return this.#isRunning && !this.#isPaused && !this.#isResting;
  }

  #rest(isResting: boolean): void {
    this.#isResting = isResting;
    if (this.#isWorking) this.#opening.run().catch(() => undefined);
    void this.#opening.result().then((open) => open?.runner.rest(this.#isResting));
  }

  async #open(): Promise<OpenSpool> {
    const { folder } = this;
    const { clock } = this.#sources;
    const index = await SpoolIndex.open(folder.indexPath);
    const runner = new Runner({
      index,
      clock,
      log: () => this.#options.log,
      limits: () => this.#options,
      attemptParts: () => this.#attemptParts(index),
    });
    runner.rest(this.#isResting);
    if (this.#isPaused) runner.pause();
    else if (this.#isRunning) runner.start();
    const checking = new PersistentTask({
      work: () => this.#check(index, runner),
      isWanted: () => !this.#isPaused,
      failed: `${folder.path} can't be checked, and may hold messages that are not handed on`,
      mended: `${folder.path} has been checked`,
      log: () => this.#options.log,
    });
    // With a million files this takes minutes, and no client should wait for it.
    checking.run().catch(() => undefined);
    return { index, runner, checking };
  }

  async #check(index: SpoolIndex, runner: Runner): Promise<void> {
    const { folder } = this;
    const { log } = this.#options;
    await folder.sweepDrafts(Date.now());
    const { found } = await checkSpool(folder, index, this.#options, log, () => this.#isPaused);
    if (found > 0) log.notice(`${folder.path}: ${found} messages were found that the index did not know`);
    runner.wake();
  }

  #attemptParts(index: SpoolIndex): AttemptParts {
    const { core, clock, random } = this.#sources;
    const options = this.#options;
    const { outlet, log } = options;
    const { folder } = this;
    return {
      folder,
      index,
      core,
      clock,
      random,
      outlet,
      reportOutlet: options.reports?.outlet ?? outlet,
      times: options,
      log,
      tell: async (kind, recipients, file, { dest, job }) => {
        const { envelope: original } = file;
        const sender = original.reversePath;
        if (sender.isNull) {
          const first = recipients[0]!.recipient.address.toString();
          const dropped = `${original.id}: from <> to ${first}: dropped: nobody is told about a report (RFC 5321 6.1)`;
          if (kind === 'failure') log.warn(dropped);
          return;
        }
        const id = reportId(original.id, dest, kind, job.tries);
        if (await folder.has(id)) return;
        await folder.discardDraft(id);
        const nowMs = clock.now();
        const untilMs = original.arrivedMs + options.lifeMs;
        const { host } = options;
        const report = { id, kind, original, recipients, host, nowMs, untilMs };
        await this.#store(await reportMail(report, file, core), id, index);
        log.info(`${original.id}: report ${id} of ${kind} to ${sender.toString()}`);
      },
    };
  }

  async #store(mail: MailObject, id: string, index: SpoolIndex): Promise<void> {
    const arrivedMs = this.#sources.clock.now();
    const marks = { id, arrivedMs, order: this.#nextOrder(arrivedMs) };
    const { reports, destinationOf: usual } = this.#options;
    const destinationOf = isReport(mail) ? (reports?.destinationOf ?? usual) : usual;
    const envelope = envelopeOf(mail, marks, destinationOf);
    const size = await writeMessageFile(this.folder, envelope, mail.message.blocks('crlf'));
    try {
      await index.add(entriesOf(envelope, size, [], this.#options));
    } catch (error) {
      await this.folder.discard(id).catch(() => undefined);
      throw error;
    }
  }

  #nextOrder(nowMs: number): string {
    this.#order = Math.max(this.#order + 1, Math.floor(nowMs) * 1_000);
    return this.#order.toString(36).padStart(ORDER_DIGITS, '0');
  }

  /** One line when it becomes full, and one when there is room again, not one for each client. */
  #noteFull(problem: string | undefined): void {
    const isFull = problem !== undefined;
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    if (isFull) this.#options.log.error(`${this.folder.path} takes no more messages: ${problem}`);
    else this.#options.log.notice(`${this.folder.path} has room again`);
  }
}

const replyFor = (error: unknown): DeliveryReport[number] =>
  (error as { readonly code?: unknown }).code === 'Q_DISK_FULL' ? spoolReplies.full : spoolReplies.failed;

/** The spool's answers to a message that is handed to it. */
const outcome = (
  kind: RecipientOutcome['kind'],
  code: number,
  status: string,
  line: string,
): RecipientOutcome => ({
  kind,
  reply: { code, status, lines: [line] },
  hop: undefined,
  isReportedByHop: true,
});

export const spoolReplies = {
  stored: (id: string): RecipientOutcome => outcome('delivered', 250, '2.0.0', `Queued as ${id}`),
  /** RFC 5321 section 4.2.3; RFC 3463: X.3.1, mail system full. */
  full: outcome('deferred', 452, '4.3.1', 'Insufficient system storage, try again later'),
  failed: outcome('deferred', 451, '4.3.0', 'The message could not be stored, try again later'),
} as const;
