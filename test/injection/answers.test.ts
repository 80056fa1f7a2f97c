/** The status of HTTP follows from the reply of SMTP. */

import { expect, test } from 'vitest';
import { answerOf, kumoAnswerOf } from '../../host/injection/answers.ts';
import type { InjectionOutcome, Stage } from '../../host/injection/injection.ts';
import { answerTo } from '../../host/injection/requests.ts';
import type { SmtpReply } from '../../host/injection/smtp-dialogue.ts';

const reply = (code: number, ...lines: string[]): SmtpReply => ({ code, status: undefined, lines });

const refused = (code: number, stage: Stage): InjectionOutcome => ({
  accepted: [],
  rejected: [{ to: 'b', reply: reply(code, 'no', 'way'), stage }],
  reply: reply(code, 'no', 'way'),
  stage,
  isUnread: false,
});

test.each([
  [421, 'connect', 503, 'deferred'],
  [450, 'rcpt', 503, 'deferred'],
  [452, 'end-of-data', 503, 'deferred'],
  [500, 'ehlo', 422, 'refused'],
  [530, 'mail', 401, 'authentication-required'],
  [535, 'mail', 401, 'authentication-required'],
  [550, 'rcpt', 422, 'refused'],
  [552, 'mail', 413, 'too-large'],
  [552, 'end-of-data', 413, 'too-large'],
  [552, 'rcpt', 422, 'refused'],
  [554, 'end-of-data', 422, 'refused'],
] as const)('%i at %s is %i, %s', (code, stage, status, kind) => {
  const answer = answerOf(refused(code, stage));
  expect(answer.status).toBe(status);
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.headers['retry-after']).toBe(status === 503 ? '60' : undefined);
  expect(answer.headers['www-authenticate']).toBe(status === 401 ? 'Bearer' : undefined);
  expect(answer.body).toMatchObject({
    type: `urn:qpsmtpd:problem:${kind}`,
    status,
    detail: `${code} no way`,
    reply: { code, text: 'no\nway' },
    stage,
    rejected: [{ to: 'b', stage }],
  });
});

test('one recipient is enough; the others stand beside it', () => {
  const rejected = [
    { to: 'c', reply: { code: 550, status: '5.1.1', lines: ['no'] }, stage: 'rcpt' as const },
  ];
  const outcome = {
    accepted: ['b'],
    rejected,
    reply: reply(250, 'Queued'),
    stage: 'end-of-data' as const,
    isUnread: false,
  };
  expect(answerOf(outcome)).toMatchObject({
    status: 202,
    body: {
      reply: { code: 250, text: 'Queued' },
      stage: 'end-of-data',
      accepted: ['b'],
      rejected: [{ to: 'c', reply: { code: 550, status: '5.1.1', text: 'no' }, stage: 'rcpt' }],
    },
  });
  expect(kumoAnswerOf(['b', 'c', 'b'])(outcome)).toMatchObject({
    status: 200,
    body: { success_count: 2, fail_count: 1, failed_recipients: ['c'], errors: ['c: 550 no'] },
  });
});

test('in the form of KumoMTA a message that nobody gets has its counts beside the problem', () => {
  expect(kumoAnswerOf(['b'])(refused(450, 'rcpt'))).toMatchObject({
    status: 503,
    body: {
      status: 503,
      success_count: 0,
      fail_count: 1,
      failed_recipients: ['b'],
      errors: ['b: 450 no way'],
    },
  });
});

test('a client that is still sending is told that the connection ends', () => {
  expect(answerOf({ ...refused(550, 'rcpt'), isUnread: true }).headers['connection']).toBe('close');
});

test('a fault of ours defers, and says nothing of the program', () => {
  const logged: string[] = [];
  const answer = answerTo({ log: (_level, text) => void logged.push(text) }, new Error('no such table'));
  expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '60' } });
  expect(JSON.stringify(answer.body)).not.toContain('table');
  expect(logged.join()).toContain('no such table');
});
