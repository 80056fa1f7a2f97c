/** What hops do wrong, and what becomes of the mail object. */

import { expect, test } from 'vitest';
import type { Message } from '../../bindings/plugin/message.ts';
import { hopWith, outlet } from './hop-closers.ts';
import { mailTo, shortFrom } from './mail-object.ts';
import { messageOf } from './transaction.ts';
import type { Script } from './scripted-hop.ts';

const STAGES = ['GREETING', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'END'] as const;
const PIPELINES = [[], ['PIPELINING'], ['PIPELINING', 'CHUNKING']] as const;
const cases = STAGES.flatMap((stage) =>
  PIPELINES.map((offers) => [stage, offers.join(' ') || 'no extension', offers] as const),
).filter(([stage, , offers]) => stage !== 'DATA' || !(offers as readonly string[]).includes('CHUNKING'));

const deliver = async (script: Script, options = {}) => {
  const hop = await hopWith(script);
  const [silent = ''] = Object.entries(script.says ?? {}).find(([, say]) => say === '[silence]') ?? [];
  const out = outlet([hop], { timeouts: shortFrom(silent), ...options });
  const report = await out.deliver(mailTo(['a@d.example', 'b@d.example']));
  return { hop, out, report, kinds: report.map(({ kind }) => kind) };
};

test.each(cases)('%s is answered 4yz, %s: deferred in the words of the hop', async (stage, _, offers) => {
  const says = { [stage]: '451 4.7.1 come back', ...(stage === 'EHLO' && { HELO: '451 4.7.1 come back' }) };
  const { report, kinds } = await deliver({ says, offers });
  expect(kinds).toEqual(['deferred', 'deferred']);
  expect(report[0]!.reply).toEqual({ code: 451, status: '4.7.1', lines: ['come back'] });
});

test.each(cases)(
  '%s is answered 5yz, %s: refused once the hop knows the mail object',
  async (stage, _, offers) => {
    const says = { [stage]: '554 5.7.1 no', ...(stage === 'EHLO' && { HELO: '554 5.7.1 no' }) };
    const { report, kinds } = await deliver({ says, offers });
    const kind = stage === 'GREETING' || stage === 'EHLO' ? 'deferred' : 'refused';
    expect(kinds).toEqual([kind, kind]);
    expect(report[0]!.reply).toEqual({ code: 554, status: '5.7.1', lines: ['no'] });
  },
);

test.each(cases)('the connection is closed at %s, %s: deferred', async (stage, _, offers) => {
  const { report, kinds, out } = await deliver({ says: { [stage]: '[close]' }, offers });
  expect(kinds).toEqual(['deferred', 'deferred']);
  expect(report[0]!.reply).toMatchObject({ code: 451, status: '4.4.2' });
  expect(out.counters.uncertain).toBe(stage === 'END' ? 1 : 0);
  expect(out.connections).toBe(0);
});

test.each(cases)(
  'nothing comes at %s, %s: deferred, and the connection is closed',
  async (stage, _, offers) => {
    const { report, kinds, out } = await deliver({ says: { [stage]: '[silence]' }, offers });
    expect(kinds).toEqual(['deferred', 'deferred']);
    expect(report[0]!.reply).toMatchObject({ code: 451, status: '4.4.2' });
    expect(report[0]!.reply.lines[0]).toContain('in time');
    expect(out.counters.uncertain).toBe(stage === 'END' ? 1 : 0);
    expect(out.connections).toBe(0);
  },
);

test.each(cases)('421 at %s, %s: deferred, and nothing more is said', async (stage, _, offers) => {
  const { hop, kinds, out } = await deliver({ says: { [stage]: '421 4.3.2 going down' }, offers });
  expect(kinds).toEqual(['deferred', 'deferred']);
  expect(out.connections).toBe(0);
  expect(hop.lines).not.toContain('RSET');
});

test.each(cases.filter(([stage]) => stage !== 'GREETING'))(
  'garbage at %s, %s: deferred with a reason',
  async (stage, _, offers) => {
    const { report, kinds, out } = await deliver({ says: { [stage]: 'HTTP/1.1 400 Bad Request' }, offers });
    expect(kinds).toEqual(['deferred', 'deferred']);
    expect(report[0]!.reply).toMatchObject({ status: '4.5.0' });
    expect(out.connections).toBe(0);
  },
);

test.each([
  ['a line without end', 'x'.repeat(5_000), 'line too long'],
  ['a line of the right form that is too long', `220 ${'x'.repeat(5_000)}`, 'line too long'],
  ['a reply without end', Array.from({ length: 200 }, () => '220-more').join('\n'), 'too many lines'],
  ['a code that does not exist', '720 hop', 'not a reply'],
  ['more than one greeting', '220 one\n220 two', 'nobody asked for'],
])('%s does not fill the memory', async (_, greeting, reason) => {
  const { report } = await deliver({ says: { GREETING: greeting } });
  expect(report[0]).toMatchObject({ kind: 'deferred', reply: { status: '4.5.0' } });
  expect(report[0]!.reply.lines[0]).toContain(reason);
});

test('nobody listens: deferred, with the reason', async () => {
  const hop = await hopWith();
  await hop.close();
  const out = outlet([]);
  expect((await out.deliver(mailTo(['a@d.example'])))[0]).toMatchObject({
    kind: 'deferred',
    hop: undefined,
  });
});

test('closed in the middle of the content: deferred, and certainly not delivered', async () => {
  const hop = await hopWith({ offers: ['PIPELINING'] });
  hop.script = {
    ...hop.script,
    says: {
      DATA: (_, talk) => {
        talk.socket.once('data', () => talk.socket.destroy());
        return '354 go ahead';
      },
    },
  };
  const out = outlet([hop]);
  const message = messageOf(`Subject: x\r\n\r\n${'0123456789'.repeat(2_000_000)}\r\n`);
  const [outcome] = await out.deliver(mailTo(['a@d.example'], { message }));
  expect(outcome).toMatchObject({ kind: 'deferred', reply: { status: '4.4.2' } });
  expect(out.counters.uncertain).toBe(0);
});

test.each([
  ['552 5.3.4 too much', 'refused', false],
  ['552 5.3.4 too much, and goodbye', 'refused', true],
  ['250 got it', 'deferred', false],
])('a reply inside the content, %s: %s', async (text, kind, closes) => {
  const says: NonNullable<Script['says']> = {
    DATA: (_, { socket }) => {
      socket.once('data', () => (closes ? socket.end(`${text}\r\n`) : socket.write(`${text}\r\n`)));
      return '354 go ahead';
    },
  };
  const hop = await hopWith({ says });
  const message = messageOf(`Subject: x\r\n\r\n${'0123456789'.repeat(2_000_000)}\r\n`);
  const [outcome] = await outlet([hop]).deliver(mailTo(['a@d.example'], { message }));
  expect(outcome!.kind).toBe(kind);
});

test.each(['250 2.0.0 queued', '451 4.3.0 no'])(
  'a reply in front of the end of the content, %s: the message is not ended',
  async (text) => {
    const says: NonNullable<Script['says']> = {
      DATA: (_, { socket }) => {
        setTimeout(() => socket.write(`${text}\r\n`), 20);
        return '354 go ahead';
      },
    };
    const hop = await hopWith({ says });
    async function* blocks(): AsyncIterable<Buffer> {
      yield Buffer.from('Subject: x\r\n\r\n');
      await new Promise((resolve) => setTimeout(resolve, 100));
      yield Buffer.from('body\r\n');
    }
    const { header, octets, hasEightBit, hasNul, longestLine } = messageOf('Subject: x\r\n\r\nbody\r\n');
    const message: Message = { header, octets, hasEightBit, hasNul, longestLine, blocks, body: blocks };
    const [outcome] = await outlet([hop]).deliver(mailTo(['a@d.example'], { message }));
    expect(outcome!.kind).toBe('deferred');
    expect(hop.contents).toEqual(['']);
  },
);

test('a 250 that comes after we gave up changes nothing', async () => {
  const says = { END: '[silence]' };
  const { hop, kinds, out } = await deliver({ says });
  hop.talks[0]!.socket.write('250 late\r\n');
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(kinds).toEqual(['deferred', 'deferred']);
  expect(out.counters).toMatchObject({ uncertain: 1, deliveries: 0 });
});

test('aborted: deferred at once, and the connection is gone', async () => {
  const hop = await hopWith({ says: { MAIL: '[silence]' } });
  const out = outlet([hop]);
  const controller = new AbortController();
  const report = out.deliver(mailTo(['a@d.example']), controller.signal);
  setTimeout(() => controller.abort(), 50);
  expect(await report).toMatchObject([{ kind: 'deferred', reply: { status: '4.3.2' } }]);
  expect(out.connections).toBe(0);
  expect(await out.deliver(mailTo(['a@d.example']), AbortSignal.abort())).toMatchObject([
    { kind: 'deferred' },
  ]);
});

test('the time for all is up', async () => {
  const hop = await hopWith({ says: { MAIL: '[silence]' } });
  const [outcome] = await outlet([hop], { withinMs: 400 }).deliver(mailTo(['a@d.example']));
  expect(outcome).toMatchObject({ kind: 'deferred', reply: { status: '4.4.7' } });
});
