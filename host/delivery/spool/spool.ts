/** A store-and-forward queue: what it has acknowledged is on disk, and goes on until it is delivered or returned. */

import type { Core } from '../../../bindings/contract.ts';
import type { DeliveryReport, Outlet, Parcel } from '../../../bindings/plugin/delivery.ts';
import type { Clock } from '../../../bindings/plugin/services.ts';
import type { SpoolTerms } from '../../../bindings/plugin/spool-services.ts';
import { envelopeOf } from './envelope.ts';
import { entriesOf } from './index-entries.ts';
import { writeMessageFile } from './message-file.ts';
import { reportId } from './report/report-id.ts';
import { reportParcel } from './report/report-parcel.ts';
import { Runner } from './runner.ts';
import type { AttemptParts } from './share-attempt.ts';
import { checkSpool } from './spool-check.ts';
import type { SpoolFolder } from './spool-folder.ts';
import { newSpoolId } from './spool-id.ts';
import { SpoolIndex } from './spool-index.ts';
import { spoolReplies } from './spool-replies.ts';
import { SpoolSpace } from './spool-space.ts';

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
}

export class Spool implements Outlet {
  readonly folder: SpoolFolder;
  readonly #sources: SpoolSources;
  readonly #space: SpoolSpace;
  #terms: SpoolTerms;
  #opening: Promise<OpenSpool> | undefined;
  #checking: Promise<void> | undefined;
  #isRunning = false;
  #isPaused = false;
  #order = 0;
  #isFull = false;

  /** `folder` has been prepared. */
  constructor(folder: SpoolFolder, terms: SpoolTerms, sources: SpoolSources) {
    this.folder = folder;
    this.#terms = terms;
    this.#sources = sources;
    this.#space = new SpoolSpace(() => folder.freeOctets());
  }

  /** From now on messages go by these terms; attempts under way end under the old ones. */
  adopt(terms: SpoolTerms): void {
    this.#terms = terms;
    this.#rest(false);
  }

  /** No plugin names the spool any more: what it holds stays where it is. */
  abandon(): void {
    const { log } = this.#terms;
    log.warn(`${this.folder.path} is named by no plugin any more: the messages in it stay there`);
    this.#rest(true);
  }

  /** Takes up what earlier processes have left, and begins to hand on. Never rejects: what is wrong is in the log. */
  async begin(): Promise<void> {
    if (this.#isRunning || this.#isPaused) return;
    this.#isRunning = true;
    await this.#open().catch((error: unknown) => this.#terms.log.error(String(error)));
  }

  /** Stores the parcel; reports it as delivered once it is durable. */
  async deliver(parcel: Parcel): Promise<DeliveryReport> {
    const { octets } = parcel.message;
    const all = (outcome: DeliveryReport[number]): DeliveryReport => parcel.recipients.map(() => outcome);
    try {
      const { index, runner } = await this.#open();
      const problem = await this.#space.reserve(octets, index.totals(), this.#terms);
      this.#noteFull(problem);
      if (problem !== undefined) return all(spoolReplies.full);
      try {
        const id = newSpoolId(this.#sources.clock.now());
        await this.#store(parcel, id, index);
        runner.wake();
        return all(spoolReplies.stored(id));
      } finally {
        this.#space.release(octets);
      }
    } catch (error) {
      this.#terms.log.error(`${parcel.id}: ${String(error)}`);
      const isDiskFull = (error as { readonly code?: unknown }).code === 'Q_DISK_FULL';
      return all(isDiskFull ? spoolReplies.full : spoolReplies.failed);
    }
  }

  /** One look for work, for those who drive the time themselves; resolves when all that it began has ended. */
  async work(): Promise<void> {
    const { runner } = await this.#open();
    await this.#checking;
    await runner.turn();
    await runner.idle();
  }

  /** Begins nothing more. Messages are still taken in, for whoever comes after. */
  pause(): void {
    this.#isPaused = true;
    void this.#opening?.then(({ runner }) => runner.pause()).catch(() => undefined);
  }

  /** Lets messages that are being sent end, for at most `graceMs`; nothing can be stored afterwards. */
  async close(graceMs: number): Promise<void> {
    this.pause();
    const open = await this.#opening?.catch(() => undefined);
    if (open === undefined) return;
    await open.runner.stop(graceMs);
    await this.#checking;
    await open.index.close();
  }

  #rest(isResting: boolean): void {
    void this.#opening?.then(({ runner }) => runner.rest(isResting)).catch(() => undefined);
  }

  #open(): Promise<OpenSpool> {
    this.#opening ??= this.#openOnce().catch((error: unknown) => {
      // The next message tries again: an operator may have made room, or mended the folder.
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #openOnce(): Promise<OpenSpool> {
    const { folder } = this;
    const { clock } = this.#sources;
    const index = await SpoolIndex.open(folder.indexPath);
    const runner = new Runner({
      index,
      clock,
      log: () => this.#terms.log,
      limits: () => this.#terms,
      attemptParts: () => this.#attemptParts(index),
    });
    if (this.#isPaused) runner.pause();
    else if (this.#isRunning) runner.start();
    // With a million files this takes minutes, and no client should wait for it.
    this.#checking = this.#check(index, runner);
    return { index, runner };
  }

  /** Never rejects. */
  async #check(index: SpoolIndex, runner: Runner): Promise<void> {
    const { folder } = this;
    const { log } = this.#terms;
    try {
      await folder.sweepDrafts(Date.now());
      const { found } = await checkSpool(folder, index, this.#terms, log, () => this.#isPaused);
      if (found > 0) log.notice(`${folder.path}: ${found} messages were found that the index did not know`);
      runner.wake();
    } catch (error) {
      log.error(`${folder.path} could not be checked: ${String(error)}`);
    }
  }

  #attemptParts(index: SpoolIndex): AttemptParts {
    const { core, clock, random } = this.#sources;
    const terms = this.#terms;
    const { outlet, log } = terms;
    const { folder } = this;
    return {
      folder,
      index,
      core,
      clock,
      random,
      outlet,
      times: terms,
      log,
      tell: async (kind, recipients, file, { dest, share }) => {
        const { envelope: original } = file;
        const sender = original.reversePath;
        if (sender.isNull) {
          const first = recipients[0]!.recipient.address.toString();
          log.warn(
            `${original.id}: from <> to ${first}: dropped: nobody is told about a report (RFC 5321 6.1)`,
          );
          return;
        }
        const id = reportId(original.id, dest, kind, share.tries);
        if (await folder.has(id)) return;
        await folder.discardDraft(id);
        const nowMs = clock.now();
        const untilMs = original.arrivedMs + terms.lifeMs;
        const { host } = terms;
        const report = { id, kind, original, recipients, host, nowMs, untilMs };
        await this.#store(await reportParcel(report, file, core), id, index);
        log.info(`${original.id}: report ${id} of ${kind} to ${sender.toString()}`);
      },
    };
  }

  async #store(parcel: Parcel, id: string, index: SpoolIndex): Promise<void> {
    const arrivedMs = this.#sources.clock.now();
    const marks = { id, arrivedMs, order: this.#nextOrder(arrivedMs) };
    const envelope = envelopeOf(parcel, marks, this.#terms.destinationOf);
    const octets = await writeMessageFile(this.folder, envelope, parcel.message.blocks('crlf'));
    try {
      await index.add(entriesOf(envelope, octets, [], this.#terms));
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
    if (isFull) this.#terms.log.error(`${this.folder.path} takes no more messages: ${problem}`);
    else this.#terms.log.notice(`${this.folder.path} has room again`);
  }
}
