/** Hops that leave out replies, or give too many: what they said of one recipient is not taken for another. RFC 2920. */

import { describe, expect, test } from 'vitest';
import { hopWith, outlet } from './hop-closers.ts';
import { mailTo, SHORT } from './mail-object.ts';
import type { Script } from './scripted-hop.ts';

const TRACKED = { isTrackedByRecipient: true };
const IMPATIENT = { timeouts: SHORT };
const THREE = ['r0@d.example', 'r1@d.example', 'r2@d.example'];
const OFFERS = [['PIPELINING'], ['PIPELINING', 'CHUNKING']] as const;
const refusing =
  (who: string) =>
  (path: string): string =>
    path.includes(who) ? '550 5.1.1 nobody' : '';

describe.each(OFFERS.map((offers) => ({ offers })))('a hop that offers $offers', ({ offers }) => {
  test.each<[string, NonNullable<Script['says']>]>([
    ['MAIL', { MAIL: '[silence]', RCPT: refusing('r1@') }],
    ['MAIL, and refuses everybody', { MAIL: '[silence]', RCPT: '550 5.1.1 nobody', END: '503 5.5.1 no' }],
    ['one RCPT', { RCPT: (path) => (path.includes('r0@') ? '[silence]' : refusing('r1@')(path)) }],
  ])('never answers %s: nobody is refused for good', async (_, says) => {
    for (const parts of [TRACKED, {}]) {
      const hop = await hopWith({ offers, says });
      const report = await outlet([hop], IMPATIENT).deliver(mailTo(THREE, parts));
      expect(report.map(({ kind }) => kind)).toEqual(['deferred', 'deferred', 'deferred']);
    }
  });

  /** All replies in one write, so that none of them can be late. */
  const atOnce = (last: string, replies: string): NonNullable<Script['says']> => ({
    MAIL: '[silence]',
    RCPT: (path) => (path.includes(last) ? replies : '[silence]'),
    DATA: (_, talk) => (talk.accepted.length === 0 && last === 'DATA' ? replies : '[silence]'),
    END: last === 'END' ? replies : '[silence]',
  });
  const TWICE = '250 2.0.0 once\n250 2.0.0 twice\n';

  test('gives a reply too many in front: nobody is refused for good', async () => {
    const isWhole = offers.length > 1;
    const hop = await hopWith({ offers, says: atOnce('r2@', `${TWICE}550 a\n550 b\n550 c`) });
    const out = outlet([hop], IMPATIENT);
    const [first] = await out.deliver(mailTo(THREE));
    expect(first!.kind).toBe('deferred');
    // What belongs to the end of the group has its reply too early here.
    const end = isWhole ? 'END' : 'DATA';
    const other = await hopWith({ offers, says: atOnce(end, `${TWICE}550 a\n503 b`) });
    const [outcome] = await outlet([other], IMPATIENT).deliver(mailTo(THREE.slice(0, 1)));
    expect(outcome!.kind).toBe('deferred');
    expect(out.connections).toBe(0);
  });

  test('gives a reply too many in front: nobody has the message who was refused', async () => {
    if (offers.length < 2) return;
    const hop = await hopWith({ offers, says: atOnce('END', `${TWICE}550 a\n250 b\n250 c`) });
    const out = outlet([hop], IMPATIENT);
    const report = await out.deliver(mailTo(THREE.slice(0, 2), TRACKED));
    expect(report.map(({ kind }) => kind)).toEqual(['deferred', 'deferred']);
    expect(out.counters.uncertain).toBe(1);
  });

  test('closes in the middle: it is asked step by step the next time, and believed then', async () => {
    const says: Script['says'] = {
      RCPT: (path, { socket }) => {
        if (!path.includes('r1@')) return '';
        socket.end('550 5.7.1 dropped\r\n');
        return '[silence]';
      },
    };
    const hop = await hopWith({ offers, says });
    const out = outlet([hop]);
    const first = await out.deliver(mailTo(THREE, TRACKED));
    expect(first.map(({ kind }) => kind)).toEqual(['deferred', 'deferred', 'deferred']);
    expect(out.log.join('\n')).toContain('not taken for final');
    const second = await out.deliver(mailTo(THREE, TRACKED));
    expect(second.map(({ kind }) => kind)).toEqual(['deferred', 'refused', 'deferred']);
    expect(second[1]!.reply.status).toBe('5.7.1');
    const said = hop.talks[1]!.received.lines;
    expect(said.slice(0, 4)).toEqual([
      'EHLO mx.test',
      expect.stringContaining('MAIL'),
      'RCPT TO:<r0@d.example>',
      'RCPT TO:<r1@d.example>',
    ]);
    // One more command may be on its way before the close is seen.
    expect([[], ['RCPT TO:<r2@d.example>']]).toContainEqual(said.slice(4));
  });

  test('answers everything: refusals count', async () => {
    const hop = await hopWith({ offers, says: { RCPT: refusing('r1@') } });
    const report = await outlet([hop]).deliver(mailTo(THREE, TRACKED));
    expect(report.map(({ kind }) => kind)).toEqual(['delivered', 'refused', 'delivered']);
  });
});

test('LMTP: behind the content one reply is left out, and no refusal meets the wrong recipient', async () => {
  const END = (path: string): string => (path.includes('r0@') ? '[silence]' : refusing('r1@')(path));
  const hop = await hopWith({ isLmtp: true, says: { END } });
  const report = await outlet([hop], { ...IMPATIENT, protocol: 'lmtp' }).deliver(mailTo(THREE, TRACKED));
  expect(report.map(({ kind }) => kind)).not.toContain('refused');
});

test('one command at a time: what was refused before the hop fell silent is refused', async () => {
  const RCPT = (path: string): string => (path.includes('r1@') ? '[silence]' : refusing('r0@')(path));
  const hop = await hopWith({ says: { RCPT } });
  const report = await outlet([hop], { timeouts: { rcptMs: 2_000 } }).deliver(mailTo(THREE, TRACKED));
  expect(report.map(({ kind }) => kind)).toEqual(['refused', 'deferred', 'deferred']);
});
