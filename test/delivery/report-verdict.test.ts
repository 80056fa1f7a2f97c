import { expect, test } from 'vitest';
import { verdictOf, type HopReply, type RecipientOutcome } from '../../bindings/plugin/index.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';

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
  expect(verdict).toMatchObject({ code: ReturnCode.DENYSOFT, replyCode: 451 });
  const late = verdictOf([outcome('deferred', { code: 554, status: '5.7.1', lines: ['go away'] })]);
  expect(late).toMatchObject({ code: ReturnCode.DENYSOFT, replyCode: 451, status: '7.1' });
});

test("421 of a hop ends its connection and not the client's, who would close his", () => {
  const verdict = verdictOf([outcome('deferred', { code: 421, status: '4.3.2', lines: ['closing'] })]);
  expect(verdict).toMatchObject({
    code: ReturnCode.DENYSOFT,
    lines: ['closing'],
    status: '3.2',
    replyCode: 451,
  });
});

test('a hop without words has none put into its mouth', () => {
  expect(verdictOf([outcome('delivered', { status: '2.0.0', lines: [] })])).toMatchObject({
    lines: [],
    status: '0.0',
  });
  expect(verdictOf([outcome('refused', { code: 550, lines: [] })])).toMatchObject({
    lines: [],
    replyCode: 550,
  });
});

test('without recipients nothing was delivered', () => {
  expect(verdictOf([])).toMatchObject({ code: ReturnCode.DENYSOFT, replyCode: 451 });
});
