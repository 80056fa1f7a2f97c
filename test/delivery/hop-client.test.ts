import { expect, test } from 'vitest';
import { hopWith, outlet } from './hop-closers.ts';
import { messageOf } from './transaction.ts';
import { LETTER, mailTo } from './mail-object.ts';

test.each([
  ['DATA', []],
  ['DATA, pipelined', ['PIPELINING']],
  ['BDAT', ['CHUNKING']],
  ['BDAT, pipelined', ['PIPELINING', 'CHUNKING']],
])('a message goes out by %s', async (_, offers) => {
  const hop = await hopWith({ offers });
  const report = await outlet([hop]).deliver(mailTo(['a@d.example', 'b@d.example']));
  expect(report.map(({ kind }) => kind)).toEqual(['delivered', 'delivered']);
  expect(report[0]).toMatchObject({
    hop: 'hop.test',
    reply: { code: 250, status: '2.0.0', lines: ['queued as 4711'] },
  });
  expect(hop.contents).toEqual([LETTER]);
  expect(hop.lines.slice(0, 4)).toEqual([
    'EHLO mx.test',
    'MAIL FROM:<s@c.example>',
    'RCPT TO:<a@d.example>',
    'RCPT TO:<b@d.example>',
  ]);
});

test('a hop from before ESMTP is said HELO', async () => {
  const hop = await hopWith({ says: { EHLO: '502 what?' } });
  const [outcome] = await outlet([hop]).deliver(mailTo(['a@d.example']));
  expect(outcome?.kind).toBe('delivered');
  expect(hop.lines[1]).toBe('HELO mx.test');
});

test('the next message goes over the same connection, and no RSET stands between', async () => {
  const hop = await hopWith({ offers: ['PIPELINING'] });
  const out = outlet([hop]);
  await out.deliver(mailTo(['a@d.example']));
  await out.deliver(mailTo(['b@d.example']));
  expect(hop.talks).toHaveLength(1);
  expect(hop.lines).not.toContain('RSET');
  expect(out.counters).toMatchObject({ connections: 1, reuses: 1, deliveries: 2 });
});

test('a kept connection that is dead is replaced without anybody noticing', async () => {
  const hop = await hopWith();
  const out = outlet([hop]);
  await out.deliver(mailTo(['a@d.example']));
  hop.script = { says: { MAIL: (_, talk) => (talk === hop.talks[0] ? '421 too long idle' : '') } };
  const [outcome] = await out.deliver(mailTo(['b@d.example']));
  expect(outcome?.kind).toBe('delivered');
  expect(hop.talks).toHaveLength(2);
});

test('one recipient is refused: nobody gets the message, and all hear why', async () => {
  const says = { RCPT: (path: string) => (path.includes('b@') ? '550 5.1.1 no such user' : '') };
  const hop = await hopWith({ says, offers: ['PIPELINING'] });
  const report = await outlet([hop]).deliver(mailTo(['a@d.example', 'b@d.example']));
  expect(report.map(({ kind, reply }) => [kind, reply.status])).toEqual([
    ['refused', '5.1.1'],
    ['refused', '5.1.1'],
  ]);
  expect(hop.contents).toEqual(['']);
  expect(hop.lines).not.toContain('DATA');
});

test('tracked by recipient: whoever is accepted gets it', async () => {
  const says = { RCPT: (path: string) => (path.includes('b@') ? '450 4.2.2 full' : '') };
  const hop = await hopWith({ says, offers: ['PIPELINING'] });
  const mail = mailTo(['a@d.example', 'b@d.example'], { isTrackedByRecipient: true });
  const report = await outlet([hop]).deliver(mail);
  expect(report.map(({ kind }) => kind)).toEqual(['delivered', 'deferred']);
  expect(hop.contents).toEqual([LETTER]);
});

test('354 although nobody was accepted: the message sent then is empty, and nobody has got it', async () => {
  const hop = await hopWith({
    offers: ['PIPELINING'],
    says: { RCPT: '550 5.1.1 no', DATA: '354 go ahead', END: '250 fine' },
  });
  const out = outlet([hop]);
  const [outcome] = await out.deliver(mailTo(['a@d.example']));
  expect(outcome).toMatchObject({ kind: 'refused', reply: { status: '5.1.1' } });
  expect(hop.contents).toEqual(['']);
});

test('354 although nobody was accepted, by LMTP: there is no answer to wait for', async () => {
  const hop = await hopWith({
    isLmtp: true,
    offers: ['PIPELINING'],
    says: { RCPT: '550 5.1.1 no', DATA: '354 go ahead' },
  });
  const out = outlet([hop], { protocol: 'lmtp' });
  expect((await out.deliver(mailTo(['a@d.example'])))[0]).toMatchObject({ kind: 'refused' });
  expect(out.connections).toBe(0);
});

test('LMTP has an answer for each recipient behind the content', async () => {
  const hop = await hopWith({
    isLmtp: true,
    offers: ['PIPELINING'],
    says: { EHLO: '500 no', END: (path) => (path.includes('b@') ? '552 5.2.2 over quota' : '') },
  });
  const report = await outlet([hop], { protocol: 'lmtp' }).deliver(mailTo(['a@d.example', 'b@d.example']));
  expect(report.map(({ kind, reply }) => [kind, reply.code])).toEqual([
    ['delivered', 250],
    ['refused', 552],
  ]);
});

test.each([
  ['a message of one piece', 30],
  ['a message of several blocks', 30_000],
])('%s with dots everywhere arrives as it is', async (_, times) => {
  const text = `Subject: x\r\n\r\n${'.\r\n..\r\nabc\r\n'.repeat(times)}no end`;
  for (const offers of [['PIPELINING'], ['PIPELINING', 'CHUNKING']]) {
    const hop = await hopWith({ offers });
    const [outcome] = await outlet([hop]).deliver(mailTo(['a@d.example'], { message: messageOf(text) }));
    expect(outcome?.kind).toBe('delivered');
    expect(hop.contents[0]!.replace(/\r\n$/, '') === text).toBe(true);
  }
});
