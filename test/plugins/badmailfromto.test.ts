import { expect, test } from 'vitest';
import { testPlugin, printVerdict } from '../../host/testing/index.ts';
import badmailfromto, { badmailfromto as note } from '../../plugins/badmailfromto.ts';

const files = {
  badmailfromto: [
    'Stalker@X.example Victim@Good.example',
    '@x.example other@good.example',
    'nobody',
    'only@from.example',
  ],
};

async function offer(from: string, to: string, lists: Record<string, string[]> = files) {
  const asked = testPlugin(badmailfromto, { config: lists });
  asked.begin({ from });
  expect(printVerdict(await asked.ask('mail', from))).toBe('DECLINED');
  const answer = printVerdict(await asked.ask('rcpt', to));
  return { answer, entry: asked.session.transaction.notes.get(note), log: asked.log };
}

test.each([
  [
    '<stalker@x.example>',
    '<victim@good.example>',
    'DENY mail to victim@good.example not accepted here',
    'stalker@x.example',
  ],
  [
    '<STALKER@x.EXAMPLE>',
    '<VICTIM@good.example>',
    'DENY mail to victim@good.example not accepted here',
    'stalker@x.example',
  ],
  // Both the pair of the address and that of its host count.
  [
    '<stalker@x.example>',
    '<other@good.example>',
    'DENY mail to other@good.example not accepted here',
    'stalker@x.example',
  ],
  [
    '<friend@x.example>',
    '<other@good.example>',
    'DENY mail to other@good.example not accepted here',
    '@x.example',
  ],
  ['<friend@x.example>', '<victim@good.example>', 'DECLINED', '@x.example'],
  ['<stalker@y.example>', '<victim@good.example>', 'DECLINED', undefined],
  ['<>', '<victim@good.example>', 'DECLINED', undefined],
  ['<matt@>', '<victim@good.example>', 'DECLINED', undefined],
  ['<@example.com>', '<victim@good.example>', 'DECLINED', undefined],
])('badmailfromto: from %s to %s is answered with %s', async (from, to, answer, entry) => {
  const offered = await offer(from, to);
  expect(offered.answer).toBe(answer);
  expect(offered.entry).toBe(entry);
});

test('badmailfromto does nothing with an empty list, and warns of entries that match nothing', async () => {
  expect((await offer('<matt@test.com>', '<u@v.example>', {})).answer).toBe('DECLINED');
  const { log } = await offer('<matt@test.com>', '<u@v.example>');
  expect(log.filter((line) => line.includes('matches nothing')).length).toBeGreaterThanOrEqual(2);
});
