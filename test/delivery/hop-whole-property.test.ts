/** Whatever a hop answers to an envelope and a content that came in one go: the report agrees with it, and nothing is left behind. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { outletTo, mailTo, SHORT } from './mail-object.ts';
import { ScriptedHop, type HopSide, type Script } from './scripted-hop.ts';
import { messageOf } from './transaction.ts';
import { amount } from '../amount.ts';

const WORDS = {
  '2yz': '250 2.0.0 ok',
  '4yz': '450 4.2.1 later',
  '5yz': '550 5.1.1 no',
  '421': '421 4.3.2 going down',
  '354': '354 go ahead',
  close: '[close]',
  silence: '[silence]',
  garbage: 'HTTP/1.1 400 Bad Request',
} as const;
type Word = keyof typeof WORDS;

interface Round {
  readonly mail: Word;
  readonly rcpts: readonly Word[];
  readonly end: Word;
  /** Messages that went well over the connection before. */
  readonly before: number;
  /** Of the content, whole. */
  readonly octets: number;
}

const word = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Word>('2yz') },
  { weight: 4, arbitrary: fc.constantFrom(...(Object.keys(WORDS) as Word[])) },
);
const round: fc.Arbitrary<Round> = fc.record({
  mail: word,
  rcpts: fc.array(word, { minLength: 1, maxLength: 3 }),
  end: word,
  before: fc.constantFrom(0, 1, 2),
  octets: fc.constantFrom(0, 400, 16_383, 16_384, 16_385),
});

const BRIEF = Object.fromEntries(Object.keys(SHORT).map((name) => [name, 1_000]));

const ROUNDS = amount(75, 300);
/** At a time: most of a round is waiting. */
const TOGETHER = 75;
const BOTH = { offers: ['PIPELINING', 'CHUNKING'] };
const NEXT = 'Subject: next\r\n\r\nbehind it all\r\n';

const letterOf = (octets: number): string =>
  octets === 0 ? '' : `Subject: x\r\n\r\n${'y'.repeat(octets - 'Subject: x\r\n\r\n\r\n'.length)}\r\n`;

/** The drawn words are for the first transaction to come; one over another connection goes well. */
function scriptOf({ mail, rcpts, end }: Round, onTaken: () => void): Script {
  let victim: HopSide | undefined;
  const to = (talk: HopSide, said: Word): string => (talk === victim ? WORDS[said] : '');
  return {
    ...BOTH,
    says: {
      MAIL: (_, talk) => {
        victim ??= talk;
        return to(talk, mail);
      },
      RCPT: (path, talk) => to(talk, rcpts[Number(/<r(\d)/.exec(path)?.[1] ?? 0)]!),
      END: (_, talk) => {
        if (talk === victim && end === '2yz') onTaken();
        return to(talk, end);
      },
    },
  };
}

async function play(drawn: Round): Promise<void> {
  const { mail, rcpts, end, before, octets } = drawn;
  const hop = await ScriptedHop.start(BOTH);
  // Only where replies may stay away: on a busy machine short times are over before the hop was read from.
  const timeouts = [mail, ...rcpts, end].every((each) => each.endsWith('yz')) ? {} : BRIEF;
  const out = outletTo([hop], { timeouts, connections: 1 });
  try {
    for (let count = 0; count < before; count++) await out.deliver(mailTo(['r0@d.example']));
    let hasEnded = false;
    hop.script = scriptOf(drawn, () => (hasEnded = true));
    const letter = letterOf(octets);
    const mailObject = mailTo(
      rcpts.map((_, index) => `r${index}@d.example`),
      { message: messageOf(letter), isTrackedByRecipient: true },
    );
    const report = await out.deliver(mailObject);
    // A dead connection that was kept is no reason to give up: the message may have gone over a second one.
    const isSentAgain = hop.talks.length > 1;
    const said = [mail, ...rcpts, end];
    const isSilent = said.slice(0, -1).includes('silence');
    for (const [index, { kind }] of report.entries()) {
      const own = [mail, rcpts[index]!, end];
      const isTaken = hasEnded && own.every((each) => each === '2yz');
      const context = JSON.stringify({ drawn, index, kind, log: out.log });
      if (isSentAgain) expect(before > 0 && kind === 'delivered', context).toBe(true);
      else if (kind === 'delivered') expect(isTaken, context).toBe(true);
      // What is not answered leaves all replies behind it to the wrong command.
      else if (isSilent) expect(kind, context).toBe('deferred');
      else if (kind === 'refused') expect(own, context).toContain('5yz');
      else expect(isTaken && out.counters.uncertain === 0, context).toBe(false);
      if (said.every((each) => each.endsWith('yz'))) {
        const worst = own.find((each) => each !== '2yz');
        expect(kind, context).toBe(
          worst === undefined ? 'delivered' : worst === '5yz' ? 'refused' : 'deferred',
        );
        expect(out.counters.uncertain, context).toBe(0);
      }
    }
    if (report.some(({ kind }) => kind === 'delivered'))
      expect(hop.contents.some((content) => content.endsWith(letter))).toBe(true);
    hop.script = BOTH;
    const next = mailTo(['r0@d.example'], { message: messageOf(NEXT) });
    expect((await out.deliver(next))[0]!.kind, JSON.stringify({ drawn, log: out.log })).toBe('delivered');
    expect(hop.contents.filter((content) => content.endsWith(NEXT))).toHaveLength(1);
    expect(out.connections).toBe(1);
  } finally {
    out.close();
    await hop.close();
  }
}

test('the report agrees with what the hop said, and the next message arrives', async () => {
  const rounds = fc.sample(round, { numRuns: ROUNDS, seed: 20_261_123 });
  for (let from = 0; from < ROUNDS; from += TOGETHER)
    await Promise.all(rounds.slice(from, from + TOGETHER).map(play));
});
