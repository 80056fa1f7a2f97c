/** Stored messages on their way to a next hop. */

import { expect, test } from 'vitest';
import { hopWith, outlet } from '../hop-closers.ts';
import { givenSpool, mailWith } from './given-spool.ts';

test('at the end of the server a short message that the hop has not asked for is called off', async () => {
  const says = { MAIL: '[silence]', RCPT: '[silence]' };
  const hop = await hopWith({ offers: ['PIPELINING', 'CHUNKING'], says });
  const { spool } = givenSpool({ outlet: outlet([hop]) });
  await spool.deliver(mailWith({ to: ['a@x.example'] }));
  const work = spool.work();
  await expect.poll(() => hop.lines.at(-1)).toBe('RCPT TO:<a@x.example>');
  // Ten minutes, if it were waited for.
  await spool.close(600_000);
  await work;
  expect(hop.contents).toEqual(['']);
});

test('more recipients than the hop takes in one transaction: one attempt is enough for all', async () => {
  const RCPT = (_: string, { accepted }: { accepted: string[] }): string =>
    accepted.length < 2 ? '' : '552 5.5.3 too many recipients';
  const hop = await hopWith({ offers: ['PIPELINING', 'CHUNKING'], says: { RCPT } });
  const { spool, log } = givenSpool({ outlet: outlet([hop]) });
  const recipients = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@x.example`);
  await spool.deliver(mailWith({ to: recipients }));
  await spool.work();
  expect(hop.lines.filter((line) => line.startsWith('MAIL'))).toHaveLength(3);
  expect(log.join('\n')).not.toMatch(/deferred|refused/);
  expect(log.filter((line) => line.includes('delivered:'))).not.toEqual([]);
});
