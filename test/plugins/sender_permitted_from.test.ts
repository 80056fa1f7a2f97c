/** The plugin sender_permitted_from: its levels and replies, what it leaves for others, and a DNS that does not answer. RFC 7208. */

import { afterEach, describe, expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import {
  fakeResolver,
  printVerdict,
  TestClock,
  testPlugin,
  TestServer,
  type FakeDnsZones,
  type TestClient,
  type TestPluginOptions,
} from '../../host/testing/index.ts';
import { dmarcResult, spfResult, type DmarcResult } from '../../plugins/mailauth/sender-results.ts';
import plugin, { spfPassHost } from '../../plugins/sender_permitted_from/index.ts';

const zones: FakeDnsZones = {
  'pass.example': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
  'fail.example': { TXT: ['v=spf1 -all'] },
  'soft.example': { TXT: ['v=spf1 ~all'] },
  'neutral.example': { TXT: ['v=spf1 ?all'] },
  'broken.example': { TXT: ['v=spf1 ip4:192.0.2.256 -all'] },
  'down.example': 'SERVFAIL',
  'silent.example': 'timeout',
  'explained.example': { TXT: ['v=spf1 -all exp=why.explained.example'] },
  'why.explained.example': { TXT: ['%{i} may not'] },
  'ptr.example': { TXT: ['v=spf1 ptr -all'] },
  '192.0.2.3': { PTR: 'SERVFAIL' },
};

function checked(options: string, more: TestPluginOptions = {}) {
  const clock = new TestClock();
  const dns = fakeResolver(zones, clock);
  const tested = testPlugin(plugin, { options, clock, resolver: dns, ...more });
  return { tested, dns, ask: async (path: string) => printVerdict(await tested.ask('mail', path)) };
}

const use = (domain: string): string => `to use 'a@${domain}' in 'mfrom' identity`;
const FAIL = `fail.example: Sender is not authorized ${use('fail.example')}`;
const SOFT = `soft.example: Sender is not authorized ${use('soft.example')}, however domain is not currently prepared for false failures`;
const NEUTRAL = `neutral.example: Domain does not state whether sender is authorized ${use('neutral.example')}`;
const NONE = 'no.example: No applicable sender policy available';
const BROKEN = 'broken.example: Invalid "ip4" term';
const DOWN = 'down.example: SERVFAIL';

describe('the levels of reject', () => {
  test.each<[string, readonly string[]]>([
    ['pass', ['', '', '', '', '', '', '']],
    [
      'fail',
      ['', '', `DENYSOFT SPF - fail: ${FAIL}`, ...Array<string>(4).fill(`DENY SPF - forgery: ${FAIL}`)],
    ],
    [
      'soft',
      ['', '', '', `DENYSOFT SPF - fail: ${SOFT}`, ...Array<string>(3).fill(`DENY SPF - fail: ${SOFT}`)],
    ],
    ['neutral', ['', '', '', '', '', ...Array<string>(2).fill(`DENY SPF - neutral: ${NEUTRAL}`)]],
    ['no', ['', '', '', '', '', '', `DENY SPF - none: ${NONE}`]],
    [
      'broken',
      [
        '',
        '',
        '',
        '',
        ...Array<string>(2).fill(`DENYSOFT SPF - permerror: ${BROKEN}`),
        `DENY SPF - permerror: ${BROKEN}`,
      ],
    ],
    // Never for good: it is our DNS that failed.
    ['down', ['', '', '', '', ...Array<string>(3).fill(`DENYSOFT SPF - temperror: ${DOWN}`)]],
  ])('%s', async (name, verdicts) => {
    const found: string[] = [];
    for (const level of verdicts.keys()) {
      const { ask } = checked(`reject ${level}`);
      found.push((await ask(`<a@${name}.example>`)).replace(/^DECLINED$/, ''));
    }
    expect(found).toEqual(verdicts);
  });

  test.each([
    ['spf_deny 1', 'fail', 'DENY SPF - forgery'],
    ['spf_deny 1', 'soft', 'DENYSOFT SPF - fail'],
    ['spf_deny 2', 'soft', 'DENY SPF - fail'],
    ['spf_deny 2 reject 6', 'neutral', 'DECLINED'],
    ['spf_deny 0', 'fail', 'DECLINED'],
    ['temperror defer', 'down', 'DENYSOFT SPF - temperror'],
    ['temperror defer', 'fail', 'DECLINED'],
    ['reject 5 temperror accept', 'down', 'DECLINED'],
  ])('%s: %s.example is %s', async (options, name, verdict) => {
    expect(await checked(options).ask(`<a@${name}.example>`)).toMatch(new RegExp(`^${verdict}(?::|$)`));
  });

  test('the file spfbehavior stands in for reject, and may change', async () => {
    const { tested, ask } = checked('', { config: { spfbehavior: '3' } });
    expect(await ask('<a@fail.example>')).toContain('DENY SPF - forgery');
    tested.config.write('spfbehavior', '2');
    expect(await ask('<a@fail.example>')).toContain('DENYSOFT SPF - fail');
    const line = checked('reject 1', { config: { spfbehavior: '3' } });
    expect(await line.ask('<a@fail.example>')).toBe('DECLINED');
  });

  test.each(['reject 7', 'reject x', 'spf_deny 3', 'no_dmarc_policy 5', 'helo always', 'timeout 30'])(
    '`%s` is an error of the configuration',
    (options) => {
      expect(() => checked(options)).toThrow(/sender_permitted_from/);
    },
  );

  test('a policy that hangs on an unanswered question refuses nobody for good', async () => {
    const { ask } = checked('reject 3');
    expect(await ask('<a@ptr.example>')).toBe(
      `DENYSOFT SPF - forgery: ptr.example: Sender is not authorized ${use('ptr.example')}`,
    );
  });

  test('a domain in Unicode is looked up by its A-labels', async () => {
    const { dns, ask } = checked('reject 3');
    dns.set('xn--bcher-kva.example', { TXT: ['v=spf1 -all'] });
    expect(await ask('<a@bücher.example>')).toMatch(/^DENY SPF - forgery: bücher.example: /);
    expect(dns.questions).toEqual(['TXT xn--bcher-kva.example']);
  });
});

describe('what it leaves', () => {
  test.each([
    ['pass', 1, 'pass.example'],
    ['fail', -1, undefined],
    ['soft', -1, undefined],
    ['neutral', 0, undefined],
    ['down', 0, undefined],
  ])('%s: karma %d, spf_pass_host %s', async (name, karma, host) => {
    const { tested, ask } = checked('reject 2');
    await ask(`<a@${name.toUpperCase()}.example>`);
    expect(tested.session.connection.karma).toBe(karma);
    expect(tested.session.transaction.notes.get(spfPassHost)).toBe(host);
    expect(tested.session.connection.authenticationResults).toEqual([
      expect.stringMatching(new RegExp(`^spf=\\w+ smtp.mailfrom=${name.toUpperCase()}.example$`)),
    ]);
  });

  test('the result for DMARC, without waiting for it', async () => {
    const { tested, ask } = checked('');
    expect(await ask('<a@fail.example>')).toBe('DECLINED');
    expect(await tested.session.tasks.result(spfResult)).toEqual({
      result: 'fail',
      domain: 'fail.example',
      scope: 'mfrom',
    });
    expect(tested.session.connection.karma).toBe(0);
  });

  test('nothing for clients that are not checked', async () => {
    const { tested, dns, ask } = checked('reject 6', { client: { relayClient: true } });
    expect(await ask('<a@fail.example>')).toBe('DECLINED');
    expect(tested.session.tasks.result(spfResult)).toBeUndefined();
    const unknown = checked('reject 6', { client: { remoteIp: '0.0.0.0' } });
    expect(await unknown.ask('<a@fail.example>')).toBe('DECLINED');
    expect([...dns.questions, ...unknown.dns.questions]).toEqual([]);
  });

  test.each([
    ['reject 3', 'pass', 'pass, pass.example: Sender is authorized'],
    ['reject 3', 'fail', 'fail, fail.example: Sender is not'],
    ['reject 2', 'neutral', 'fail, tolerated, neutral, neutral.example: Domain does'],
    ['temperror defer', 'fail', 'skip, tolerated (fail: fail.example: Sender is not'],
    ['reject 2', 'soft', 'fail, tolerated, soft, soft.example: Sender is not'],
    ['reject 3', 'no', 'skip, tolerated, none, no.example: No'],
    ['reject 3', 'explained', 'identity (its domain says: 192.0.2.3 may not)'],
  ])('`%s`: the log has `%s` as %s', async (options, name, text) => {
    const { tested, ask } = checked(options);
    await ask(`<a@${name}.example>`);
    expect(tested.log.join('\n')).toContain(text);
  });
});

describe('in a session', () => {
  let server: TestServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  interface Kept {
    readonly header: string;
    readonly received: readonly string[];
  }

  async function start(line: string, more: readonly ReturnType<typeof definePlugin>[] = []) {
    const kept: Kept[] = [];
    const clock = new TestClock();
    const dns = fakeResolver(zones, clock);
    const keep = definePlugin({
      name: 'keep',
      about: 'Keeps headers.',
      hooks: {
        rcpt: () => ok(),
        queue({ transaction: { message } }) {
          kept.push({
            header: message.header.get('Authentication-Results') ?? '',
            received: message.header.all('Received-SPF'),
          });
          return ok('kept');
        },
      },
    });
    server = await TestServer.start({ plugins: [...more, line, keep], resolver: dns, clock });
    const client = server.connect({ address: '192.0.2.3' });
    await client.reply();
    await client.say('EHLO helo.example');
    return { kept, dns, client };
  }

  async function send(client: TestClient, from: string, header = ''): Promise<string> {
    for (const line of [`MAIL FROM:<${from}>`, 'RCPT TO:<r@d.example>', 'DATA']) await client.say(line);
    return client.say(`${header}From: a@b.example\r\n\r\nx\r\n.`);
  }

  test('Received-SPF stands below Received, above what came with the message, and says what was asked', async () => {
    const { kept, client } = await start('sender_permitted_from');
    expect(await send(client, 'a@pass.example', 'Received-SPF: pass (forged)\r\n')).toContain('250');
    expect(kept).toEqual([
      {
        header: 'mx.test; auth=none; spf=pass smtp.mailfrom=pass.example',
        received: [
          "pass (pass.example: Sender is authorized to use 'a@pass.example' in 'mfrom' identity)" +
            ' receiver=mx.test; identity=mailfrom; envelope-from="a@pass.example"; helo=helo.example; client-ip=192.0.2.3',
          'pass (forged)',
        ],
      },
    ]);
  });

  test('an empty reverse-path is checked by the name in HELO, and refused by none of its results', async () => {
    const { kept, client } = await start('sender_permitted_from reject 6');
    await client.say('EHLO fail.example');
    expect(await send(client, '')).toContain('250');
    expect(kept[0]).toEqual({
      header: 'mx.test; auth=none; spf=fail smtp.helo=fail.example',
      received: [
        "fail (fail.example: Sender is not authorized to use 'fail.example' in 'helo' identity)" +
          ' receiver=mx.test; identity=helo; helo=fail.example; client-ip=192.0.2.3',
      ],
    });
  });

  test('`helo annotate` tells both identities', async () => {
    const { kept, client } = await start('sender_permitted_from helo annotate');
    await client.say('EHLO soft.example');
    await send(client, 'a@pass.example');
    expect(kept[0]!.header).toBe(
      'mx.test; auth=none; spf=softfail smtp.helo=soft.example; spf=pass smtp.mailfrom=pass.example',
    );
    expect(kept[0]!.received.map((value) => /identity=(\w+)/.exec(value)![1])).toEqual(['mailfrom', 'helo']);
  });

  test('`helo reject` refuses a client whose name is forbidden to it, and no other', async () => {
    const { client } = await start('sender_permitted_from reject 3 helo reject');
    await client.say('EHLO fail.example');
    expect(await client.say('MAIL FROM:<>')).toBe(
      "550 SPF - forgery: fail.example: Sender is not authorized to use 'fail.example' in 'helo' identity",
    );
    expect(await client.say('MAIL FROM:<a@pass.example>')).toMatch(/^550 SPF - forgery: fail.example/);
    await client.say('EHLO soft.example');
    expect(await client.say('MAIL FROM:<>')).toMatch(/^250/);
  });

  test('a DNS that keeps silent: the message goes on after the time, with temperror in its results', async () => {
    const { kept, dns, client } = await start('sender_permitted_from timeout 20');
    const sent = send(client, 'a@silent.example');
    await dns.whenAsked('TXT silent.example');
    for (let second = 0; second < 20; second++) await dns.advance(1_000);
    expect(await sent).toContain('250');
    expect(kept[0]!.header).toBe('mx.test; auth=none; spf=temperror smtp.mailfrom=silent.example');
  });

  test('what a client calls itself can neither end the field nor add a result', async () => {
    const { kept, client } = await start('sender_permitted_from');
    await client.say('EHLO x"\\;spf=pass(y)');
    await send(client, '"a\\"b; receiver=evil"@pass.example');
    expect(kept[0]!.header).toBe('mx.test; auth=none; spf=pass smtp.mailfrom=pass.example');
    const [field = ''] = kept[0]!.received;
    expect(field).toContain(
      'envelope-from="a\\"b; receiver=evil@pass.example"; helo="x\\"\\\\;spf=pass(y)"; client-ip',
    );
    await send(client, '');
    expect(kept[1]!.header).toBe('mx.test; auth=none; spf=none smtp.helo="x\\"\\\\;spf=pass(y)"');
  });

  test('RSET ends the lookup, and its result is none of the next message', async () => {
    const { kept, dns, client } = await start('sender_permitted_from');
    await client.say('MAIL FROM:<a@silent.example>');
    await client.say('RSET');
    await send(client, 'a@pass.example');
    expect(kept[0]!.header).toBe('mx.test; auth=none; spf=pass smtp.mailfrom=pass.example');
    expect(dns.questions.slice(-2)).toEqual(['TXT silent.example', 'TXT pass.example']);
  });

  const dmarcSays = (said: Partial<DmarcResult>) =>
    definePlugin({
      name: 'dmarc_test',
      about: 'Says what DMARC has found.',
      hooks: {
        data_post_headers: ({ tasks }) => tasks.start(dmarcResult, () => said as DmarcResult),
      },
    });

  test.each<[number, string, Partial<DmarcResult> | undefined, string]>([
    [1, 'fail', undefined, `552 SPF - fail: ${FAIL}`],
    [1, 'fail', { result: 'none' }, `552 SPF - fail: ${FAIL}`],
    [1, 'fail', { result: 'pass' }, '250'],
    [1, 'fail', { result: 'temperror' }, '250'],
    [1, 'soft', { result: 'none' }, '250'],
    [2, 'soft', { result: 'none' }, `552 SPF - softfail: ${SOFT}`],
    [3, 'neutral', { result: 'none' }, `552 SPF - neutral: ${NEUTRAL}`],
    [3, 'no', { result: 'none' }, '250'],
    [4, 'no', { result: 'none' }, `552 SPF - none: ${NONE}`],
    [4, 'broken', { result: 'none' }, `552 SPF - permerror: ${BROKEN}`],
    [4, 'down', { result: 'none' }, '250'],
    [4, 'pass', { result: 'none' }, '250'],
  ])('no_dmarc_policy %d: %s.example, DMARC %j: %s', async (level, name, said, reply) => {
    const more = said === undefined ? [] : [dmarcSays(said)];
    const { client } = await start(`sender_permitted_from no_dmarc_policy ${level}`, more);
    expect(await send(client, `a@${name}.example`)).toMatch(new RegExp(`^${reply.replace(/[()]/g, '\\$&')}`));
  });
});
