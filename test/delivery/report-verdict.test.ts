import { expect, test } from 'vitest';
import { ReturnCode, verdictOf, type HopReply, type RecipientOutcome } from '../../bindings/plugin/index.ts';

const outcome = (kind: RecipientOutcome['kind'], reply: Partial<HopReply> = {}): RecipientOutcome => ({
  kind,
  reply: { code: 250, status: undefined, lines: ['fine'], ...reply },
  hop: 'hop.test',
});
const delivered = outcome('delivered', { status: '2.0.0', lines: ['queued as 4711'] });
const deferred = outcome('deferred', { code: 450, status: '4.2.2', lines: ['mailbox full'] });
const refused = outcome('refused', { code: 550, status: '5.1.1', lines: ['no such user'] });

test('everybody has it: OK in the words of the hop', () => {
  expect(verdictOf([delivered, delivered])).toMatchObject({
    code: ReturnCode.OK,
    lines: ['queued as 4711'],
    status: '0.0',
  });
});

test.each([
  ['refused', [delivered, refused], ReturnCode.DENY, 550, '1.1'],
  ['deferred', [refused, deferred, delivered], ReturnCode.DENYSOFT, 450, '2.2'],
])('a recipient is left out: %s, with code and status of the hop', (_, report, code, replyCode, status) => {
  expect(verdictOf(report)).toMatchObject({ code, replyCode, status });
});

test('a reply whose code does not fit what became of the recipient lends its words alone', () => {
  const verdict = verdictOf([outcome('deferred', { code: 354, lines: ['go ahead'] })]);
  expect(verdict.code).toBe(ReturnCode.DENYSOFT);
  expect(verdict.replyCode).toBeUndefined();
});

test("421 of a hop ends its connection and not the client's, who would close his", () => {
  const verdict = verdictOf([outcome('deferred', { code: 421, status: '4.3.2', lines: ['closing'] })]);
  expect(verdict).toMatchObject({ code: ReturnCode.DENYSOFT, lines: ['closing'], status: '3.2' });
  expect(verdict.replyCode).toBeUndefined();
});

test('without recipients nothing was delivered', () => {
  expect(verdictOf([]).code).toBe(ReturnCode.DENYSOFT);
});
