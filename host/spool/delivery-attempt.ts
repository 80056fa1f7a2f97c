/** One claim from the file to the file: an attempt, a notice of delay, or the end of a message's life. */

import type { DeliveryReport, Outlet } from '../../bindings/plugin/delivery.ts';
import type { Core } from '../../bindings/core/contract.ts';
import type { Clock } from '../../bindings/plugin/services.ts';
import type { Log } from '../../bindings/plugin/log-level.ts';
import type { Claim } from './index/claim-round.ts';
import { isReport, type StoredEnvelope } from './files/envelope.ts';
import { isLeft, stateAfter, type HistoryEvent, type MessageState } from './files/history.ts';
import { keyPart } from './index/index-keys.ts';
import { appendEvent, MessageFile } from './files/message-file.ts';
import type { ReportedRecipient, ReportKind } from './report/report-case.ts';
import type { RetryTimes } from './index/schedule.ts';
import {
  BROKEN_OUTLET,
  grouped,
  isReached,
  isSettled,
  keepingReports,
  NO_REPLY,
  reportedOf,
  settle,
  type Settled,
} from './settlement.ts';
import { DamagedError } from './files/spool-error.ts';
import type { SpoolFolder } from './files/spool-folder.ts';
import type { AttemptResult, SpoolIndex } from './index/spool-index.ts';
import { StoredContent, storedMail } from './files/stored-content.ts';

/**
 * A message that is put off every second for years must not fill the disk: from here on only notes that settle a
 * recipient are kept.
 */
const MAX_HISTORY_OCTETS = 1_048_576;

/** What an attempt works with. */
export interface AttemptParts {
  readonly folder: SpoolFolder;
  readonly index: SpoolIndex;
  readonly core: Core;
  readonly clock: Clock;
  readonly random: () => number;
  readonly outlet: Outlet;
  /** For reports. */
  readonly reportOutlet: Outlet;
  readonly times: RetryTimes;
  readonly log: Log;
  /** Tells the sender; resolves once the report is durable, or there is none to send. */
  readonly tell: (
    kind: ReportKind,
    recipients: readonly ReportedRecipient[],
    file: MessageFile,
    claim: Claim,
  ) => Promise<void>;
}

export class DeliveryAttempt {
  readonly claim: Claim;
  readonly #parts: AttemptParts;
  readonly #abort = new AbortController();
  #content: StoredContent | undefined;
  #isLongStory = false;
  #fileOctets: number | undefined;
  #unwritten: HistoryEvent | undefined;

  constructor(claim: Claim, parts: AttemptParts) {
    this.claim = claim;
    this.#parts = parts;
  }

  /** True from the moment the content is read for a hop: breaking off then may deliver twice. */
  get isBeingSent(): boolean {
    return this.#content?.isBeingSent === true;
  }

  /** What happened, but could not be written to the file: it has to be in the index before the next attempt. */
  get unwritten(): HistoryEvent | undefined {
    return this.#unwritten;
  }

  /** The outlet breaks off; what it reports still counts. */
  abort(): void {
    this.#abort.abort();
  }

  /** Rejects only if the spool itself fails; the claim then stays. */
  async run(): Promise<void> {
    const { folder } = this.#parts;
    const { id } = this.claim;
    let file: MessageFile | undefined;
    try {
      file = await MessageFile.open(folder, id);
      if (file === undefined) await this.#forget();
      else await this.#work(file);
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      await this.#setAside(error);
    } finally {
      await file?.close();
    }
  }

  async #work(file: MessageFile): Promise<void> {
    const { envelope } = file;
    const { folder, index } = this.#parts;
    await index.writeRest(envelope.id, async (event) => {
      this.#fileOctets = await appendEvent(folder, envelope.id, event, { isDurable: true });
    });
    const { events, octets } = await file.history();
    this.#isLongStory = octets > MAX_HISTORY_OCTETS;
    const state = stateAfter(events, envelope.recipients.length);
    const indices = envelope.recipients.flatMap(({ destination }, index) =>
      keyPart(destination) === this.claim.dest && isLeft(state.recipients[index]!) ? [index] : [],
    );
    // A process that died after its last write to the file has left no more to do than this.
    if (indices.length === 0) await this.#end(file, state, []);
    else if (this.claim.purpose === 'delay-notice') await this.#notify(file, state, indices);
    else if (this.claim.purpose === 'expiry') await this.#expire(file, state, indices);
    else await this.#deliver(file, state, indices);
  }

  async #deliver(file: MessageFile, state: MessageState, indices: readonly number[]): Promise<void> {
    const { core, times, clock } = this.#parts;
    const { envelope } = file;
    this.#content = await StoredContent.of(file, core);
    const report = await this.#ask(storedMail(envelope, indices, this.#content));
    if (this.#content.isDamaged) throw file.damage('the content has changed');
    const isExpired = clock.now() >= envelope.arrivedMs + times.lifeMs;
    if (this.#abort.signal.aborted && report.every(({ kind }) => kind === 'deferred')) {
      await this.#settle({ kind: 'untouched' });
      return;
    }
    await this.#end(file, state, settle(indices, report, isExpired));
  }

  async #ask(mail: ReturnType<typeof storedMail>): Promise<DeliveryReport> {
    const { outlet, reportOutlet, log } = this.#parts;
    try {
      return await (isReport(mail) ? reportOutlet : outlet).deliver(mail, this.#abort.signal);
    } catch (error) {
      log.error(`${mail.id}: the outlet failed: ${String(error)}`);
      return mail.recipients.map(() => BROKEN_OUTLET);
    }
  }

  async #expire(file: MessageFile, state: MessageState, indices: readonly number[]): Promise<void> {
    const settled = indices.map((index): Settled => {
      const { reply = this.claim.job.reply ?? NO_REPLY, hop } = state.recipients[index]!;
      return { index, kind: 'expired', reply, hop, isReportedByHop: false };
    });
    await this.#end(file, state, settled);
  }

  async #notify(file: MessageFile, state: MessageState, indices: readonly number[]): Promise<void> {
    const { clock, tell } = this.#parts;
    const { job } = this.claim;
    const settled = indices.map((index): Settled => {
      const { reply = job.reply ?? NO_REPLY, hop } = state.recipients[index]!;
      return { index, kind: 'deferred', reply, hop, isReportedByHop: false };
    });
    if (!state.noticed.has(job.destination)) {
      const recipients = reportedOf(file.envelope, settled, 'delay');
      if (recipients.length > 0) await tell('delay', recipients, file, this.claim);
      const event = { event: 'delay-notice', ms: clock.now(), destination: job.destination } as const;
      await this.#write(event, true);
    }
    await this.#settle({ kind: 'noticed' });
  }

  /** Senders are told first, then the file knows, then the index: whatever a crash undoes is done again. */
  async #end(file: MessageFile, state: MessageState, outcomes: readonly Settled[]): Promise<void> {
    const { folder, tell, times } = this.#parts;
    const { envelope } = file;
    // One that has been kept for its time goes for good.
    const isKept = isReport(envelope) && times.keepReportsMs > 0 && this.claim.job.state !== 'kept';
    const settled = isKept ? keepingReports(outcomes) : outcomes;
    const { id } = envelope;
    try {
      for (const kind of ['failure', 'success'] as const) {
        const recipients = reportedOf(envelope, settled, kind);
        if (recipients.length > 0) await tell(kind, recipients, file, this.claim);
      }
    } catch (error) {
      // The others are tried again; those who have the message must not get it once more because of them.
      await this.#remember(
        settled.filter(({ kind }) => kind === 'delivered'),
        true,
      );
      throw error;
    }
    this.#report(envelope, settled);
    const done = new Set(settled.filter(isSettled).map(({ index }) => index));
    const isLast = state.recipients.every((recipient, index) => !isLeft(recipient) || done.has(index));
    if (isLast) await this.#discard(settled);
    else await this.#remember(this.#isLongStory ? settled.filter(isSettled) : settled, done.size > 0);
    const last = await this.#settle(aftermathOf(envelope, settled));
    // The last jobs of a message may end side by side, and neither see the other's end in the file.
    if (last === 'gone' && !isLast) await folder.discard(id);
  }

  async #discard(settled: readonly Settled[]): Promise<void> {
    try {
      await this.#parts.folder.discard(this.claim.id);
    } catch (error) {
      // A file that stays is tried again.
      await this.#remember(settled, true);
      throw error;
    }
  }

  async #remember(settled: readonly Settled[], isDurable: boolean): Promise<void> {
    if (settled.length === 0) return;
    const { clock } = this.#parts;
    const { job } = this.claim;
    const outcomes = grouped(settled);
    const event = { event: 'attempt', ms: clock.now(), destination: job.destination, outcomes } as const;
    await this.#write(event, isDurable);
  }

  /** What a full disk keeps out of the file, and matters, goes to the index with the end of the claim. */
  async #write(event: HistoryEvent, matters: boolean): Promise<void> {
    const { folder, log } = this.#parts;
    const { id } = this.claim;
    try {
      this.#fileOctets = await appendEvent(folder, id, event, { isDurable: matters });
    } catch (error) {
      log.error(`${id}: ${String(error)}`);
      if (matters) this.#unwritten = event;
    }
  }

  async #settle(result: AttemptResult): Promise<'kept' | 'gone' | 'lost'> {
    const { index, clock, times, random, log } = this.#parts;
    const [fileOctets, unwritten] = [this.#fileOctets, this.#unwritten];
    const moment = { nowMs: clock.now(), times, chance: random(), fileOctets, unwritten };
    const end = await index.settle(this.claim, result, moment);
    if (end === 'lost') log.warn(`${this.claim.id}: another process took the message over meanwhile`);
    return end;
  }

  #report({ id, reversePath, recipients }: StoredEnvelope, settled: readonly Settled[]): void {
    const { log } = this.#parts;
    for (const { recipients: indices, kind, reply, hop } of grouped(settled)) {
      const first = recipients[indices[0]!]!.address.toString();
      const to = indices.length === 1 ? first : `${first} and ${indices.length - 1} more`;
      const answer = [reply.code, reply.status, ...reply.lines]
        .filter((part) => part !== undefined)
        .join(' ');
      const line = `${id}: ${kind}: from ${reversePath.toString()} to ${to}: ${hop ?? 'no hop'}: ${answer}`;
      if (kind === 'delivered') log.info(line);
      else if (kind === 'kept') log.warn(`${line} (the report cannot leave; see qpsmtpd queue ls)`);
      else log.notice(line);
    }
  }

  /** Nothing can be delivered without a file; its removal was meant. */
  async #forget(): Promise<void> {
    const { index, log } = this.#parts;
    log.warn(`${this.claim.id}: there is no such file in the spool: dropped from the index`);
    await index.drop(this.claim.id);
  }

  async #setAside(error: DamagedError): Promise<void> {
    const { folder, index, log } = this.#parts;
    const { id } = this.claim;
    const path = await folder.setAside(id).catch((cause: unknown) => `nowhere else: ${String(cause)}`);
    log.error(`${id}: ${error.message}: it is not delivered, and kept as ${path}`);
    await index.drop(id);
  }
}

function aftermathOf({ recipients }: StoredEnvelope, settled: readonly Settled[]): AttemptResult {
  const left = settled.filter((one) => !isSettled(one));
  const [first] = left;
  if (first === undefined) return { kind: 'finished', isReached: isReached(settled) };
  return {
    kind: left.every(({ kind }) => kind === 'kept') ? 'kept' : 'deferred',
    to: left.map(({ index }) => recipients[index]!.address.mailbox),
    reply: first.reply,
    hop: first.hop,
    isReached: isReached(settled),
  };
}
