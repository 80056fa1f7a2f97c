/** What docs/guide/client-checks.md promises, with what the package exports and nothing else. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { fakeResolver, TestServer, type FakeDnsZones } from '../../host/testing/index.ts';

const GUIDE = readFileSync(new URL('../../docs/guide/client-checks.md', import.meta.url), 'utf8');

/** The lines of a block that begins with the name of its file. */
const fileOf = (name: string): string[] =>
  new RegExp(`\`\`\`\n# config/${name}\n(.*?)\`\`\``, 's').exec(GUIDE)![1]!.trim().split('\n');

const CLIENT = '192.0.2.3';
const GOOD: FakeDnsZones = {
  [CLIENT]: { PTR: ['mail.client.example'] },
  'mail.client.example': { A: [CLIENT] },
  'good.example': { MX: ['10 mx.good.example'] },
  'mx.good.example': { A: ['192.0.2.11'] },
};

interface Setting {
  readonly zones: FakeDnsZones;
  /** Undefined: those of the guide. */
  readonly plugins?: readonly string[];
  readonly files?: Record<string, readonly string[]>;
}

/** Stands for the queue of the site. */
const queueOf = (headers: string[]) =>
  definePlugin({
    name: 'queue/kept',
    about: 'Keeps what Authentication-Results say.',
    hooks: {
      queue({ transaction }) {
        headers.push(transaction.message.header.get('Authentication-Results') ?? '');
        return ok('kept');
      },
    },
  });

/** What a client is told at EHLO, MAIL and, for each of two messages, at the end of DATA. */
async function send({ zones, plugins = fileOf('plugins'), files = {} }: Setting) {
  const resolver = fakeResolver(zones);
  const results: string[] = [];
  const server = await TestServer.start({
    plugins: [...plugins, queueOf(results)],
    config: {
      me: ['mx.example'],
      rcpthosts: ['here.example'],
      invalid_resolvable_fromhost: fileOf('invalid_resolvable_fromhost'),
      ...files,
    },
    resolver,
  });
  try {
    const client = server.connect({ address: CLIENT });
    const replies: string[] = [];
    const hear = async (reply: Promise<string>) => {
      let isHeard = false;
      void reply.finally(() => (isHeard = true));
      // The time of the DNS goes on until somebody has given up waiting.
      for (let round = 0; !isHeard && round < 1_000; round++) await resolver.advance(500);
      const text = await reply;
      replies.push(text.split('\n').at(-1)!);
      return text.startsWith('2') || text.startsWith('354');
    };
    const talk = async () => {
      if (!(await hear(client.reply())) || !(await hear(client.say('EHLO mail.client.example')))) return;
      for (let message = 0; message < 2; message++)
        for (const line of [
          'MAIL FROM:<a@good.example>',
          'RCPT TO:<u@here.example>',
          'DATA',
          'From: a\r\n\r\n.',
        ])
          if (!(await hear(client.say(line)))) return;
    };
    await talk();
    return { last: replies.at(-1)!, results, questions: resolver.questions };
  } finally {
    await server.close();
  }
}

const QUEUED = '250 kept';

/** A DNS that says nothing at all, and one that always fails. */
const dead = (fault: 'timeout' | 'SERVFAIL'): FakeDnsZones =>
  Object.fromEntries(Object.keys(GOOD).map((name) => [name, fault]));

describe('the plugins of the guide', () => {
  test('accept an honest client', async () => {
    const { last, results } = await send({ zones: GOOD });
    expect(last).toBe(QUEUED);
    // In every message of the connection, once.
    expect(results).toHaveLength(2);
    for (const result of results)
      expect(result.match(/iprev=pass policy\.iprev=192\.0\.2\.3/g)).toHaveLength(1);
  });

  test.each<[string, string[], FakeDnsZones, string]>([
    [
      'iprev reject 1',
      ['iprev reject 1'],
      { [CLIENT]: 'NXDOMAIN' },
      '550 No name of your address 192.0.2.3 leads back to it (#5.7.25)',
    ],
    [
      'helo policy rfc',
      ['helo policy rfc'],
      { 'mail.client.example': 'NXDOMAIN' },
      '550 HELO hostname does not exist',
    ],
    [
      'helo policy strict',
      ['helo policy strict'],
      { 'mail.client.example': { A: ['198.51.100.1'] }, [CLIENT]: { PTR: ['x.test'] } },
      '550 That HELO hostname fails FCrDNS',
    ],
    [
      'resolvable_fromhost',
      ['resolvable_fromhost'],
      { 'good.example': 'NXDOMAIN' },
      '450 Temporary address resolution failure (#4.4.3)',
    ],
    [
      'a domain that takes no mail',
      ['resolvable_fromhost'],
      { 'good.example': { MX: ['0 .'] } },
      '450 FQDN required in the envelope sender (#4.1.8)',
    ],
    [
      'a mail host on a private network',
      ['resolvable_fromhost'],
      { 'mx.good.example': { A: ['10.1.2.3'] } },
      '450 FQDN required in the envelope sender (#4.1.8)',
    ],
  ])('refuse: %s', async (_, plugins, zones, reply) => {
    const refused = await send({ zones: { ...GOOD, ...zones }, plugins: [...plugins, 'rcpt_ok'] });
    expect(refused.last).toBe(reply);
    // And not those who are welcome.
    const welcome = await send({
      zones: { ...GOOD, ...zones },
      plugins: ['whitelist', ...plugins, 'rcpt_ok'],
      files: { whitelisthosts: [CLIENT] },
    });
    expect(welcome.last).toBe(QUEUED);
  });

  test('fcrdns refuses nobody', async () => {
    const { last, results } = await send({
      zones: { ...GOOD, [CLIENT]: 'NXDOMAIN' },
      plugins: ['fcrdns', 'rcpt_ok'],
    });
    expect(last).toBe(QUEUED);
    expect(results[0]).toContain('iprev=permerror');
  });
});

describe.each([
  ['silent', dead('timeout')],
  ['failing', dead('SERVFAIL')],
])('with a %s DNS', (_, zones) => {
  test.each<[string, string, string]>([
    ['iprev reject 1', QUEUED, 'iprev=temperror policy.iprev=192.0.2.3'],
    ['fcrdns', QUEUED, 'iprev=temperror'],
    ['helo policy rfc', '450 error getting reverse DNS for 192.0.2.3', ''],
    ['resolvable_fromhost', '450 Temporary address resolution failure (#4.4.3)', ''],
    ['resolvable_fromhost reject_type perm', '450 Temporary address resolution failure (#4.4.3)', ''],
    ['resolvable_fromhost dns_failure accept', QUEUED, ''],
    ['whitelist', QUEUED, ''],
  ])('%s: %s', async (line, reply, result) => {
    const { last, results } = await send({ zones, plugins: [line, 'rcpt_ok'] });
    expect(last).toBe(reply);
    if (reply === QUEUED) expect(results[0]).toContain(result);
  });
});
