import { describe, expect, test } from 'vitest';
import {
  address,
  MemoryStores,
  printVerdict,
  TestClock,
  testPlugin,
  type TestPluginOptions,
} from '../../host/testing/index.ts';
import {
  fingerprint,
  geoCountry,
  whitelistRecipients,
  type Fingerprint,
} from '../../bindings/plugin/index.ts';
import greylisting from '../../plugins/greylisting/index.ts';

const DENIED = 'DENYSOFT This mail is temporarily denied';
const PASSED = 'DECLINED';
const MINUTE = 60;
const DAY = 86_400;
/** In seconds: 2024-01-01. */
const START = 1_704_067_200;

/** The plugin with a clock to turn and a store to look into. */
function greylist({ isDown = false, ...options }: TestPluginOptions & { isDown?: boolean } = {}) {
  const clock = new TestClock(START * 1_000);
  const store = new MemoryStores(clock);
  const made = testPlugin(greylisting, { ...options, clock, store });
  if (isDown) store.fail();
  const { session, ask } = made;
  const part = store.open('greylist');
  return {
    ...made,
    prepare: () => made.prepare(),
    clock,
    store: part,
    places: store.places.slice(0, -1),
    mail: async (path = '<user@example.com>') => printVerdict(await ask('mail', path)),
    rcpt: async (path: string, sender = '<user@example.com>') => {
      session.transaction.reversePath = address(sender);
      return printVerdict(await ask('rcpt', path));
    },
    data: async () => printVerdict(await ask('data')),
    async records(): Promise<string[]> {
      const found: string[] = [];
      for await (const [key, value] of part.scan()) found.push(`${key} ${value}`);
      return found.sort();
    },
  };
}

describe('greylisting: the states of a sender (RFC 6647 section 2)', () => {
  test('is black for 50 minutes from the first try, and white from the first delivery on', async () => {
    const { clock, mail, records } = greylist();
    const at = async (seconds: number): Promise<string> => {
      clock.set((START + seconds) * 1_000);
      return mail();
    };
    expect(await at(0)).toBe(DENIED);
    expect(await records()).toEqual([`3221225987 ${START}:1:0:0`]);
    expect(await at(49 * MINUTE)).toBe(DENIED);
    expect(await records()).toEqual([`3221225987 ${START}:1:1:0`]);
    expect(await at(50 * MINUTE - 1)).toBe(DENIED);
    expect(await at(50 * MINUTE)).toBe(PASSED);
    expect(await records()).toEqual([`3221225987 ${START + 3000}:1:2:1`]);
    expect(await at(50 * MINUTE + 1)).toBe(PASSED);
    expect(await records()).toEqual([`3221225987 ${START + 3001}:1:2:2`]);
  });

  test('stays white as long as no 36 days pass without a delivery', async () => {
    const { clock, mail } = greylist();
    await mail();
    clock.advance(51 * MINUTE * 1_000);
    for (let delivery = 0; delivery < 4; delivery++) {
      expect(await mail()).toBe(PASSED);
      clock.advance((36 * DAY - 1) * 1_000);
    }
    expect(await mail()).toBe(PASSED);
    clock.advance(36 * DAY * 1_000);
    expect(await mail()).toBe(DENIED);
    clock.advance(49 * MINUTE * 1_000);
    expect(await mail()).toBe(DENIED);
  });

  test('is new again if its first retry comes after white_timeout', async () => {
    const { clock, mail } = greylist({ options: 'black_timeout 10 white_timeout 100' });
    await mail();
    clock.advance(100 * 1_000);
    expect(await mail()).toBe(DENIED);
    clock.advance(10 * 1_000);
    expect(await mail()).toBe(PASSED);
  });

  test('reject 0 counts, and refuses nobody', async () => {
    const { mail, log, records } = greylist({ options: 'reject 0' });
    expect(await mail()).toBe(PASSED);
    expect(log.join()).toContain('fail, tolerated: initial DENYSOFT, unknown');
    expect(await records()).toHaveLength(1);
  });

  test('a record from elsewhere that makes no sense counts as none', async () => {
    const { mail, store, records } = greylist();
    await store.set('3221225987', 'rubbish');
    expect(await mail()).toBe(DENIED);
    expect(await records()).toEqual([`3221225987 ${START}:1:0:0`]);
  });
});

describe('greylisting: what a sender is known by', () => {
  test.each([
    ['', '3232235777'],
    ['sender 1', '3232235777:user@example.com'],
    ['sender 1 recipient 1', '3232235777:user@example.com:to@good.example'],
    ['remote_ip 0 sender 1', 'user@example.com'],
    ['remote_ip 0 recipient 1', 'to@good.example'],
  ])('`%s`: %s', async (line, key) => {
    const { session, mail, rcpt, records } = greylist({ options: line });
    session.connection.remoteIp = '192.168.1.1';
    await (line.includes('recipient') ? rcpt('<to@good.example>') : mail());
    expect(await records()).toEqual([`${key} ${START}:1:0:0`]);
  });

  test('an IPv6 address is a number too', async () => {
    const { session, mail, records } = greylist();
    session.connection.remoteIp = '2001:db8::1';
    await mail();
    expect(await records()).toEqual([`42540766411282592856903984951653826561 ${START}:1:0:0`]);
  });

  test('at least one of the three has to be on', () => {
    expect(() => greylist({ options: 'remote_ip 0' })).toThrow(
      'enable one of remote_ip, sender, or recipient',
    );
  });
});

describe('greylisting: who is not greylisted', () => {
  const p0f = (facts: Partial<Fingerprint>): Fingerprint => ({
    genre: '',
    link: '',
    distance: -1,
    uptime: 0,
    ...facts,
  });

  test.each([
    ['genre,Lindows', { genre: 'windows' }, PASSED],
    ['genre,Windows', { genre: 'windows' }, DENIED],
    ['genre,Linux', { genre: 'windows', link: 'dsl' }, PASSED],
    ['distance,8', { distance: 9 }, DENIED],
    ['distance,8', { distance: 7 }, PASSED],
    ['link,dsl', { link: 'DSL' }, DENIED],
    ['link,dsl', { link: 'Ethernet' }, PASSED],
    ['uptime,100', { uptime: 99 }, DENIED],
    ['uptime,100', { uptime: 500 }, PASSED],
    ['uptime,100', {}, PASSED],
    ['detail,XP', { detail: '2000 SP4, XP SP1+' }, DENIED],
    ['genre,windows,distance,3', { genre: 'Linux', distance: 4 }, DENIED],
    ['genre,windows', undefined, PASSED],
  ])('p0f %s and a client that looks like %o: %s', async (option, facts, answer) => {
    const { session, mail } = greylist({ options: `p0f ${option}` });
    if (facts !== undefined) session.connection.notes.set(fingerprint, p0f(facts));
    expect(await mail()).toBe(answer);
  });

  test.each([
    ...['US', 'us', 'UK', 'hu'].map((country) => [country, PASSED] as const),
    ...['PK', 'RU', 'ru', undefined].map((country) => [country, DENIED] as const),
  ])('geoip US,UK,HU and a client in %s: %s', async (country, answer) => {
    const { session, mail } = greylist({ options: 'geoip US,UK,HU' });
    if (country !== undefined) session.connection.notes.set(geoCountry, country);
    expect(await mail()).toBe(answer);
  });

  test.each([
    ['192.168.1.1', 'mta1234.siol.net', DENIED],
    ['194.7.234.142', 'mta1234.siol.net', PASSED],
    ['192.168.1.1', 'postini.com', PASSED],
    ['192.168.1.1', 'mta2.siol.net', PASSED],
    ['2001:db8:0:0::1', 'Unknown', PASSED],
  ])('greylist_exclude_files and %s, %s: %s', async (remoteIp, remoteHost, answer) => {
    const lines = [
      '194.7.234.142  # a mailer',
      'Postini.com',
      '/^mta[12].siol.net$/',
      '2001:db8::1',
      ' # nothing',
    ];
    const { session, mail, log } = greylist({
      config: { greylist_exclude_files: ['/etc/hosts.exclude', '/nowhere'] },
      files: { '/etc/hosts.exclude': lines.join('\n') },
    });
    Object.assign(session.connection, { remoteIp, remoteHost });
    expect(await mail()).toBe(answer);
    expect(log.join()).toContain("Couldn't open greylist exclude file /nowhere");
  });

  test('relay clients leave no trace', async () => {
    const { session, mail, records } = greylist();
    session.connection.relayClient = true;
    expect(await mail()).toBe(PASSED);
    expect(await records()).toEqual([]);
  });
});

describe('greylisting: when a sender is told', () => {
  test('deny_late: at DATA', async () => {
    const { mail, data, session } = greylist({ options: 'deny_late 1' });
    expect(await mail()).toBe(PASSED);
    Object.assign(session.transaction, { recipients: [{}] });
    expect(await data()).toBe(DENIED);
  });

  test('with recipients: at RCPT, but the null sender at DATA, for callouts', async () => {
    const { rcpt, data, session } = greylist({ options: 'recipient 1' });
    expect(await rcpt('<a@good.example>')).toBe(DENIED);
    expect(await data()).toBe(PASSED);
    expect(await rcpt('<b@good.example>', '<>')).toBe(PASSED);
    Object.assign(session.transaction, { recipients: [{}] });
    expect(await data()).toBe(DENIED);
  });

  test.each([
    [0, 0, PASSED],
    [1, 2, DENIED],
    [1, 0, DENIED],
    [1, 1, PASSED],
  ])('at DATA with %i recipients, %i of them welcome: %s', async (count, welcome, answer) => {
    const { mail, data, session } = greylist({ options: 'deny_late 1' });
    await mail();
    Object.assign(session.transaction, { recipients: Array.from({ length: count }, () => ({})) });
    if (welcome > 0) session.transaction.notes.set(whitelistRecipients, welcome);
    expect(await data()).toBe(answer);
  });
});

describe('greylisting: its options', () => {
  test('stand in denysoft_greylist as well; those of the line win', async () => {
    const files = { denysoft_greylist: ['black_timeout 10', 'white_timeout 50', 'sender 1'] };
    const { clock, mail, records } = greylist({ config: files, options: 'black_timeout 20' });
    await mail();
    expect(await records()).toEqual([`3221225987:user@example.com ${START}:1:0:0`]);
    clock.advance(19 * 1_000);
    expect(await mail()).toBe(DENIED);
    clock.advance(1 * 1_000);
    expect(await mail()).toBe(PASSED);
    clock.advance(50 * 1_000);
    expect(await mail()).toBe(DENIED);
  });

  test('per_recipient: times, and reject 0, of one recipient', async () => {
    const { clock, rcpt, session } = greylist({ options: 'per_recipient 1' });
    const linesFor = (recipient: { localPart: string }) =>
      ({ fast: ['black_timeout 5'], open: ['reject 0'], odd: ['blck 5'] })[recipient.localPart] ?? [];
    await rcpt('<warm-up@x.example>');
    Object.defineProperty(session.contexts[0]!, 'linesFor', { value: linesFor });
    clock.advance(5 * 1_000);
    expect(await rcpt('<open@x.example>')).toBe(PASSED);
    expect(await rcpt('<odd@x.example>')).toBe(DENIED);
    expect(await rcpt('<slow@x.example>')).toBe(DENIED);
    expect(await rcpt('<fast@x.example>')).toBe(PASSED);
  });

  test.each([
    ['', undefined],
    ['db_dir /var/lib/qpsmtpd/greylisting', 'lmdb:/var/lib/qpsmtpd/greylisting'],
    ['redis asdf:1234', 'redis://asdf:1234/0'],
    ['redis qwerty', 'redis://qwerty:6379/0'],
    ['nfslock 0', undefined],
  ])('`%s` keeps state in %s', (line, place) => {
    expect(greylist({ options: line }).places).toEqual([place]);
  });

  test.each([
    ['nfslock 1', 'LMDB does not work on network file systems'],
    ['redis redis://x', 'must be HOST or HOST:PORT'],
    ['black_timeout 100 white_timeout 100', 'black_timeout must be less than white_timeout'],
    ['p0f os,windows', '`os,windows` is none of genre,TEXT'],
    ['p0f distance,far', '`distance,far` is none of'],
    ['p0f genre,(a', 'pattern `(a`'],
    ['mode testonly', 'unknown option'],
  ])('`%s` is refused at start', (line, problem) => {
    expect(() => greylist({ options: line })).toThrow(problem);
  });

  test('a line of denysoft_greylist that is no option is refused at start', () => {
    const files = { denysoft_greylist: ['blck_timeout 10'] };
    expect(() => greylist({ config: files })).toThrow(/denysoft_greylist: .*blck_timeout/);
  });

  test('grey_timeout is taken, and said to have no effect', () => {
    expect(greylist({ options: 'grey_timeout 12000' }).log.join()).toContain('grey_timeout has no effect');
  });

  test('upgrade 1 turns addresses in dots into numbers', async () => {
    const { prepare, store, records, log } = greylist({ options: 'upgrade 1' });
    await store.set('192.168.1.1:a@b.example', `${START - 100}:1:0:3`);
    await store.set('192.168.1.2', `${START - 37 * DAY}:1:0:0`);
    await store.set('3232235779', `${START}:1:0:0`);
    await prepare();
    expect(await records()).toEqual([
      `3232235777:a@b.example ${START - 100}:1:0:3`,
      `3232235779 ${START}:1:0:0`,
    ]);
    expect(log.join()).toContain('converted 2 of 3 DB entries');
  });
});

test('greylisting: with the store down everybody passes, and the log says why', async () => {
  const { mail, log } = greylist({ isDown: true });
  expect(await mail()).toBe(PASSED);
  expect(log.join()).toMatch(/error, UNABLE TO OBTAIN GREYLIST RESULT:.*no space left on device/);
});
