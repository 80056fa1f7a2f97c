/** Stored messages on their way to a next hop. */

import { expect, test } from 'vitest';
import { hopWith, outlet } from '../hop-closers.ts';
import { givenSpool, parcelWith } from './given-spool.ts';

test('at the end of the server a short message that the hop has not asked for is called off', async () => {
  const says = { MAIL: '[silence]', RCPT: '[silence]' };
  const hop = await hopWith({ offers: ['PIPELINING', 'CHUNKING'], says });
  const { spool } = givenSpool({ outlet: outlet([hop]) });
  await spool.deliver(parcelWith({ to: ['a@x.example'] }));
  const work = spool.work();
  await expect.poll(() => hop.lines.at(-1)).toBe('RCPT TO:<a@x.example>');
  // Ten minutes, if it were waited for.
  await spool.close(600_000);
  await work;
  expect(hop.contents).toEqual(['']);
});
