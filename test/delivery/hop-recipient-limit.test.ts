/** Hops that take only so many recipients in one transaction: the rest goes in the next one. RFC 5321 section 4.5.3.1.10. */

import { describe, expect, test } from 'vitest';
import type { DeliveryReport } from '../../bindings/plugin/index.ts';
import { hopWith, outlet } from './hop-closers.ts';
import { LETTER, mailTo } from './mail-object.ts';
import type { HopSide, Script } from './scripted-hop.ts';

const TRACKED = { isTrackedByRecipient: true };
const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `r${index}@d.example`);
const kindsOf = (report: DeliveryReport): string[] => report.map(({ kind }) => kind);
const all = (count: number, kind: string): string[] => Array.from({ length: count }, () => kind);

/** Takes `most` recipients in a transaction and says `reply` to further ones. */
function taking(most: number, reply: string): NonNullable<Script['says']> {
  return { RCPT: (_, { accepted }) => (accepted.length < most ? '' : reply) };
}

/** The recipients of each transaction that came to its end, as `scripted-hop` has them. */
function withTransactions(script: Script): { script: Script; transactions: string[][] } {
  const transactions: string[][] = [];
  const END = (path: string, talk: HopSide): string => {
    if (path === 'all' || path === talk.accepted[0]) transactions.push([...talk.accepted]);
    const say = script.says?.['END'];
    return typeof say === 'function' ? say(path, talk) : (say ?? '');
  };
  return { script: { ...script, says: { ...script.says, END } }, transactions };
}

const OFFERS = [[], ['PIPELINING'], ['PIPELINING', 'CHUNKING'], ['CHUNKING']] as const;
const REPLIES = [
  '552 5.5.3 too many recipients',
  '452 4.5.3 too many recipients',
  '552 Too many recipients. (#5.5.3)',
  '452 too many recipients',
  '450 4.5.3 one destination at a time',
] as const;

describe.each(OFFERS.map((offers) => ({ offers })))('a hop that offers $offers', ({ offers }) => {
  test.each(REPLIES)(
    'says %s: everybody has the message, in as many transactions as it takes',
    async (reply) => {
      for (const parts of [TRACKED, {}]) {
        const { script, transactions } = withTransactions({ offers, says: taking(3, reply) });
        const hop = await hopWith(script);
        const out = outlet([hop]);
        expect(kindsOf(await out.deliver(mailTo(numbered(8), parts)))).toEqual(all(8, 'delivered'));
        expect(transactions.map(({ length }) => length)).toEqual([3, 3, 2]);
        expect(transactions.flat()).toEqual(numbered(8).map((path) => `TO:<${path}>`));
        expect(hop.contents.join('')).toBe(LETTER.repeat(3));
        expect(hop.talks).toHaveLength(1);
      }
    },
  );

  test('refuses DATA as well because there were too many: those it accepted get it all the same', async () => {
    let isOver = false;
    const says: Script['says'] = {
      MAIL: () => ((isOver = false), ''),
      RCPT: (_, { accepted }) => {
        if (accepted.length < 2) return '';
        isOver = true;
        return '552 5.5.3 too many recipients';
      },
      DATA: () => (isOver ? '503 5.5.1 too many recipients' : ''),
      END: () => (isOver ? '503 5.5.1 too many recipients' : ''),
    };
    for (const parts of [TRACKED, {}]) {
      const hop = await hopWith({ offers, says });
      const report = await outlet([hop]).deliver(mailTo(numbered(5), parts));
      expect(kindsOf(report)).toEqual(all(5, 'delivered'));
    }
  });

  test('finds at the end of the content that there were too many', async () => {
    const says: Script['says'] = {
      END: (_, { accepted }) => (accepted.length > 2 ? '554 5.5.3 too many recipients' : ''),
    };
    for (const parts of [TRACKED, {}]) {
      const { script, transactions } = withTransactions({ offers, says });
      const hop = await hopWith(script);
      const report = await outlet([hop]).deliver(mailTo(numbered(4), parts));
      expect(kindsOf(report)).toEqual(all(4, 'delivered'));
      expect(transactions.map(({ length }) => length)).toEqual([4, 2, 2]);
    }
  });
});

test('said to the only recipient it is about the mailbox, or a rule', async () => {
  for (const offers of OFFERS) {
    const hop = await hopWith({ offers, says: { RCPT: '552 5.5.3 too many recipients' } });
    const [outcome] = await outlet([hop]).deliver(mailTo(['a@d.example'], TRACKED));
    expect(outcome).toMatchObject({ kind: 'refused', reply: { code: 552, status: '5.5.3' } });
    expect(hop.lines.filter((line) => line.startsWith('RCPT'))).toHaveLength(1);
  }
});

test('said to everybody each hears it once, and no transaction is in vain', async () => {
  for (const parts of [TRACKED, {}]) {
    const hop = await hopWith({ offers: ['PIPELINING'], says: { RCPT: '452 4.5.3 too many recipients' } });
    const report = await outlet([hop]).deliver(mailTo(numbered(5), parts));
    expect(report.map(({ kind, reply }) => [kind, reply.status])).toEqual(
      Array.from({ length: 5 }, () => ['deferred', '4.5.3']),
    );
    expect(hop.lines.filter((line) => line.startsWith('MAIL')).length).toBeLessThanOrEqual(5);
    expect(hop.contents.join('')).toBe('');
  }
});

test('a full mailbox behind accepted recipients is a full mailbox', async () => {
  const RCPT = (path: string): string => (path.includes('r1@') ? '552 5.2.2 mailbox full' : '');
  const hop = await hopWith({ offers: ['PIPELINING'], says: { RCPT } });
  const report = await outlet([hop]).deliver(mailTo(numbered(3), TRACKED));
  expect(kindsOf(report)).toEqual(['delivered', 'refused', 'delivered']);
  expect(hop.lines.filter((line) => line.startsWith('RCPT'))).toHaveLength(3);
});

test('one destination at a time: each gets a transaction of its own, not each recipient', async () => {
  const domainOf = (path: string): string => /@([^>]*)/.exec(path)![1]!;
  const RCPT = (path: string, { accepted: [first] }: HopSide): string =>
    first === undefined || domainOf(first) === domainOf(path) ? '' : '452 4.5.3 one destination at a time';
  const { script, transactions } = withTransactions({ offers: ['PIPELINING'], says: { RCPT } });
  const hop = await hopWith(script);
  const recipients = ['a@x.example', 'a@y.example', 'b@x.example', 'b@y.example'];
  const report = await outlet([hop]).deliver(mailTo(recipients, TRACKED));
  expect(kindsOf(report)).toEqual(all(4, 'delivered'));
  expect(transactions.map(({ length }) => length)).toEqual([2, 2]);
});

test('without a spool, somebody of the first transaction is refused: nobody has the message', async () => {
  const RCPT = (path: string, { accepted }: HopSide): string => {
    if (path.includes('r1@')) return '550 5.1.1 nobody';
    return accepted.length < 2 ? '' : '452 4.5.3 too many recipients';
  };
  const hop = await hopWith({ offers: ['PIPELINING'], says: { RCPT } });
  const report = await outlet([hop]).deliver(mailTo(numbered(5)));
  expect(report.map(({ kind, reply }) => [kind, reply.status])).toEqual(
    Array.from({ length: 5 }, () => ['refused', '5.1.1']),
  );
  expect(hop.contents.join('')).toBe('');
});

test('without a spool, the hop has room for nobody behind one it refuses: all hear of that', async () => {
  const RCPT = (path: string): string =>
    path.includes('r0@') ? '550 5.1.1 nobody' : '452 4.5.3 too many recipients';
  const hop = await hopWith({ offers: ['PIPELINING'], says: { RCPT } });
  const report = await outlet([hop]).deliver(mailTo(numbered(3)));
  expect(kindsOf(report)).toEqual(all(3, 'refused'));
  expect(hop.lines.filter((line) => line.startsWith('MAIL'))).toHaveLength(1);
});

test('without a spool, somebody of the second transaction is refused: the others have it, and the log says so', async () => {
  const RCPT = (path: string, { accepted }: HopSide): string => {
    if (accepted.length === 2) return '452 4.5.3 too many recipients';
    return path.includes('r3@') ? '550 5.1.1 nobody' : '';
  };
  const hop = await hopWith({ offers: [], says: { RCPT } });
  const out = outlet([hop]);
  const report = await out.deliver(mailTo(numbered(5)));
  expect(kindsOf(report)).toEqual(['delivered', 'delivered', 'delivered', 'refused', 'delivered']);
  expect(out.log.join('\n')).toContain('4 of 5 recipients have the message');
});

test('the hop goes away between two transactions: the rest goes to the next host', async () => {
  const says: Script['says'] = {
    ...taking(2, '452 4.5.3 too many recipients'),
    END: (_, { socket }) => {
      socket.end('250 queued\r\n421 4.3.2 enough\r\n');
      return '[silence]';
    },
    GREETING: () => (first.talks.length > 1 ? '554 no more' : ''),
  };
  const first = await hopWith({ offers: ['PIPELINING'], says });
  const second = await hopWith();
  const report = await outlet([first, second]).deliver(mailTo(numbered(4), TRACKED));
  expect(kindsOf(report)).toEqual(all(4, 'delivered'));
  expect(second.lines.filter((line) => line.startsWith('RCPT'))).toEqual([
    'RCPT TO:<r2@d.example>',
    'RCPT TO:<r3@d.example>',
  ]);
});

test.each([[[]], [['PIPELINING']]])('LMTP that offers %j', async (offers) => {
  for (const parts of [TRACKED, {}]) {
    const { script, transactions } = withTransactions({
      isLmtp: true,
      offers,
      says: taking(2, '452 4.5.3 too many recipients'),
    });
    const hop = await hopWith(script);
    const out = outlet([hop], { protocol: 'lmtp' });
    expect(kindsOf(await out.deliver(mailTo(numbered(5), parts)))).toEqual(all(5, 'delivered'));
    expect(transactions.map(({ length }) => length)).toEqual([2, 2, 1]);
  }
});

test('LMTP: what is said behind the content to one of several', async () => {
  const END = (path: string, { accepted: [first] }: HopSide): string =>
    path === first ? '' : '552 5.5.3 one at a time';
  const hop = await hopWith({ isLmtp: true, says: { END } });
  const report = await outlet([hop], { protocol: 'lmtp' }).deliver(mailTo(numbered(3), TRACKED));
  expect(kindsOf(report)).toEqual(all(3, 'delivered'));
});
