import { describe, expect, test } from 'vitest';
import {
  MemoryStores,
  printVerdict,
  TestClock,
  testPlugin,
  type TestPluginOptions,
} from '../../host/testing/index.ts';
import { karmaHistory, naughty } from '../../bindings/plugin/index.ts';
import { parseKarma } from '../../plugins/karma/record.ts';
import karma from '../../plugins/karma/index.ts';

const DAY = 86_400;
/** In seconds: 2024-01-01. */
const START = 1_704_067_200;
/** 192.0.2.3 */
const KEY = '3221225987';
const BOXED = /^DENY_DISCONNECT You were naughty\. You cannot connect for \d+\.\d\d more days\.$/;

type Options = TestPluginOptions & { isDown?: boolean; known?: string };

async function withKarma({ isDown = false, known, ...options }: Options = {}) {
  const clock = new TestClock(START * 1_000);
  const store = new MemoryStores(clock);
  const made = testPlugin(karma, { ...options, clock, store });
  const { session, ask } = made;
  const part = store.open('karma');
  if (known !== undefined) await part.set(KEY, known);
  if (isDown) store.fail();
  /** A client, from its first packet on. */
  const connect = async (): Promise<string> => {
    // A new client has new notes and new karma.
    session.connection = made.openSession({ relayClient: session.connection.relayClient }).connection;
    session.begin();
    await ask('pre-connection');
    return printVerdict(await ask('connect'));
  };
  /** A whole connection that ends with `points`. */
  const connection = async (points: number): Promise<string> => {
    const answer = await connect();
    session.connection.karma = points;
    await ask('disconnect');
    return answer;
  };
  return { ...made, clock, store: part, connect, connection };
}

describe('karma: what is recorded', () => {
  test.each([
    // strikes 3: what begins there is nice, respectively naughty.
    { points: 3, before: undefined, after: '0:0:1:1' },
    { points: 2, before: undefined, after: '0:0:0:1' },
    { points: -2, before: '0:1:4:9', after: '0:1:4:10' },
    { points: -3, before: '0:1:4:9', after: '0:2:4:10' },
    // negative 1: a history of -1 is enough.
    { points: -3, before: '0:0:1:1', after: '0:1:1:2' },
    { points: -3, before: undefined, after: `${START}:1:0:1` },
    { points: -3, before: '0:1:1:2', after: `${START}:2:1:3` },
    // From a history of -6 on, without a nice connection, a day more for each.
    { points: -9, before: '0:4:0:4', after: `${START}:5:0:5` },
    { points: -9, before: '0:5:0:5', after: `${START + 6 * DAY}:6:0:6` },
    { points: -9, before: '0:6:0:6', after: `${START + 7 * DAY}:7:0:7` },
    { points: -9, before: '0:7:1:8', after: `${START}:8:1:9` },
  ])('$before and a connection with karma $points: $after', async ({ points, before, after }) => {
    const { connection, store } = await withKarma(before === undefined ? {} : { known: before });
    await connection(points);
    expect(await store.get(KEY)).toBe(after);
  });

  test('nothing of a connection without karma, so that strangers do not fill the disk', async () => {
    const { connection, store } = await withKarma();
    await connection(0);
    expect(await store.get(KEY)).toBeUndefined();
  });

  test('negative and strikes move the limits', async () => {
    const { connection, store } = await withKarma({ options: 'negative 2 strikes 5' });
    await connection(-4);
    expect(await store.get(KEY)).toBe('0:0:0:1');
    await connection(-5);
    expect(await store.get(KEY)).toBe('0:1:0:2');
    await connection(-5);
    expect(await store.get(KEY)).toBe(`${START}:2:0:3`);
  });

  test('is forgotten half a year after the last change, or after the penalty', async () => {
    const { connection, store, clock } = await withKarma({ known: '0:9:0:9' });
    await connection(-9);
    clock.set((START + (10 + 180) * DAY - 1) * 1_000);
    expect(await store.get(KEY)).toBeDefined();
    clock.advance(1 * 1_000);
    expect(await store.get(KEY)).toBeUndefined();
  });
});

describe('karma: who may connect', () => {
  test('a naughty client may not for penalty_days, and again afterwards', async () => {
    const { connect, connection, clock, store, session } = await withKarma({
      options: 'reject 1 penalty_days 2',
    });
    expect(await connection(-3)).toBe('DECLINED');
    clock.advance(6 * 3_600 * 1_000);
    expect(await connect()).toBe('DENY_DISCONNECT You were naughty. You cannot connect for 1.75 more days.');
    expect(parseKarma(await store.get(KEY))).toEqual({
      penaltyStart: START,
      naughty: 1,
      nice: 0,
      connects: 2,
    });
    expect(session.connection.notes.get(karmaHistory)).toBe(-1);
    clock.set((START + 2 * DAY) * 1_000);
    expect(await connect()).toBe('DECLINED');
  });

  test('a penalty with bonus lasts until it is over', async () => {
    const { connect, clock } = await withKarma({ options: 'reject 1', known: `${START + 6 * DAY}:6:0:6` });
    expect(await connect()).toContain('for 7.00 more days.');
    clock.advance((7 * DAY - 3_600) * 1_000);
    expect(await connect()).toMatch(BOXED);
    clock.advance(3_600 * 1_000);
    expect(await connect()).toBe('DECLINED');
  });

  test.each([
    ['', 'DECLINED', ['(karma) You were naughty. You cannot connect for 1.00 more days.']],
    ['reject naughty', 'DECLINED', ['(karma) You were naughty. You cannot connect for 1.00 more days.']],
    ['reject 0', 'DECLINED', undefined],
    ['reject 1', BOXED, undefined],
    ['reject connect', BOXED, undefined],
    ['reject 1 reject_type temp', /^DENYSOFT You were naughty/, undefined],
    ['reject 1 penalty_box 30', /^DENY_DISCONNECT .* for 30\.00 more days\.$/, undefined],
  ])('`%s`: %s', async (line, answer, reasons) => {
    const { connect, session } = await withKarma({ options: line, known: `${START}:1:0:1` });
    expect(await connect()).toMatch(answer);
    expect(session.connection.notes.get(naughty)).toEqual(reasons);
  });

  test.each([
    [undefined, 0, 0],
    ['0:0:10:10', 10, 0],
    ['0:0:11:11', 11, 1],
    ['0:20:9:29', -11, 0],
    ['::5:', 5, 0],
  ])('a record of %s is a history of %i and %i points to begin with', async (known, history, points) => {
    const { connect, session } = await withKarma(known === undefined ? {} : { known });
    expect(await connect()).toBe('DECLINED');
    expect(session.connection.notes.get(karmaHistory)).toBe(history);
    expect(session.connection.karma).toBe(points);
  });

  test('points earned before the plugin is asked count', async () => {
    const { ask, session } = await withKarma({ known: '0:0:11:11' });
    session.connection.karma = -2;
    await ask('pre-connection');
    await ask('connect');
    expect(session.connection.karma).toBe(-1);
  });

  test('relay clients are not looked at', async () => {
    const { connect, session } = await withKarma({ options: 'reject 1', known: `${START}:1:0:1` });
    session.connection.relayClient = true;
    expect(await connect()).toBe('DECLINED');
  });
});

describe('karma: in the transaction', () => {
  test.each([
    ['FROM:<a@b.example>', 0],
    ['from:<a@b.example> SIZE=10', 0],
    ['FROM: <a@b.example>', -2],
    ['FROM:a@b.example', -2],
  ])('MAIL %s costs %i (RFC 5321 section 3.3)', async (line, points) => {
    const { ask, connect, session } = await withKarma();
    await connect();
    await ask('mail_parse', line);
    await ask('mail', '<a@b.example>');
    expect(session.connection.karma).toBe(points);
    await ask('rcpt_parse', line.replace(/^from/i, 'TO'));
    await ask('rcpt', '<a@b.example>');
    expect(session.connection.karma).toBe(2 * points);
  });

  test.each([
    ['<a@shop.work>', -4],
    ['<a@SHOP.WORK>', -4],
    ['<a@work>', 0],
    ['<a@b.network>', 0],
    ['<a@b.co.uk>', 3],
    ['<a@b.ac.uk>', 1],
    ['<>', 0],
  ])('karma_tlds: MAIL FROM:%s is worth %i', async (path, points) => {
    const { ask, session } = await withKarma({
      config: { karma_tlds: ['work:-4', 'uk:+1', 'co.uk:2', 'none:0'] },
    });
    await ask('mail', path);
    expect(session.connection.karma).toBe(points);
  });

  test('a line of karma_tlds that is no score is refused at start', async () => {
    await expect(withKarma({ config: { karma_tlds: ['work'] } })).rejects.toThrow(
      '`work` is not of the form TLD:SCORE',
    );
  });

  test.each([
    { count: 0, known: undefined, points: 0, answer: 'DECLINED' },
    { count: 1, known: undefined, points: 0, answer: 'DENY too many recipients for karma 0 (h: 0)' },
    { count: 1, known: '0:3:1:4', points: -1, answer: 'DENY too many recipients for karma -1 (h: -2)' },
    { count: 5, known: '0:0:1:1', points: -1, answer: 'DECLINED' },
    { count: 5, known: undefined, points: 1, answer: 'DECLINED' },
  ])('recipient after $count others with history $known and karma $points: $answer', async (row) => {
    const { ask, connect, session } = await withKarma(row.known === undefined ? {} : { known: row.known });
    await connect();
    session.connection.karma = row.points;
    Object.assign(session.transaction, { recipients: Array.from({ length: row.count }, () => ({})) });
    expect(printVerdict(await ask('rcpt', '<a@b.example>'))).toBe(row.answer);
  });

  test.each(['data', 'data_post'] as const)(
    '%s: a karma below -4 is refused once, not twice',
    async (hook) => {
      const { ask, session } = await withKarma({ options: 'reject 1' });
      session.connection.karma = -4;
      expect(printVerdict(await ask(hook))).toBe('DECLINED');
      session.connection.karma = -5;
      expect(printVerdict(await ask(hook))).toBe('DENY_DISCONNECT very bad karma: -5');
      session.connection.notes.set(naughty, ['(helo) no']);
      expect(printVerdict(await ask(hook))).toBe('DECLINED');
    },
  );
});

test.each([
  ['nfslock 1', 'LMDB does not work on network file systems'],
  ['negative 0', 'must be a whole number'],
  ['penalty_days 0', 'must be a number from 0.01'],
  ['reject maybe', 'reject'],
])('karma: `%s` is refused at start', async (line, problem) => {
  await expect(withKarma({ options: line })).rejects.toThrow(problem);
});

test('karma: with the store down everybody is served, and the log says why', async () => {
  const { connection, log } = await withKarma({ options: 'reject 1', isDown: true });
  expect(await connection(-9)).toBe('DECLINED');
  expect(log.filter((line) => !/: karma /.test(line))).toHaveLength(1);
  expect(log[0]).toContain('no space left on device');
});

test('karma: db_dir is another store', () => {
  const store = new MemoryStores(new TestClock());
  testPlugin(karma, { options: 'db_dir /var/lib/qpsmtpd/karma nfslock 0', store });
  expect(store.places).toEqual(['lmdb:/var/lib/qpsmtpd/karma']);
});
