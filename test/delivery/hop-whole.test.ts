/** Envelope and content in one go, to hops with PIPELINING and CHUNKING. RFC 2920, RFC 3030. */

import { expect, test, vi } from 'vitest';
import { hopWith, outlet } from './hop-closers.ts';
import { LETTER, mailTo, shortFrom } from './mail-object.ts';
import { messageOf } from './transaction.ts';

const BOTH = { offers: ['PIPELINING', 'CHUNKING'] };
const toA = () => mailTo(['a@d.example']);
const BDAT = `BDAT ${LETTER.length} LAST`;

test('the content does not wait for the replies to the envelope', async () => {
  const hop = await hopWith({ ...BOTH, says: { MAIL: '[silence]' } });
  const out = outlet([hop], { timeouts: shortFrom('MAIL') });
  const [outcome] = await out.deliver(toA());
  expect(hop.lines.slice(1)).toEqual(['MAIL FROM:<s@c.example>', 'RCPT TO:<a@d.example>', BDAT]);
  expect(hop.contents).toEqual([LETTER]);
  // The reply to RCPT was taken for MAIL's, so one is missing, and nobody knows what the hop has made of the message.
  expect(outcome).toMatchObject({ kind: 'deferred', hop: 'hop.test' });
  expect(out.counters.uncertain).toBe(1);
});

test.each([
  ['several recipients who all have to get it', mailTo(['a@d.example', 'b@d.example'])],
  ['a long message', mailTo(['a@d.example'], { message: messageOf(`X: y\r\n\r\n${'z'.repeat(20_000)}`) })],
])('%s: the envelope goes alone', async (_, mail) => {
  const hop = await hopWith({ ...BOTH, says: { MAIL: '451 4.7.1 later' } });
  const [outcome] = await outlet([hop]).deliver(mail);
  expect(outcome).toMatchObject({ kind: 'deferred', reply: { status: '4.7.1' } });
  expect(hop.contents).toEqual(['']);
});

test.each(['MAIL', 'RCPT'])(
  '%s is refused: what the hop says to the content is of no interest',
  async (verb) => {
    const hop = await hopWith({ ...BOTH, says: { [verb]: '550 5.7.1 no' } });
    const out = outlet([hop], { connections: 1 });
    const [outcome] = await out.deliver(toA());
    expect(outcome).toMatchObject({ kind: 'refused', reply: { code: 550, status: '5.7.1' } });
    expect(out.counters.uncertain).toBe(0);
    hop.script = BOTH;
    expect((await out.deliver(toA()))[0]).toMatchObject({ kind: 'delivered' });
    expect(hop.talks).toHaveLength(1);
    expect(hop.lines.includes('RSET')).toBe(verb === 'RCPT');
  },
);

test('the chunk is refused: the words of the hop count, and the next message begins with a clean table', async () => {
  const hop = await hopWith({ ...BOTH, says: { END: '554 5.6.0 not this' } });
  const out = outlet([hop], { connections: 1 });
  expect((await out.deliver(toA()))[0]).toMatchObject({ kind: 'refused', reply: { status: '5.6.0' } });
  hop.script = BOTH;
  expect((await out.deliver(toA()))[0]).toMatchObject({ kind: 'delivered' });
  expect(hop.lines.slice(4, 6)).toEqual(['RSET', 'MAIL FROM:<s@c.example>']);
});

test('tracked by recipient: whoever is accepted gets it, in one go', async () => {
  const says = { RCPT: (path: string) => (path.includes('b@') ? '450 4.2.2 full' : '') };
  const hop = await hopWith({ ...BOTH, says });
  const mail = mailTo(['a@d.example', 'b@d.example'], { isTrackedByRecipient: true });
  const report = await outlet([hop]).deliver(mail);
  expect(report.map(({ kind }) => kind)).toEqual(['delivered', 'deferred']);
  expect(hop.lines.slice(1)).toEqual([
    'MAIL FROM:<s@c.example>',
    'RCPT TO:<a@d.example>',
    'RCPT TO:<b@d.example>',
    BDAT,
  ]);
});

test('a kept connection says 421 to MAIL: the hop has taken nothing, so the message is sent again', async () => {
  const hop = await hopWith(BOTH);
  const out = outlet([hop]);
  await out.deliver(toA());
  hop.script = { ...BOTH, says: { MAIL: (_, talk) => (talk === hop.talks[0] ? '421 too long idle' : '') } };
  expect((await out.deliver(toA()))[0]).toMatchObject({ kind: 'delivered' });
  expect(hop.talks).toHaveLength(2);
  expect(out.counters.uncertain).toBe(0);
});

test('a kept connection breaks behind the message without a word: it is not sent again, and put off', async () => {
  const hop = await hopWith(BOTH);
  const out = outlet([hop]);
  await out.deliver(toA());
  await out.deliver(toA());
  hop.script = { ...BOTH, says: { MAIL: '[close]' } };
  expect((await out.deliver(toA()))[0]).toMatchObject({ kind: 'deferred', hop: 'hop.test' });
  expect(hop.talks).toHaveLength(1);
  expect(out.counters.uncertain).toBe(1);
});

test('a connection that lay idle is asked first: if it is dead the message is sent over another one', async () => {
  const hop = await hopWith(BOTH);
  const out = outlet([hop]);
  await out.deliver(toA());
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => now() + 5_000);
  await new Promise((resolve) => setTimeout(resolve, 600));
  hop.script = { ...BOTH, says: { MAIL: (_, talk) => (talk === hop.talks[0] ? '[close]' : '') } };
  const [outcome] = await out.deliver(toA());
  vi.restoreAllMocks();
  expect(outcome).toMatchObject({ kind: 'delivered' });
  expect(hop.contents).toEqual([LETTER, LETTER]);
  expect(hop.talks[0]!.received.lines.at(-1)).toBe('RCPT TO:<a@d.example>');
  expect(out.counters.uncertain).toBe(0);
});
