/**
 * Hands messages to a program with the interface of qmail-queue(8).
 *
 * Exit codes of qmail-queue(8), and of the programs that take its place.
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
import { delivered, deferred, messageIdOf, refused, replyText } from '../kit/outcome.ts';
import type { ProgramOutletOptions } from '../program/program-options.ts';
import { ProgramLimiter } from '../program/program-limiter.ts';

/** 11 to 40 are for good, all others for now. Texts and codes as netqmail's qmail-smtpd has them for its clients. */
const MEANINGS: Readonly<Record<number, readonly [text: string, status: string]>> = {
  11: ['envelope address too long for qq', '5.1.3'],
  31: ['mail server permanently rejected message', '5.3.0'],
  51: ['qq out of memory', '4.3.0'],
  52: ['qq timeout', '4.3.0'],
  53: ['qq write error or disk full', '4.3.0'],
  54: ['qq read error', '4.3.0'],
  55: ['qq unable to read configuration', '4.3.0'],
  56: ['qq trouble making network connection', '4.3.0'],
  61: ['qq trouble in home directory', '4.3.0'],
  62: ['qq trouble creating files in queue', '4.3.0'],
  63: ['qq trouble creating files in queue', '4.3.0'],
  64: ['qq trouble creating files in queue', '4.3.0'],
  65: ['qq trouble creating files in queue', '4.3.0'],
  66: ['qq trouble creating files in queue', '4.3.0'],
  71: ['mail server temporarily rejected message', '4.3.0'],
  72: ['connection to mail server timed out', '4.4.1'],
  73: ['connection to mail server rejected', '4.4.1'],
  74: ['communication with mail server failed', '4.4.2'],
  81: ['qq internal bug', '4.3.0'],
  91: ['qq internal bug', '4.3.0'],
  115: ['envelope address too long for qq', '5.1.3'],
  120: ['unable to exec qq', '4.3.0'],
};

export interface QmailMeaning {
  readonly isPermanent: boolean;
  readonly text: string;
  /** RFC 3463. */
  readonly status: string;
}

/** What a code other than 0 means. 115 is 11 as old versions of qmail-queue say it. */
export function meaningOf(code: number): QmailMeaning {
  const isPermanent = (code >= 11 && code <= 40) || code === 115;
  const usual = isPermanent
    ? (['qq permanent problem', '5.3.0'] as const)
    : (['qq temporary problem', '4.3.0'] as const);
  const [text, status] = MEANINGS[code] ?? usual;
  return { isPermanent, text, status };
}

/**
 * Programs that exit with 82 or 88 have written their own words: `D` and a text refuses for good, `Z` and a text for now.
 * netqmail's patch has them on descriptor 4, notqmail on 6, indimail on 2. Undefined if there are none.
 */
export function ownText(code: number, outputs: ReadonlyMap<number, string>): QmailMeaning | undefined {
  if (code !== 82 && code !== 88) return undefined;
  for (const fd of OWN_TEXT_AT) {
    const [, kind, text = ''] = /^([DZ])([^\r\n\0]*)/.exec(outputs.get(fd) ?? '') ?? [];
    if (kind !== undefined) return worded(kind === 'D', text);
  }
  return undefined;
}

export const OWN_TEXT_AT = [4, 6, 2] as const;

/** The text may end in a status, as qmail writes it: `(#5.7.1)`. */
function worded(isPermanent: boolean, text: string): QmailMeaning {
  const trimmed = text.trimEnd();
  const [ending = '', status] = /\(#([245]\.\d{1,3}\.\d{1,3})\)$/.exec(trimmed) ?? [];
  const digit = isPermanent ? '5' : '4';
  const words = trimmed.slice(0, trimmed.length - ending.length);
  const said = replyText(words, isPermanent ? 'qq permanent problem' : 'qq temporary problem');
  return { isPermanent, text: said, status: status?.[0] === digit ? status : `${digit}.3.0` };
}

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
