/** What the load generator is told to do, and the scripts that follow from it. */

import { say, sayTogether, type Exchange, type Script } from './exchange.ts';
import { makeMessage, withEndOfData } from './message.ts';

/** A message a server should take in each transaction, and how it is sent. */
export interface LoadPlan {
  readonly port: number;
  /** Connections at a time. */
  readonly sessions: number;
  readonly messages: number;
  /** Messages after which a connection is closed and the next one opened. */
  readonly perConnection: number;
  readonly octets: number;
  /** Of which header; 0 is the ordinary one. */
  readonly headerOctets?: number;
  readonly recipients?: number;
  /** Recipients before the others that the server must refuse. */
  readonly refusedRecipients?: number;
  readonly isPipelined?: boolean;
  readonly usesBdat?: boolean;
  readonly usesTls?: boolean;
}

/** The domain every server under test accepts mail for, and one that none does. */
export const ACCEPTED_DOMAIN = 'example.test';
export const REFUSED_DOMAIN = 'elsewhere.test';

const HELLO = say('EHLO client.example.com');
const QUIT = say('QUIT', 'close');

/** EHLO keywords without which a plan cannot be carried out. */
export function neededExtensions({ isPipelined, usesBdat, usesTls }: LoadPlan): readonly string[] {
  return [
    ...(isPipelined === true ? ['PIPELINING'] : []),
    ...(usesBdat === true ? ['CHUNKING'] : []),
    ...(usesTls === true ? ['STARTTLS'] : []),
  ];
}

/** The script of one connection that sends `count` messages. */
export function scriptOf(plan: LoadPlan, count: number): Script {
  const opening = plan.usesTls === true ? [HELLO, say('STARTTLS', 'starttls'), HELLO] : [HELLO];
  const transaction = transactionOf(plan);
  return [...opening, ...Array.from({ length: count }, () => transaction).flat(), QUIT];
}

function transactionOf(plan: LoadPlan): readonly Exchange[] {
  const { recipients = 1, refusedRecipients = 0, isPipelined = false, usesBdat = false } = plan;
  const message = makeMessage(plan.octets, plan.headerOctets);
  const envelope = [
    'MAIL FROM:<john.doe@example.com>',
    ...Array.from({ length: refusedRecipients }, (_, index) => `RCPT TO:<nobody-${index}@${REFUSED_DOMAIN}>`),
    ...Array.from({ length: recipients }, (_, index) => `RCPT TO:<jane.roe-${index}@${ACCEPTED_DOMAIN}>`),
  ];
  if (usesBdat) return [together(envelope, isPipelined), [bdat(message)]].flat();
  const content: Exchange = { octets: withEndOfData(message), replies: 1, kind: 'content' };
  return [...together([...envelope, 'DATA'], isPipelined), content];
}

/** One write for all, or one each. */
function together(lines: readonly string[], isPipelined: boolean): readonly Exchange[] {
  if (isPipelined) return [sayTogether(lines, 'envelope')];
  return lines.map((line, index) => say(line, index === 0 ? 'envelope' : undefined));
}

/** RFC 3030 section 2; its reply ends the message, so it is timed like content. */
function bdat(message: Buffer): Exchange {
  return {
    octets: Buffer.concat([Buffer.from(`BDAT ${message.length} LAST\r\n`), message]),
    replies: 1,
    kind: 'content',
  };
}

/** Shares the messages out: how many each connection sends, one after the other. */
export function connectionsOf({ messages, perConnection }: LoadPlan): number[] {
  const whole = Math.floor(messages / perConnection);
  const rest = messages % perConnection;
  return [...Array.from({ length: whole }, () => perConnection), ...(rest > 0 ? [rest] : [])];
}
