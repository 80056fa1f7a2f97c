import { describe, expect, test } from 'vitest';
import { naughty, whitelistHost } from '../../bindings/plugin/index.ts';
import {
  fakeResolver,
  printVerdict,
  testPlugin,
  type FakeDnsZones,
  type TestPluginOptions,
} from '../../host/testing/index.ts';
import dnsbl from '../../plugins/dnsbl.ts';

/** What every list has. RFC 5782 section 5. */
const inOrder = (...zones: string[]): FakeDnsZones =>
  Object.fromEntries(zones.map((zone) => [`2.0.0.127.${zone}`, { A: ['127.0.0.2'] }]));

const LISTED = { A: ['127.0.0.2'], TXT: ['listed by zen.test'] };
const ZONES: FakeDnsZones = {
  ...inOrder('zen.test', 'msg.test', 'third.test'),
  '3.2.0.192.zen.test': LISTED,
};

function client(lines: readonly string[], options = '', more: TestPluginOptions = {}, zones = ZONES) {
  const resolver = fakeResolver(zones);
  const config = { dnsbl_zones: lines, ...more.config };
  const plugin = testPlugin(dnsbl, { options, resolver, ...more, config });
  return { ...plugin, ask: plugin.ask, session: plugin.session, log: plugin.log, resolver, plugin };
}

describe('what the client is told', () => {
  test.each([
    ['the text of the list', ['zen.test'], 'DENY listed by zen.test'],
    [
      "the operator's text, with the address",
      ['zen.test:Blocked, see http://x.example/?%IP%'],
      'DENY Blocked, see http://x.example/?192.0.2.3',
    ],
    ['nothing, if the code is another', ['zen.test=127.0.0.[3..9]'], 'DECLINED'],
    [
      'the text of the line whose code it is',
      ['zen.test=127.0.0.3:three', 'zen.test=127.0.0.2:two'],
      'DENY two',
    ],
  ])('%s', async (_, lines, verdict) => {
    const { ask } = client(lines);
    expect(printVerdict(await ask('connect'))).toBe(verdict);
  });

  test('a list without a text is named', async () => {
    const { ask } = client(['zen.test'], '', {}, { ...ZONES, '3.2.0.192.zen.test': { A: ['127.0.0.4'] } });
    expect(printVerdict(await ask('connect'))).toBe('DENY Blocked by zen.test');
  });

  test('what a list says has no line ends, control characters or endless length in it', async () => {
    const text = `550 x\r\n250 ok\u0007\u00fc${'y'.repeat(9_000)}`;
    const { ask } = client(
      ['zen.test'],
      '',
      {},
      { ...ZONES, '3.2.0.192.zen.test': { ...LISTED, TXT: [text] } },
    );
    const { lines } = await ask('connect');
    expect(lines).toEqual([expect.stringMatching(/^550 x 250 ok y{387}$/)]);
  });

  test('an entry that has a text and no address counts, as in qpsmtpd', async () => {
    const { ask } = client(['zen.test'], '', {}, { ...ZONES, '3.2.0.192.zen.test': { TXT: ['why'] } });
    expect(printVerdict(await ask('connect'))).toBe('DENY why');
  });

  test('the text is asked for only if it is said', async () => {
    for (const [lines, options] of [
      [['zen.test:mine'], ''],
      [['zen.test'], 'reject 0'],
    ] as const) {
      const { ask, resolver } = client(lines, options);
      await ask('connect');
      expect(resolver.questions.filter((question) => question.startsWith('TXT'))).toEqual([]);
    }
  });
});

test.each([
  ['', 'DENY listed by zen.test'],
  ['reject 1', 'DENY listed by zen.test'],
  ['reject connect', 'DENY listed by zen.test'],
  ['reject 0', 'DECLINED'],
  ['reject naughty', 'DECLINED'],
  ['reject_type temp', 'DENYSOFT listed by zen.test'],
  ['disconnect', 'DENY_DISCONNECT listed by zen.test'],
])('the line `dnsbl %s`: %s', async (options, verdict) => {
  const { ask, session } = client(['zen.test'], options);
  expect(printVerdict(await ask('connect'))).toBe(verdict);
  expect(session.connection.karma).toBe(-1);
  expect(session.connection.notes.get(naughty)).toEqual(
    options === 'reject naughty' ? ['(dnsbl) listed by zen.test'] : undefined,
  );
});

describe('waiting', () => {
  const late = { ...ZONES, '3.2.0.192.zen.test': { ...LISTED, delayMs: 1_000 } };

  test('all lists are asked at once, and the first listing ends it', async () => {
    const { ask, resolver, log } = client(
      ['msg.test', 'zen.test', 'third.test'],
      'loglevel +0',
      {},
      {
        ...ZONES,
        '3.2.0.192.msg.test': 'timeout',
        '3.2.0.192.third.test': 'timeout',
      },
    );
    expect(printVerdict(await ask('connect'))).toBe('DENY listed by zen.test');
    expect(resolver.questions.filter((question) => question.startsWith('A 3.'))).toEqual([
      'A 3.2.0.192.msg.test',
      'A 3.2.0.192.zen.test',
      'A 3.2.0.192.third.test',
    ]);
    expect(log.at(-1)).toBe(
      '[c1] (connect) dnsbl: fail, msg.test: not waited for, zen.test: 127.0.0.2 (0 ms), third.test: not waited for',
    );
  });

  test('with `check-at rcpt` nobody waits before', async () => {
    const { ask, resolver } = client(['zen.test'], 'check-at rcpt', {}, late);
    expect(printVerdict(await ask('connect'))).toBe('DECLINED');
    expect(resolver.questions).toContain('A 3.2.0.192.zen.test');
    expect(printVerdict(await ask('mail', 'a@b.example'))).toBe('DECLINED');
    const verdict = ask('rcpt', 'user@here.example');
    await resolver.advance(1_000);
    // The text comes from a name that is as slow.
    await resolver.advance(1_000);
    expect(printVerdict(await verdict)).toBe('DENY listed by zen.test');
    expect(printVerdict(await ask('rcpt', 'Postmaster@here.example'))).toBe('DECLINED');
  });

  test('with `check-at mail` each transaction is told, and the karma is paid once', async () => {
    const { ask, session } = client(['zen.test'], 'check-at mail');
    await ask('connect');
    expect(printVerdict(await ask('mail', 'a@b.example'))).toBe('DENY listed by zen.test');
    expect(printVerdict(await ask('mail', 'a@b.example'))).toBe('DENY listed by zen.test');
    expect(session.connection.karma).toBe(-1);
  });

  test('a client that has become another one is looked up anew', async () => {
    const { ask, session } = client(['zen.test'], 'check-at rcpt');
    session.connection.remoteIp = '192.0.2.99';
    await ask('connect');
    session.tasks.endConnection();
    session.connection.remoteIp = '192.0.2.3';
    expect(printVerdict(await ask('rcpt', 'user@here.example'))).toBe('DENY listed by zen.test');
  });

  test('a client that has left is not looked up any further', async () => {
    const { ask, session } = client(['zen.test'], '', {}, { ...ZONES, '3.2.0.192.zen.test': 'timeout' });
    const verdict = ask('connect');
    session.leave();
    expect(printVerdict(await verdict)).toBe('DECLINED');
  });
});

describe('a list that fails refuses nobody', () => {
  test.each<[string, FakeDnsZones[string]]>([
    ['SERVFAIL', 'SERVFAIL'],
    ['an address that is no code', { A: ['203.0.113.1'] }],
    ['a code of the operator', { A: ['127.255.255.254'] }],
    ['127.0.0.1', { A: ['127.0.0.1'] }],
  ])('%s', async (_, said) => {
    const { ask, log } = client(['zen.test'], '', {}, { ...ZONES, '3.2.0.192.zen.test': said });
    expect(printVerdict(await ask('connect'))).toBe('DECLINED');
    expect(log.some((line) => line.includes('error, no list has answered: zen.test: failed, '))).toBe(true);
  });

  test('silence, after five seconds, or what the line says', async () => {
    for (const [options, ms] of [
      ['', 5_000],
      ['timeout 2', 2_000],
    ] as const) {
      const { ask, resolver } = client(
        ['zen.test'],
        options,
        {},
        { ...ZONES, '3.2.0.192.zen.test': 'timeout' },
      );
      const verdict = ask('connect');
      let isSettled = false;
      void verdict.then(() => (isSettled = true));
      await resolver.advance(ms - 1);
      expect(isSettled).toBe(false);
      await resolver.advance(1);
      expect(printVerdict(await verdict)).toBe('DECLINED');
    }
  });

  test('unless the operator says so, and no list has answered at all', async () => {
    const zones: FakeDnsZones = { ...ZONES, '3.2.0.192.zen.test': 'SERVFAIL' };
    const one = client(['zen.test'], 'on_error defer', {}, zones);
    expect(printVerdict(await one.ask('connect'))).toMatch(/^DENYSOFT Internal error/);
    const two = client(['zen.test', 'msg.test'], 'on_error defer', {}, zones);
    expect(printVerdict(await two.ask('connect'))).toBe('DECLINED');
  });

  test('nor does one that has not passed its test', async () => {
    const { plugin, resolver, log } = client(
      ['zen.test'],
      'on_error defer',
      {},
      { '3.2.0.192.zen.test': LISTED },
    );
    await plugin.prepare();
    await resolver.whenAsked('A 2.0.0.127.zen.test');
    await resolver.advance(0);
    expect(log[0]).toContain('dnsbl: list zen.test for IPv4 is not used until it passes its test');
    expect(printVerdict(await plugin.ask('connect'))).toBe('DECLINED');
    expect(resolver.questions).not.toContain('A 3.2.0.192.zen.test');
  });
});

describe('weights', () => {
  const zones: FakeDnsZones = {
    ...inOrder('a.test', 'b.test', 'allow.test'),
    '3.2.0.192.a.test': { A: ['127.0.0.2'], TXT: ['a says so'] },
    '3.2.0.192.b.test': { A: ['127.0.0.2', '127.0.0.10'], TXT: ['b says so'] },
    '4.2.0.192.a.test': { A: ['127.0.0.2'], TXT: ['a says so'] },
    '5.2.0.192.a.test': { A: ['127.0.0.2'] },
    '5.2.0.192.b.test': { A: ['127.0.0.10'] },
    '5.2.0.192.allow.test': { A: ['127.0.5.2'] },
    '6.2.0.192.a.test': { A: ['127.0.0.2'] },
    '6.2.0.192.b.test': { A: ['127.0.0.10'] },
    '6.2.0.192.allow.test': 'SERVFAIL',
  };
  const lines = ['a.test', 'b.test=127.0.0.[10..11]*2', 'allow.test=127.0.[0..255].[1..3]*-3'];

  test.each([
    ['192.0.2.3', 'DENY b says so'],
    ['192.0.2.4', 'DECLINED'],
    ['192.0.2.5', 'DECLINED'],
    ['192.0.2.6', 'DECLINED'],
  ])('%s: %s', async (remoteIp, verdict) => {
    const { ask, session } = client(lines, 'threshold 3', {}, zones);
    session.connection.remoteIp = remoteIp;
    expect(printVerdict(await ask('connect'))).toBe(verdict);
  });

  test('a threshold that nothing can reach is told of at the start', () => {
    expect(client(['zen.test', 'msg.test'], 'threshold 3').log).toEqual([
      'dnsbl: threshold 3 is out of reach: the lists of dnsbl_zones add up to 2',
    ]);
  });
});

describe('clients that are spared', () => {
  test.each(['192.0.2.3', '192.0.2.', '192.0.2', '192.0.'])('by dnsbl_allow %s', async (entry) => {
    const { ask, resolver } = client(['zen.test'], '', { config: { dnsbl_allow: [entry] } });
    expect(printVerdict(await ask('connect'))).toBe('DECLINED');
    expect(resolver.questions).toEqual([]);
  });

  test('relay clients and welcome hosts, also those that became so later', async () => {
    const { ask, session, resolver } = client(['zen.test'], 'check-at rcpt');
    session.connection.relayClient = true;
    await ask('connect');
    expect(resolver.questions).toEqual([]);
    session.connection.relayClient = false;
    await ask('connect');
    session.connection.notes.set(whitelistHost, true);
    expect(printVerdict(await ask('rcpt', 'user@here.example'))).toBe('DECLINED');
    expect(session.connection.karma).toBe(0);
  });

  test('those without an address, and all where there is no zone', async () => {
    const { ask, log } = client([]);
    await ask('connect');
    expect(log).toEqual(['[c1] (connect) dnsbl: skip, no zones']);
    const unix = client(['zen.test']);
    unix.session.connection.remoteIp = '';
    await unix.ask('connect');
    expect(unix.log).toEqual(['[c1] (connect) dnsbl: skip, the client has no address']);
  });
});

describe('RBLSMTPD', () => {
  test.each([
    ['', 'Go away, %IP%', undefined, 'DENY Go away, 192.0.2.3'],
    ['reject connect', 'Go away', 'Ask your provider.', 'DENY Ask your provider. Go away'],
    ['reject_type temp', 'Go away', undefined, 'DENYSOFT Go away'],
    ['reject 0', 'Go away', undefined, 'DECLINED'],
    ['', '', undefined, 'DECLINED'],
  ])('dnsbl %s, RBLSMTPD=%s', async (options, text, message, verdict) => {
    const { ask, resolver } = client(['zen.test'], options, {
      system: { environment: { RBLSMTPD: text } },
      config: message === undefined ? {} : { dnsbl_rejectmsg: [message] },
    });
    expect(printVerdict(await ask('connect'))).toBe(verdict);
    expect(resolver.questions).toEqual([]);
  });
});

describe('accounts that take mail from everybody', () => {
  const reasons = ['(dnsbl) listed by zen.test'];
  const ready = async () => {
    const made = client(['zen.test'], 'reject naughty');
    await made.ask('connect');
    const { notes } = made.session.connection;
    return { ...made, isNaughty: () => notes.get(naughty) !== undefined, notes };
  };

  test('may be written to, alone', async () => {
    const { ask, plugin, isNaughty } = await ready();
    expect(isNaughty()).toBe(true);
    await ask('rcpt', 'abuse@here.example');
    expect(isNaughty()).toBe(false);
    plugin.begin({ from: 'a@b.example', to: ['abuse@here.example'] });
    await ask('data');
    expect(isNaughty()).toBe(false);
  });

  test('do not open the door to anybody else', async () => {
    const { ask, plugin, isNaughty, notes } = await ready();
    await ask('rcpt', 'postmaster@here.example');
    await ask('rcpt', 'user@here.example');
    expect(notes.get(naughty)).toEqual(reasons);
    await ask('rcpt', 'postmaster@here.example');
    plugin.begin({ from: 'a@b.example', to: ['postmaster@here.example', 'user@here.example'] });
    await ask('data');
    expect(isNaughty()).toBe(true);
  });

  test('a client that logs in meanwhile is forgiven', async () => {
    const { ask, session, isNaughty } = await ready();
    await ask('rcpt', 'root@here.example');
    session.connection.relayClient = true;
    await ask('rcpt', 'user@here.example');
    expect(isNaughty()).toBe(false);
  });
});

describe('mistakes in dnsbl_zones', () => {
  test.each([
    [['zen.test', 'zen.test=127.0.0'], /dnsbl_zones:2: `127\.0\.0` is no filter of return codes \(write /],
    [['zen.test famly=4'], /dnsbl_zones:1: unknown option `famly`, did you mean `family`\?/],
    [['zen.test key-file=/none'], /dnsbl_zones:1: .*\/none/],
  ])('%j', (lines, problem) => {
    expect(() => client(lines)).toThrow(problem);
  });

  test('a key comes from a file that others cannot read, and is shown nowhere', async () => {
    const { ask, resolver, log } = client(
      ['dq.test key-file=/etc/key'],
      'loglevel 7',
      { files: { '/etc/key': 'TopSecret\n' } },
      {
        ...inOrder('topsecret.dq.test'),
        '3.2.0.192.topsecret.dq.test': { A: ['127.0.0.2'], TXT: ['http://x/3.2.0.192.topsecret.dq.test'] },
      },
    );
    expect(printVerdict(await ask('connect'))).toBe('DENY http://x/3.2.0.192.[key].dq.test');
    expect(resolver.questions).toContain('A 3.2.0.192.TopSecret.dq.test'.toLowerCase().replace('a ', 'A '));
    expect(log.join('\n').toLowerCase()).not.toContain('topsecret');
    const message = (() => {
      try {
        client(['dq.test key-file=/etc/key'], '', { files: { '/etc/key': 'Top Secret!' } });
        return '';
      } catch (cause) {
        return (cause as Error).message;
      }
    })();
    expect(message).toContain('dnsbl_zones:1: key-file: /etc/key holds no key');
    expect(message).not.toContain('Secret');
  });

  test('made while the daemon runs leave the lists as they were', async () => {
    const { ask, plugin, log } = client(['zen.test']);
    plugin.config.write('dnsbl_zones', ['zen.test*0']);
    expect(printVerdict(await ask('connect'))).toBe('DENY listed by zen.test');
    expect(log.some((line) => line.includes('dnsbl_zones:1: `*0` is no weight'))).toBe(true);
  });
});

test('lists that stay in the file keep what their test has brought', async () => {
  const { ask, plugin, resolver } = client(['zen.test']);
  await ask('connect');
  plugin.config.write('dnsbl_zones', ['zen.test', 'msg.test']);
  await plugin.openSession({ remoteIp: '192.0.2.3' }).ask('connect');
  const tests = resolver.questions.filter((question) => question.startsWith('A 2.0.0.127'));
  expect(tests).toEqual(['A 2.0.0.127.zen.test', 'A 2.0.0.127.msg.test']);
});

test('a list in a file is read before the first client comes, and is no question to the DNS', async () => {
  const { ask, plugin, resolver } = client(['own.test file=/lists/own format=ip4set'], '', {
    files: { '/lists/own': '192.0.2.0/24 :127.0.0.4:$ is on our own list\n' },
  });
  await plugin.prepare();
  expect(printVerdict(await ask('connect'))).toBe('DENY 192.0.2.3 is on our own list');
  expect(resolver.questions).toEqual([]);
});
