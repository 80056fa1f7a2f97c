/** Hands messages to Exim's batched SMTP. */

import type { DeliveryReport, Outlet, Parcel, RecipientOutcome } from '../../../bindings/plugin/delivery.ts';
import type { ProgramOutletOptions } from '../../../bindings/plugin/hand-over-services.ts';
import type { Log } from '../../../bindings/plugin/log-level.ts';
import { withDeadline } from '../../../bindings/timing/time-limit.ts';
import type { HandOverSystem } from '../program/program-station.ts';
import { delivered, deferred, forAll, refused } from '../program/outcome.ts';
import type { ProgramEnd } from '../program/program-run.ts';
import { ProgramStation } from '../program/program-station.ts';
import { unfitFor } from '../program/safe-envelope.ts';
import { batchOf } from './batch.ts';
import { complaintIn } from './complaint.ts';

const INPUT = 0;
const OUTPUT = 1;
const ERRORS = 2;

export class BsmtpOutlet implements Outlet {
  readonly #options: ProgramOutletOptions;
  readonly #system: HandOverSystem;
  readonly #log: Log;
  readonly #station: ProgramStation;

  constructor(options: ProgramOutletOptions, system: HandOverSystem, log: Log) {
    this.#options = options;
    this.#system = system;
    this.#log = log;
    this.#station = new ProgramStation(options);
  }

  async deliver(parcel: Parcel, signal?: AbortSignal): Promise<DeliveryReport> {
    const { program, timeoutMs } = this.#options;
    const unfit = unfitFor(program, parcel);
    if (unfit !== undefined) return unfit;
    const order = {
      command: [program, '-bS'],
      environment: this.#system.environment,
      inputs: [{ fd: INPUT, blocks: batchOf(parcel, this.#system.host) }],
      outputs: [OUTPUT, ERRORS],
    };
    const end = await withDeadline(timeoutMs, signal, (until) => this.#station.run(order, until));
    return forAll(parcel, this.#outcome(end, parcel));
  }

  /** Exim prints nothing unless something is wrong. */
  #outcome(end: ProgramEnd, { id }: Parcel): RecipientOutcome {
    const { program } = this.#options;
    const complain = (problem: string): void => this.#log.error(`${id}: ${program}: ${problem}`);
    const defer = (problem: string): RecipientOutcome => {
      complain(problem);
      return deferred(program, 'Internal error enqueuing mail');
    };
    if (end.kind !== 'exited') return defer(`${end.kind}, ${end.problem}`);
    const output = end.outputs.get(OUTPUT) ?? '';
    for (const line of `${output}\n${end.outputs.get(ERRORS) ?? ''}`.split('\n'))
      if (line.trim() !== '') complain(line);
    const complaint = complaintIn(output);
    if (complaint !== undefined) {
      const { code, status, text } = complaint;
      return code < 500 ? deferred(program, text, status, code) : refused(program, text, status, code);
    }
    if (end.code !== 0) return defer(`exit code ${end.code}`);
    // A receiver that stopped reading before QUIT has not seen the end of the message.
    return end.hasTakenAll ? delivered(program, 'Queued!') : defer('it did not read all of the message');
  }
}
