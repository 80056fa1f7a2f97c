import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DnsList, ListAnswer } from '../../plugins/dns-lists/dns-list.ts';
import { parseListLine } from '../../plugins/dns-lists/list-line.ts';
import {
  askLists,
  type ListEntry,
  type ListVerdict,
  type VoteOptions,
} from '../../plugins/dns-lists/list-vote.ts';

/** A list that answers when the test says so. */
class HeldList implements DnsList {
  readonly name: string;
  isAborted = false;
  asked = 0;
  #resolve: (answer: ListAnswer) => void = () => undefined;

  constructor(name: string) {
    this.name = name;
  }

  ask: DnsList['ask'] = (_, options) =>
    new Promise((resolve) => {
      this.asked++;
      this.#resolve = resolve;
      options?.signal?.addEventListener('abort', () => {
        this.isAborted = true;
        resolve({ state: 'failed', reason: 'aborted' });
      });
    });

  async say(answer: ListAnswer): Promise<void> {
    this.#resolve(answer);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const listing = (...codes: string[]): ListAnswer => ({
  state: 'listed',
  codes,
  text: () => Promise.resolve(undefined),
});
const unlisted: ListAnswer = { state: 'not listed' };
const failed: ListAnswer = { state: 'failed', reason: 'SERVFAIL' };

function vote(lines: readonly string[], threshold = 1) {
  const entries = lines.map((text, index) => ({
    list: new HeldList(`list${index}`),
    lines: text.split(' ').map((line) => parseListLine(line)),
  }));
  const controller = new AbortController();
  const box: { verdict?: ListVerdict } = {};
  const options = { threshold, timeoutMs: 1_000, signal: controller.signal, now: () => 0 };
  const done = askLists(entries as readonly ListEntry[], '192.0.2.3', options);
  void done.then((verdict) => (box.verdict = verdict));
  return { lists: entries.map(({ list }) => list), box, done, controller };
}

describe('waiting ends', () => {
  test('with the first listing, where each one would be enough; the others are aborted', async () => {
    const { lists, box } = vote(['a.test', 'b.test', 'c.test']);
    await lists[1]!.say(unlisted);
    expect(box.verdict).toBeUndefined();
    await lists[2]!.say(listing('127.0.0.2'));
    expect(box.verdict).toMatchObject({ isListed: true, score: 1, answered: 2, failed: 0 });
    expect(lists[0]!.isAborted).toBe(true);
    expect(box.verdict!.summary()).toBe(
      'list0: not waited for, list1: not listed (0 ms), list2: 127.0.0.2 (0 ms)',
    );
  });

  test('when what is missing cannot reach the threshold', async () => {
    const { lists, box } = vote(['a.test*2', 'b.test*2', 'c.test'], 3);
    await lists[0]!.say(unlisted);
    expect(box.verdict).toBeUndefined();
    await lists[1]!.say(failed);
    expect(box.verdict).toMatchObject({ isListed: false, answered: 1, failed: 1 });
    expect(lists[2]!.isAborted).toBe(true);
  });

  test('not before an allow list that could still save the client has answered', async () => {
    const { lists, box } = vote(['a.test*3', 'w.test*-3'], 3);
    await lists[0]!.say(listing('127.0.0.2'));
    expect(box.verdict).toBeUndefined();
    await lists[1]!.say(unlisted);
    expect(box.verdict).toMatchObject({ isListed: true, score: 3 });
  });

  test('at once, without a question, where nothing can reach the threshold', async () => {
    expect(await vote(['a.test'], 2).done).toMatchObject({ isListed: false, answered: 0 });
    expect(await vote([]).done).toMatchObject({ isListed: false, answered: 0, failed: 0 });
  });

  test('with the signal', async () => {
    const { lists, done, controller } = vote(['a.test']);
    controller.abort();
    expect(await done).toMatchObject({ isListed: false });
    expect(lists[0]!.isAborted).toBe(true);
  });
});

describe('sessions that ask the same', () => {
  const entries = () => [{ list: new HeldList('a'), lines: [parseListLine('a.test')] }];
  const options = (more: Partial<VoteOptions> = {}): VoteOptions => ({
    ...{ threshold: 1, timeoutMs: 1_000, signal: new AbortController().signal, now: () => 0 },
    ...more,
  });

  test('at the same time have the lists asked once', async () => {
    const lists = entries();
    const verdicts = Array.from({ length: 3 }, () => askLists(lists, '192.0.2.3', options()));
    expect(lists[0]!.list.asked).toBe(1);
    await lists[0]!.list.say(listing('127.0.0.2'));
    const [first, ...others] = await Promise.all(verdicts);
    expect(first).toMatchObject({ isListed: true, answered: 1 });
    expect(others).toEqual([first, first]);
    const later = askLists(lists, '192.0.2.3', options());
    expect(lists[0]!.list.asked).toBe(2);
    await lists[0]!.list.say(unlisted);
    expect(await later).toMatchObject({ isListed: false, answered: 1 });
  });

  test('wait on when one of them ends, and nothing is asked any more when all have', async () => {
    const lists = entries();
    const { list } = lists[0]!;
    const [one, other] = [new AbortController(), new AbortController()];
    const ended = askLists(lists, '192.0.2.3', options({ signal: one.signal }));
    const waiting = askLists(lists, '192.0.2.3', options({ signal: other.signal }));
    expect(await askLists(lists, '192.0.2.3', options({ signal: AbortSignal.abort() }))).toMatchObject({
      isListed: false,
      answered: 0,
    });
    one.abort();
    expect(await ended).toMatchObject({ isListed: false, answered: 0, failed: 0 });
    expect(list.isAborted).toBe(false);
    other.abort();
    expect(await waiting).toMatchObject({ isListed: false, answered: 0, failed: 0 });
    expect(list.isAborted).toBe(true);
    expect(getEventListeners(other.signal, 'abort')).toHaveLength(0);
    expect(list.asked).toBe(1);
    void askLists(lists, '192.0.2.3', options());
    expect(list.asked).toBe(2);
  });

  test.each<[string, string, Partial<VoteOptions>]>([
    ['other subjects', '192.0.2.4', {}],
    ['other thresholds', '192.0.2.3', { threshold: 2 }],
    ['other limits', '192.0.2.3', { timeoutMs: 2_000 }],
    ['later, when the answers would come too soon for their limit', '192.0.2.3', { now: () => 101 }],
  ])('are others: %s', (_, subject, more) => {
    const lists = [{ list: new HeldList('a'), lines: [parseListLine('a.test*2')] }];
    void askLists(lists, '192.0.2.3', options());
    void askLists(lists, subject, options(more));
    expect(lists[0]!.list.asked).toBe(2);
  });
});

test('an allow list that fails is taken to have saved the client', async () => {
  const { lists, done } = vote(['a.test*3', 'w.test*-3'], 3);
  await lists[0]!.say(listing('127.0.0.2'));
  await lists[1]!.say(failed);
  expect(await done).toMatchObject({ isListed: false, score: 0 });
});

test('each line of a list adds its weight once if any of the codes is in its filter', async () => {
  const { lists, done } = vote(['z.test=127.0.0.[2..3]*2 z.test=127.0.0.4*5 z.test=127.0.0.9*-1'], 7);
  await lists[0]!.say(listing('127.0.0.2', '127.0.0.3', '127.0.0.4'));
  const verdict = await done;
  expect(verdict).toMatchObject({ isListed: true, score: 7 });
  expect(verdict.hits.map(({ line }) => line.weight)).toEqual([5, 2]);
});

test('of hundreds of codes the log has a few', async () => {
  const { lists, done } = vote(['z.test']);
  await lists[0]!.say(
    listing(...Array.from({ length: 300 }, (_, index) => `127.0.${index >> 8}.${index & 255}`)),
  );
  const said = (await done).summary();
  expect(said).toMatch(/^list0: 127\.0\.0\.0 .* \.\.\. \(0 ms\)$/);
  expect(said.length).toBeLessThan(120);
});

test('an early verdict is the verdict of all answers, in whatever order they come', async () => {
  const answers = fc.constantFrom(listing('127.0.0.2'), unlisted, failed);
  const weight = fc.integer({ min: -4, max: 4 }).filter((value) => value !== 0);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(weight, answers, fc.nat()), { maxLength: 6 }),
      fc.integer({ min: 1, max: 5 }),
      async (each, threshold) => {
        const { lists, done } = vote(
          each.map(([value]) => `x.test*${value}`),
          threshold,
        );
        const order = each.map((_, index) => index).sort((a, b) => each[a]![2] - each[b]![2]);
        for (const index of order) await lists[index]!.say(each[index]![1]);
        const score = each.reduce((sum, [value, answer]) => {
          if (answer.state === 'listed') return sum + value;
          return answer.state === 'failed' ? sum + Math.min(value, 0) : sum;
        }, 0);
        expect((await done).isListed).toBe(score >= threshold);
      },
    ),
  );
});

describe('lists in memory', () => {
  const inMemory = (name: string, answer: ListAnswer): DnsList => ({
    name,
    askNow: () => answer,
    ask: () => Promise.reject(new Error('it was asked for a promise')),
  });
  const options = { threshold: 1, timeoutMs: 1_000, signal: new AbortController().signal, now: () => 0 };
  const lines = [parseListLine('a.test')];

  test('answer first, and where that is enough no other is asked', async () => {
    let asked = 0;
    const remote: DnsList = { name: 'remote', ask: () => Promise.resolve(asked++ === 0 ? unlisted : failed) };
    const local = (answer: ListAnswer) => [
      { list: remote, lines },
      { list: inMemory('local', answer), lines },
    ];
    const listed = await askLists(local(listing('127.0.0.2')), '192.0.2.3', options);
    expect([listed.isListed, listed.summary(), asked]).toEqual([
      true,
      'remote: not waited for, local: 127.0.0.2 (0 ms)',
      0,
    ]);
    const other = await askLists(local(unlisted), '192.0.2.3', options);
    expect([other.isListed, other.answered, asked]).toEqual([false, 2, 1]);
  });

  test('that fail leave the others', async () => {
    const entries = [
      { list: inMemory('a', failed), lines },
      { list: inMemory('b', listing('127.0.0.2')), lines },
    ];
    const verdict = await askLists(entries, '192.0.2.3', options);
    expect([verdict.isListed, verdict.failed, verdict.answered]).toEqual([true, 1, 1]);
  });
});
