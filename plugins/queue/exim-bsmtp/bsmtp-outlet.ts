/**
 * Hands messages to Exim's batched SMTP.
 *
 * A message as batched SMTP: the commands of a session, read by the receiver without answering.
 *
 * What Exim says of a batch it could not take.
 */

import type {
  DeliveryReport,
  Log,
  Outlet,
  MailObject,
  ProgramEnd,
  RecipientOutcome,
  Services,
} from '../../../bindings/plugin/index.ts';
import { delivered, deferred, refused, replyText } from '../kit/outcome.ts';
import type { ProgramOutletOptions } from '../program/program-options.ts';
import { ProgramLimiter } from '../program/program-limiter.ts';
import { LfDotStuffing } from '../../../bindings/wire/dot-stuffing.ts';

export interface Complaint {
  /** 400 to 599. */
  readonly code: number;
  /** RFC 3463, of the code's class. */
  readonly status: string;
  readonly text: string;
}

/** The last reply in its output that refuses; undefined if there is none. */
export function complaintIn(output: string): Complaint | undefined {
  let last: Complaint | undefined;
  for (const [, digits = '', status, text = ''] of output.matchAll(REPLY)) {
    const code = Number(digits);
    const usual = code < 500 ? '4.3.0' : '5.3.0';
    last = {
      code,
      status: status !== undefined && status[0] === digits[0] ? status : usual,
      text: replyText(text, 'Mail unqueuable'),
    };
  }
  return last;
}

/** A last line of a reply: code, perhaps a status, text. RFC 5321 section 4.2, RFC 2034. */
const REPLY = /\b([45]\d\d) (?:([245]\.\d{1,3}\.\d{1,3}) )?[ \t]*(\S[^\r\n]*)/g;

const INPUT = 0;
const OUTPUT = 1;
const ERRORS = 2;

type NeededServices = Pick<Services, 'programs' | 'system'>;

export class BsmtpOutlet implements Outlet {
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
      command: [this.#options.program, '-bS'],
      inputs: [{ fd: INPUT, blocks: batchOf(mail, this.#services.system.hostName) }],
      outputs: [OUTPUT, ERRORS],
    });
    const outcome = (end: ProgramEnd): RecipientOutcome => this.#outcome(end, mail);
    return this.#limiter.deliver(mail, this.#options, signal, order, outcome);
  }

  /** Exim prints nothing unless something is wrong. */
  #outcome(end: ProgramEnd, { id }: MailObject): RecipientOutcome {
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

/** The session with this one message, line ends LF. The mail object's addresses hold no control characters. */
export async function* batchOf(mail: MailObject, helloName: string): AsyncIterable<Buffer> {
  const { reversePath, recipients, message } = mail;
  const commands = [
    `HELO ${helloName}`,
    `MAIL FROM:${reversePath.toString()}`,
    ...recipients.map(({ address }) => `RCPT TO:${address.toString()}`),
    'DATA',
  ];
  yield Buffer.from(`${commands.join('\n')}\n`, 'utf8');
  const stuffing = new LfDotStuffing();
  for await (const block of message.blocks('lf')) yield* stuffing.stuff(block);
  yield Buffer.from(`${stuffing.isAtLineStart ? '' : '\n'}.\nQUIT\n`);
}
