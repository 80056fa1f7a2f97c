/**
 * Hands messages to any program that reads one and says by its exit code what became of it.
 *
 * Exit codes of programs that deliver mail: sysexits.h, and qmail's 100 and 111.
 */

import type {
  DeliveryReport,
  LineEnds,
  Log,
  Outlet,
  MailObject,
  ProgramEnd,
  Recipient,
  RecipientOutcome,
  Services,
} from '../../../bindings/plugin/index.ts';
import { withDeadline } from '../../../bindings/timing/time-limit.ts';
import { delivered, deferred, forAll, refused, replyText } from '../kit/outcome.ts';
import type { ProgramLimits } from '../program/program-options.ts';
import { ProgramLimiter } from '../program/program-limiter.ts';
import { unfitFor } from '../kit/safe-envelope.ts';
import { CommandArguments, inCommands, type UnsafeArgument } from './command-arguments.ts';

export interface ExitMeaning {
  readonly kind: 'deferred' | 'refused';
  /** Reply code, RFC 3463 status and words for the client. */
  readonly code: number;
  readonly status: string;
  readonly text: string;
}

const refuse = (code: number, status: string, text: string): ExitMeaning => ({
  kind: 'refused',
  code,
  status,
  text,
});
const defer = (text: string, status = '4.3.0'): ExitMeaning => ({
  kind: 'deferred',
  code: 451,
  status,
  text,
});

/** Codes about the message or its recipient refuse for good. */
const MEANINGS: Readonly<Record<number, ExitMeaning>> = {
  65: refuse(554, '5.6.0', 'data format error'),
  67: refuse(550, '5.1.1', 'user unknown'),
  68: refuse(550, '5.1.2', 'host name unknown'),
  69: refuse(554, '5.3.0', 'service unavailable'),
  71: defer('system error'),
  74: defer('input/output error'),
  75: defer('temporary failure'),
  77: refuse(550, '5.7.0', 'permission denied'),
  78: defer('local configuration error', '4.3.5'),
  100: refuse(554, '5.3.0', 'mail system permanently refuses the message'),
};

/**
 * What an exit code other than 0 means. A code that speaks of the program (wrong usage, a missing file, a crash of the
 * interpreter) is no reason to lose mail: the operator reads the log, and the client comes back.
 */
export const meaningOfExit = (code: number): ExitMeaning =>
  MEANINGS[code] ?? defer('the delivery program failed');

const INPUT = 0;
const OUTPUT = 1;
const ERRORS = 2;
/** Where programs find others; nothing of the daemon's environment, which may hold secrets, reaches them. */
const PATH = '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin';

export interface PipeOptions extends ProgramLimits {
  /** Absolute path, and arguments with patterns: %s reverse-path, %r recipient, %u its local part, %d its domain, %% a percent sign. */
  readonly command: readonly string[];
  /** One run for each recipient, or as few as the length of a command allows. */
  readonly per: 'recipient' | 'message';
  readonly lineEnds: LineEnds;
  /** What %s stands for if the reverse-path is null: an empty argument would make `-f` take the next one. */
  readonly nullSender: string;
}

export class PipeOutlet implements Outlet {
  readonly #options: PipeOptions;
  readonly #log: Log;
  readonly #args: CommandArguments;
  readonly #program: string;
  readonly #limiter: ProgramLimiter;

  /** Throws if the command has a pattern that can't be filled. */
  constructor(options: PipeOptions, programs: Services['programs'], log: Log) {
    this.#options = options;
    this.#log = log;
    this.#args = new CommandArguments(options.command, options.nullSender);
    this.#program = options.command[0]!;
    this.#limiter = new ProgramLimiter(programs, options);
  }

  /**
   * No program runs unless there is a safe command for every recipient, or the mail object is tracked by recipient: then the
   * others have theirs.
   */
  async deliver(mail: MailObject, signal?: AbortSignal): Promise<DeliveryReport> {
    const unfit = unfitFor(this.#program, mail);
    if (unfit !== undefined) return unfit;
    const { recipients, isTrackedByRecipient } = mail;
    const outcomes = new Map<Recipient, RecipientOutcome>();
    for (const recipient of recipients) {
      const command = this.#args.expand(mail.reversePath, [recipient.address]);
      if (!('problem' in command)) continue;
      if (isTrackedByRecipient !== true) return forAll(mail, this.#unsafe(command));
      outcomes.set(recipient, this.#unsafe(command));
    }
    const rest = recipients.filter((recipient) => !outcomes.has(recipient));
    await withDeadline(this.#options.timeoutMs, signal, async (until) => {
      // One after the other: a message with many recipients must not take all the places.
      for (const group of this.#groups(rest)) {
        const outcome = await this.#run(group, mail, until);
        for (const recipient of group) outcomes.set(recipient, outcome);
      }
    });
    return recipients.map((recipient) => outcomes.get(recipient)!);
  }

  #groups(recipients: readonly Recipient[]): readonly (readonly Recipient[])[] {
    if (this.#options.per === 'recipient') return recipients.map((recipient) => [recipient]);
    if (!this.#args.namesRecipients) return recipients.length === 0 ? [] : [recipients];
    return inCommands(recipients, ({ address }) => Buffer.byteLength(address.mailbox) + 64);
  }

  async #run(
    recipients: readonly Recipient[],
    mail: MailObject,
    signal: AbortSignal,
  ): Promise<RecipientOutcome> {
    const addresses = recipients.map(({ address }) => address);
    const command = this.#args.expand(mail.reversePath, addresses);
    if ('problem' in command) return this.#unsafe(command);
    const order = {
      command,
      environment: environmentOf(mail, recipients),
      inputs: [{ fd: INPUT, blocks: mail.message.blocks(this.#options.lineEnds) }],
      outputs: [OUTPUT, ERRORS],
    };
    const end = await this.#limiter.run(order, signal);
    this.#report(end, mail);
    if (end.kind !== 'exited') return deferred(this.#program, 'the delivery program failed');
    // As with any pipe, a program need not read all of a message to deal with it: its exit code counts.
    if (end.code === 0) return delivered(this.#program, 'Delivered', '2.0.0');
    const { kind, code, status, text } = meaningOfExit(end.code);
    const outcome = kind === 'refused' ? refused : deferred;
    return outcome(this.#program, text, status, code);
  }

  #report(end: ProgramEnd, { id }: MailObject): void {
    const outputs = 'outputs' in end ? [...end.outputs.values()] : [];
    const printed = replyText(outputs.join(' '), '');
    const said = printed === '' ? '' : `: ${printed}`;
    const who = `${id}: ${this.#program}`;
    if (end.kind !== 'exited') this.#log.error(`${who}: ${end.kind}, ${end.problem}${said}`);
    else if (end.code !== 0) this.#log.error(`${who}: exit code ${end.code}${said}`);
    else if (said !== '') this.#log.info(`${who}${said}`);
  }

  #unsafe({ whose, problem }: UnsafeArgument): RecipientOutcome {
    const status = whose === 'sender' ? '5.1.7' : '5.1.3';
    return refused(this.#program, `an address of the ${whose} ${problem}`, status, 553);
  }
}

/** RECIPIENT, LOCAL and HOST only where there is one recipient. */
function environmentOf(
  { reversePath, client, id }: MailObject,
  recipients: readonly Recipient[],
): Record<string, string> {
  const environment: Record<string, string> = { PATH, SENDER: reversePath.mailbox, MESSAGE_ID: id };
  if (client !== undefined) environment['CLIENT_ADDRESS'] = client.ip;
  const [only, ...others] = recipients;
  if (only !== undefined && others.length === 0) {
    environment['RECIPIENT'] = only.address.mailbox;
    environment['LOCAL'] = only.address.localPart;
    environment['HOST'] = only.address.domain;
  }
  return environment;
}
