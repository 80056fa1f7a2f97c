/** What became of a message, as an answer of HTTP: the status follows from the reply of SMTP. */

import type { InjectionOutcome, Judgement, Stage } from './injection.ts';
import { problemAnswer, type Answer, type ProblemKind } from './problems.ts';
import type { SmtpReply } from './smtp-dialogue.ts';

/** How an outcome becomes an answer; each form has its own. */
export type AnswerOf = (outcome: InjectionOutcome) => Answer;

/** The problem that a reply stands for; undefined: the message was accepted. */
export function problemIn({ code }: SmtpReply, stage: Stage): ProblemKind | undefined {
  if (code < 400) return undefined;
  if (code < 500) return 'deferred';
  // At RCPT it is the mailbox of one recipient that is full.
  if (code === 552 && stage !== 'rcpt') return 'too-large';
  return code === 530 || code === 535 ? 'authentication-required' : 'refused';
}

export interface ReplyMember {
  readonly code: number;
  readonly status?: string;
  readonly text: string;
}

export const replyMember = ({ code, status, lines }: SmtpReply): ReplyMember => ({
  code,
  ...(status === undefined ? {} : { status }),
  text: lines.join('\n'),
});

const rejectedMember = ({ to, reply, stage }: Judgement): Readonly<Record<string, unknown>> => ({
  to,
  reply: replyMember(reply),
  stage,
});

/** Of a message that nobody gets; `members` extend the problem. */
export function refusalAnswer(outcome: InjectionOutcome, members: Readonly<Record<string, unknown>>): Answer {
  const { reply, stage, isUnread } = outcome;
  const headers = {
    // A client that is still sending has to stop.
    ...(isUnread ? { connection: 'close' } : {}),
    ...(reply.code === 530 || reply.code === 535 ? { 'www-authenticate': 'Bearer' } : {}),
  };
  const told = { reply: replyMember(reply), stage, ...members };
  return problemAnswer(problemIn(reply, stage)!, `${reply.code} ${reply.lines.join(' ')}`, told, headers);
}

/** 202 as soon as one recipient gets it; `rejected` has the others. */
export const answerOf: AnswerOf = (outcome) => {
  const { accepted, reply, stage } = outcome;
  const rejected = outcome.rejected.map(rejectedMember);
  if (accepted.length === 0) return refusalAnswer(outcome, { accepted: [], rejected });
  return {
    status: 202,
    headers: { 'content-type': 'application/json' },
    body: { reply: replyMember(reply), stage, accepted, rejected },
  };
};

/**
 * KumoMTA's form: counts, not envelopes. It answers 200 whatever became of the message; here a message that nobody gets is a problem
 * with the same members, so that a client that looks at nothing but the status does not take it for sent.
 */
export const kumoAnswerOf =
  (recipients: readonly string[]): AnswerOf =>
  (outcome) => {
    const rejected = new Map(outcome.rejected.map((judgement) => [judgement.to, judgement]));
    const failed = recipients.filter((to) => rejected.has(to));
    const body = {
      success_count: recipients.length - failed.length,
      fail_count: failed.length,
      failed_recipients: failed,
      errors: failed.map((to) => {
        const { code, lines } = rejected.get(to)!.reply;
        return `${to}: ${code} ${lines.join(' ')}`;
      }),
    };
    if (body.success_count === 0) return refusalAnswer(outcome, body);
    return { status: 200, headers: { 'content-type': 'application/json' }, body };
  };
