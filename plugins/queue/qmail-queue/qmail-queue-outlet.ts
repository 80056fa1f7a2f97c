/** Hands messages to a program with the interface of qmail-queue(8). */

import type {
  DeliveryReport,
  Log,
  Outlet,
  MailObject,
  ProgramEnd,
  RecipientOutcome,
  Services,
} from '../../../bindings/plugin/index.ts';
import { delivered, deferred, messageIdOf, refused } from '../kit/outcome.ts';
import type { ProgramOutletOptions } from '../program/program-options.ts';
import { ProgramLimiter } from '../program/program-limiter.ts';
import { meaningOf, ownText, OWN_TEXT_AT } from './qmail-exit-codes.ts';

/** Where the program reads the message and the envelope. */
const MESSAGE_FD = 0;
const ENVELOPE_FD = 1;

type NeededServices = Pick<Services, 'clock' | 'programs'>;

export class QmailQueueOutlet implements Outlet {
  readonly #options: ProgramOutletOptions;
  readonly #services: NeededServices;
  readonly #log: Log;
  readonly #limiter: ProgramLimiter;

  constructor(options: ProgramOutletOptions, services: NeededServices, log: Log) {
    this.#options = options;
    this.#services = services;
    this.#log = log;
    this.#limiter = new ProgramLimiter(services.programs, options);
  }

  deliver(mail: MailObject, signal?: AbortSignal): Promise<DeliveryReport> {
    const order = () => ({
      command: [this.#options.program],
      inputs: [
        { fd: MESSAGE_FD, blocks: mail.message.blocks('lf') },
        { fd: ENVELOPE_FD, blocks: [envelopeOf(mail)] },
      ],
      outputs: [ENVELOPE_FD, ...OWN_TEXT_AT],
    });
    const outcome = (end: ProgramEnd): RecipientOutcome => this.#outcome(end, mail);
    return this.#limiter.deliver(mail, this.#options, signal, order, outcome);
  }

  /** The texts are qpsmtpd's, with the exit code; what it stands for goes to the log. */
  #outcome(end: ProgramEnd, mail: MailObject): RecipientOutcome {
    const { program } = this.#options;
    const complain = (problem: string): void => this.#log.error(`${mail.id}: ${program}: ${problem}`);
    if (end.kind !== 'exited') {
      complain(`${end.kind}, ${end.problem}`);
      return deferred(program, `Unable to queue message (${end.kind})`);
    }
    const { code, pid, outputs, hasTakenAll } = end;
    if (code === 0 && hasTakenAll) return delivered(program, this.#queuedText(mail, pid));
    if (code === 0) {
      complain('exit code 0, but it did not read all of the message and the envelope');
      return deferred(program, 'Unable to queue message (54)');
    }
    const own = ownText(code, outputs);
    const { isPermanent, text, status } = own ?? meaningOf(code);
    complain(`exit code ${code}, ${text}${printed(outputs)}`);
    if (isPermanent) return refused(program, text, status);
    return deferred(program, own?.text ?? `Unable to queue message (${code})`, status);
  }

  #queuedText(mail: MailObject, pid: number): string {
    const id = messageIdOf(mail);
    const seconds = Math.floor(this.#services.clock.now() / 1_000);
    return `Queued! ${seconds} qp ${pid} ${/^<.*>$/.test(id) ? id : `<${id}>`}`;
  }
}

/** `F` and the sender, `T` and each recipient, each after a NUL; an empty one at the end makes it whole. */
function envelopeOf({ reversePath, recipients }: MailObject): Buffer {
  const addresses = [`F${reversePath.mailbox}`, ...recipients.map(({ address }) => `T${address.mailbox}`)];
  return Buffer.from(`${addresses.join('\0')}\0\0`, 'utf8');
}

/** What it had to say on its standard error stream. */
function printed(outputs: ReadonlyMap<number, string>): string {
  const text = outputs.get(2)?.trim() ?? '';
  return text === '' ? '' : `: ${text}`;
}
