/** What arrives at a mail exchanger that refuses most of it: the shares, and the sessions that follow from them. */

import { say, sayTogether, type Exchange, type Script, type Visit } from '../load/exchange.ts';
import { makeMessage, withEndOfData } from '../load/message.ts';
import { ACCEPTED_DOMAIN, REFUSED_DOMAIN } from '../load/plan.ts';

/** The parameters of the day; shares are parts of one. Why the defaults are what they are stands in README.md. */
export interface Mix {
  /** Shares of all attempts that are refused at this point. What remains is accepted. */
  readonly refusedAtConnect: number;
  readonly refusedAtHello: number;
  readonly refusedAtMail: number;
  readonly refusedAtRcpt: number;
  readonly refusedAfterData: number;
  /** Of the clients that get as far as MAIL. */
  readonly pipelinedShare: number;
  readonly tlsShare: number;
  /** Sizes are log-normal: half of the messages are smaller than this. */
  readonly medianOctets: number;
  readonly sigma: number;
  readonly largestOctets: number;
  /** Recipients of a message that has more than one: this many, in this share of messages. */
  readonly manyRecipients: number;
  readonly manyRecipientsShare: number;
}

export const DEFAULT_MIX: Mix = {
  refusedAtConnect: 0.5,
  refusedAtHello: 0.06,
  refusedAtMail: 0.06,
  refusedAtRcpt: 0.18,
  refusedAfterData: 0.06,
  pipelinedShare: 0.5,
  tlsShare: 0.4,
  medianOctets: 7_000,
  sigma: 1.3,
  largestOctets: 5 * 2 ** 20,
  manyRecipients: 5,
  manyRecipientsShare: 0.05,
};

export const OUTCOMES = ['connect', 'hello', 'mail', 'rcpt', 'data', 'accepted'] as const;
/** How far an attempt gets. */
export type ClientOutcome = (typeof OUTCOMES)[number];

/** What the server is configured to refuse; the plugin of `refusing-plugin.ts` and the sample's files know these. */
export const LISTED_ADDRESS = '127.0.2.1';
export const LISTED_HELLO = 'dynamic.elsewhere.test';
export const LISTED_SENDER = 'spammer@elsewhere.test';
export const LISTED_FIELD = 'X-Bench-Refuse: yes';

/** Numbers in [0, 1) that are the same in every run (a linear congruential generator of 32 bits). */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Throws if the shares are no shares. */
export function checkMix(mix: Mix): void {
  const refused = refusedShare(mix);
  const shares = [refused, mix.pipelinedShare, mix.tlsShare, mix.manyRecipientsShare];
  if (shares.some((share) => !(share >= 0 && share <= 1))) {
    throw new RangeError('every share, and the refusals together, must lie between 0 and 1');
  }
}

export function refusedShare(mix: Mix): number {
  return (
    mix.refusedAtConnect + mix.refusedAtHello + mix.refusedAtMail + mix.refusedAtRcpt + mix.refusedAfterData
  );
}

/** Whom the next number befalls. */
export function outcomeOf(mix: Mix, at: number): ClientOutcome {
  const shares = [
    mix.refusedAtConnect,
    mix.refusedAtHello,
    mix.refusedAtMail,
    mix.refusedAtRcpt,
    mix.refusedAfterData,
  ];
  let below = 0;
  for (const [index, share] of shares.entries()) {
    below += share;
    if (at < below) return OUTCOMES[index]!;
  }
  return 'accepted';
}

/** Log-normal by two even numbers (Box and Muller). */
export function sizeOf(mix: Mix, first: number, second: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - first)) * Math.cos(2 * Math.PI * second);
  const octets = mix.medianOctets * Math.exp(mix.sigma * normal);
  return Math.round(Math.min(Math.max(octets, 700), mix.largestOctets));
}

const QUIT = say('QUIT', 'close');

/** The sessions of the day, as many as `attempts`; `count` is told the outcome of each. */
export function* visitsOf(
  mix: Mix,
  attempts: number,
  { seed = 1, offersTls = false, count = undefined as ((outcome: ClientOutcome) => void) | undefined } = {},
): Generator<Visit> {
  const random = chance(seed);
  for (let index = 0; index < attempts; index++) {
    const outcome = outcomeOf(mix, random());
    count?.(outcome);
    if (outcome === 'connect') yield { script: [QUIT], from: LISTED_ADDRESS };
    else yield { script: scriptOf(mix, outcome, random, offersTls) };
  }
}

function scriptOf(mix: Mix, outcome: ClientOutcome, random: () => number, offersTls: boolean): Script {
  if (outcome === 'hello') return [say(`EHLO ${LISTED_HELLO}`), QUIT];
  const hello = say('EHLO client.example.com');
  const usesTls = random() < mix.tlsShare && offersTls;
  const opening = usesTls ? [hello, say('STARTTLS', 'starttls'), hello] : [hello];
  const isPipelined = random() < mix.pipelinedShare;
  const recipients = random() < mix.manyRecipientsShare ? mix.manyRecipients : 1;
  const size = sizeOf(mix, random(), random());
  return [...opening, ...transactionOf(outcome, recipients, size, isPipelined), QUIT];
}

function transactionOf(
  outcome: ClientOutcome,
  recipients: number,
  size: number,
  isPipelined: boolean,
): Exchange[] {
  const mail = `MAIL FROM:<${outcome === 'mail' ? LISTED_SENDER : 'john.doe@example.com'}>`;
  if (outcome === 'mail') return [say(mail, 'envelope')];
  const domain = outcome === 'rcpt' ? REFUSED_DOMAIN : ACCEPTED_DOMAIN;
  const rcpt = Array.from({ length: recipients }, (_, index) => `RCPT TO:<jane.roe-${index}@${domain}>`);
  const envelope = [mail, ...rcpt];
  const sayAll = (lines: readonly string[]): Exchange[] =>
    isPipelined
      ? [sayTogether(lines, 'envelope')]
      : lines.map((line, at) => say(line, at === 0 ? 'envelope' : undefined));
  if (outcome === 'rcpt') return sayAll(envelope);
  const text = makeMessage(size);
  const message = outcome === 'data' ? Buffer.concat([Buffer.from(`${LISTED_FIELD}\r\n`), text]) : text;
  return [...sayAll([...envelope, 'DATA']), { octets: withEndOfData(message), replies: 1, kind: 'content' }];
}
