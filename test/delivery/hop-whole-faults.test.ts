/** Hops that go wrong while envelope and content are on their way in one go. */

import { expect, test } from 'vitest';
import { hopWith, outlet } from './hop-closers.ts';
import { LETTER, mailTo } from './mail-object.ts';
import { messageOf } from './transaction.ts';
import type { Script } from './scripted-hop.ts';

const BOTH = { offers: ['PIPELINING', 'CHUNKING'] };
const toA = () => mailTo(['a@d.example']);

test.each(['MAIL', 'RCPT', 'END'])(
  '354 to %s: the connection is of no more use, and nobody waits for it',
  async (verb) => {
    const hop = await hopWith({ ...BOTH, says: { [verb]: '354 go ahead', RSET: '[silence]' } });
    const out = outlet([hop], { connections: 1 });
    const [outcome] = await out.deliver(toA());
    expect(outcome).toMatchObject({ kind: 'deferred', reply: { status: '4.5.0' } });
    expect(out.counters.uncertain).toBe(1);
    expect(out.connections).toBe(0);
  },
);

test('the hop closes behind each message: those that wait go over others, and none is in doubt', async () => {
  const says: Script['says'] = {
    END: (_, { socket }) => {
      socket.end('250 queued\r\n');
      return '[silence]';
    },
  };
  const hop = await hopWith({ ...BOTH, says });
  const out = outlet([hop], { connections: 1 });
  const reports = await Promise.all(Array.from({ length: 6 }, () => out.deliver(toA())));
  expect(reports.map(([outcome]) => outcome!.kind)).toEqual(Array.from({ length: 6 }, () => 'delivered'));
  expect(out.counters.uncertain).toBe(0);
});

test('a hop that drops messages over kept connections is asked first once it has dropped one', async () => {
  const says: Script['says'] = {
    MAIL: (_, { received }) => (received.content.length >= 2 * LETTER.length ? '[close]' : ''),
  };
  const hop = await hopWith({ ...BOTH, says });
  const out = outlet([hop]);
  const kinds: string[] = [];
  for (let count = 0; count < 9; count++) kinds.push((await out.deliver(toA()))[0]!.kind);
  expect(kinds.filter((kind) => kind !== 'delivered')).toEqual(['deferred']);
  expect(out.counters.uncertain).toBe(1);
});

test('a reply too many from the message before is not taken for one to the next', async () => {
  const hop = await hopWith(BOTH);
  const out = outlet([hop], { connections: 1 });
  await out.deliver(toA());
  hop.script = { ...BOTH, says: { END: '554 5.6.0 not this' } };
  const [outcome] = await new Promise<Awaited<ReturnType<typeof out.deliver>>>((resolve) => {
    // From a timer: the process looks for what has come before it sends what is to go.
    setTimeout(() => {
      hop.talks[0]!.socket.write('250 once more\r\n');
      void out.deliver(toA()).then(resolve);
    }, 20);
  });
  expect(outcome).toMatchObject({ kind: 'refused', reply: { status: '5.6.0' } });
  expect(hop.talks).toHaveLength(2);
  expect(out.counters.uncertain).toBe(0);
});

test('replies in front of garbage count', async () => {
  const hop = await hopWith({ ...BOTH, says: { END: '250 2.0.0 queued\nHTTP/1.1 400 Bad Request' } });
  const out = outlet([hop]);
  expect((await out.deliver(toA()))[0]).toMatchObject({ kind: 'delivered' });
  expect(out.connections).toBe(0);
});

test('a hop that reads a chunk it does not want as commands is given none to read', async () => {
  const smuggled = 'RCPT TO:<victim@d.example>\r\nDATA\r\nSubject: y\r\n\r\nz\r\n.\r\n';
  const says: Script['says'] = { RCPT: (path) => (path.includes('a@') ? '550 5.1.1 nobody' : '') };
  for (const line of [smuggled, ` \t${smuggled.replace('RCPT', 'rcpt')}`]) {
    const hop = await hopWith({ ...BOTH, says, isForgetful: true });
    const content = `Subject: x\r\n\r\n${line}`;
    for (const cut of [0, content.indexOf('CPT'), content.indexOf('cpt')]) {
      const message = messageOf('');
      message.content.append(Buffer.from(content.slice(0, Math.max(cut, 0))));
      message.content.append(Buffer.from(content.slice(Math.max(cut, 0))));
      const [outcome] = await outlet([hop]).deliver(mailTo(['a@d.example'], { message }));
      expect(outcome).toMatchObject({ kind: 'refused', reply: { status: '5.1.1' } });
    }
    expect(hop.talks.flatMap(({ accepted }) => accepted)).toEqual([]);
    expect(hop.contents.join('')).toBe('');
  }
});

test('the outlet is closed while a message goes out: no connection of its is kept, not even a second one', async () => {
  const hop = await hopWith(BOTH);
  const out = outlet([hop]);
  await out.deliver(toA());
  hop.script = { ...BOTH, says: { MAIL: (_, talk) => (talk === hop.talks[0] ? '421 too long idle' : '') } };
  const report = out.deliver(toA());
  out.close();
  expect((await report)[0]).toMatchObject({ kind: 'delivered' });
  expect(hop.talks).toHaveLength(2);
  expect(out.connections).toBe(0);
});

test('time that was up while the content was on its way is up for a second connection', async () => {
  const hop = await hopWith(BOTH);
  const out = outlet([hop], { withinMs: 400 });
  await out.deliver(toA());
  await out.deliver(toA());
  hop.script = {
    ...BOTH,
    says: {
      MAIL: (_, { socket }) => {
        setTimeout(() => socket.write('421 at last\r\n'), 1_200);
        return '[silence]';
      },
      RCPT: '[silence]',
      END: '[silence]',
    },
  };
  const [outcome] = await out.deliver(toA());
  expect(outcome).toMatchObject({ kind: 'deferred' });
  expect(hop.talks).toHaveLength(1);
  expect(out.counters.uncertain).toBe(0);
});
