/** What docs/guide/lists.md promises, with what the package exports and nothing else. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { fakeResolver, TestServer, type FakeDnsZones } from '../../host/testing/index.ts';

const GUIDE = readFileSync(new URL('../../docs/guide/lists.md', import.meta.url), 'utf8');

/** A block that begins with the name of its file. */
const block = (name: string): string =>
  new RegExp(`\`\`\`\n# ${name}\n(.*?)\`\`\``, 's').exec(GUIDE)![1]!.trim();
const fileOf = (name: string): string[] => block(`config/${name}`).split('\n');

const TEST = { A: ['127.0.0.2'] };
/** Every list is in order. RFC 5782 section 5. */
const IN_ORDER: FakeDnsZones = {
  '2.0.0.127.zen.example.net': TEST,
  '2.0.0.127.bl.example.org': TEST,
  '2.0.0.127.allow.example.com': TEST,
  '2.0.0.127.known.example': TEST,
  'test.names.example': TEST,
};

/** Stands for the queue of the site, and keeps the log. */
const queueOf = (log: string[]) =>
  definePlugin({
    name: 'queue/kept',
    about: 'Keeps what was logged.',
    hooks: {
      queue: () => ok('kept'),
      logging: (_, { plugin, text }) => void log.push(`${plugin}: ${text}`),
    },
  });

interface Setting {
  readonly zones?: FakeDnsZones;
  readonly plugins?: readonly string[];
  readonly recipient?: string;
  readonly dnsblZones?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly address?: string;
}

/** What a client is told last, and what was asked. */
async function send({
  zones = {},
  plugins = fileOf('plugins'),
  recipient = 'u@here.example',
  dnsblZones = fileOf('dnsbl_zones'),
  files = {},
  address = '192.0.2.3',
}: Setting) {
  const resolver = fakeResolver({ ...IN_ORDER, ...zones });
  const log: string[] = [];
  const server = await TestServer.start({
    plugins: [...plugins, queueOf(log)],
    config: {
      me: ['mx.example'],
      loglevel: ['6'],
      rcpthosts: ['here.example'],
      dnsbl_zones: dnsblZones,
      rhsbl_zones: ['names.example'],
      whitelist_zones: ['known.example'],
    },
    resolver,
    files,
  });
  try {
    const client = server.connect({ address });
    let last = '';
    const hear = async (reply: Promise<string>): Promise<boolean> => {
      let isHeard = false;
      void reply.finally(() => (isHeard = true));
      // The time of the DNS goes on until somebody has given up waiting.
      for (let round = 0; !isHeard && round < 1_000; round++) await resolver.advance(500);
      last = (await reply).split('\n').at(-1)!;
      return /^(?:2|354)/.test(last);
    };
    const lines = [
      'EHLO mail.client.example',
      'MAIL FROM:<a@sender.example>',
      `RCPT TO:<${recipient}>`,
      'DATA',
      'From: a\r\n\r\n.',
    ];
    let goesOn = await hear(client.reply());
    for (const line of lines) goesOn = goesOn && (await hear(client.say(line)));
    return { last, log, questions: resolver.questions };
  } finally {
    await server.close();
  }
}

const QUEUED = '250 kept';
const listedTwice: FakeDnsZones = {
  '3.2.0.192.zen.example.net': { A: ['127.0.0.10'] },
  '3.2.0.192.bl.example.org': { A: ['127.0.0.2'], TXT: ['see http://bl.example.org/192.0.2.3'] },
};

describe('the lines of the guide', () => {
  test('accept a client that no list knows', async () => {
    const { last, questions } = await send({});
    expect(last).toBe(QUEUED);
    for (const list of ['zen.example.net', 'bl.example.org', 'allow.example.com', 'known.example'])
      expect(questions.filter((question) => question === `A 3.2.0.192.${list}`)).toHaveLength(1);
    expect(questions).toContain('A sender.example.names.example');
    expect(questions.filter((question) => question.startsWith('TXT'))).toEqual([]);
  });

  test('refuse one whose lists add up, with the text of the weightiest', async () => {
    expect((await send({ zones: listedTwice })).last).toBe(
      "550 Your address is one of end users: send by your provider's server",
    );
  });

  test('tell a client what its list says', async () => {
    const zones = { '3.2.0.192.zen.example.net': { A: ['127.0.0.4'], TXT: ['see http://zen.example.net/'] } };
    expect((await send({ zones })).last).toBe('550 see http://zen.example.net/');
  });

  test('accept it where an allow list takes the weight away, or spares it altogether', async () => {
    const allowed = { ...listedTwice, '3.2.0.192.allow.example.com': { A: ['127.0.4.2'] } };
    expect((await send({ zones: allowed })).last).toBe(QUEUED);
    const known = { ...listedTwice, '3.2.0.192.known.example': { A: ['127.0.0.2'] } };
    expect((await send({ zones: known })).last).toBe(QUEUED);
    const unsure = { ...listedTwice, '3.2.0.192.allow.example.com': { A: ['127.0.4.0'] } };
    expect((await send({ zones: unsure })).last).toMatch(/^550 /);
  });

  test('accept mail to postmaster', async () => {
    const zones = { ...listedTwice, 'sender.example.names.example': { A: ['127.0.1.2'] } };
    const { last } = await send({ zones, recipient: 'postmaster@here.example' });
    expect(last).toBe(QUEUED);
  });

  test('refuse a sender whose domain is listed', async () => {
    const zones = { 'sender.example.names.example': { A: ['127.0.1.2'] } };
    expect((await send({ zones })).last).toBe(
      '550 Mail from HELO mail.client.example rejected because it is listed in names.example',
    );
  });
});

describe('one list that refuses by itself, at connect', () => {
  const plugins = ['dnsbl', 'rcpt_ok'];
  test('speaks in place of the banner', async () => {
    const zones = { '3.2.0.192.bl.example.org': listedTwice['3.2.0.192.bl.example.org']! };
    expect((await send({ plugins, zones })).last).toBe('550 see http://bl.example.org/192.0.2.3');
  });
});

/** What everybody asks, with one answer to all of it. */
const all = (said: FakeDnsZones[string]): FakeDnsZones => ({
  ...Object.fromEntries(Object.keys(IN_ORDER).map((name) => [name, said])),
  ...Object.fromEntries(
    ['zen.example.net', 'bl.example.org', 'allow.example.com', 'known.example'].flatMap((list) => [
      [`3.2.0.192.${list}`, said],
      [`1.0.0.127.${list}`, said],
    ]),
  ),
  'sender.example.names.example': said,
  'invalid.names.example': said,
});

describe('the mail flows', () => {
  test.each<[string, FakeDnsZones[string]]>([
    ['when the DNS is silent', 'timeout'],
    ['when it fails', 'SERVFAIL'],
    ['when it answers everything with an address of its own', { A: ['203.0.113.80'] }],
    ['when every list has closed, and lists the whole world', { A: ['127.0.0.2'], TXT: ['closed'] }],
    ['when every list refuses to answer', { A: ['127.255.255.254'] }],
  ])('%s', async (_, said) => {
    expect((await send({ zones: all(said) })).last).toBe(QUEUED);
    expect((await send({ zones: all(said), plugins: ['dnsbl', 'rhsbl', 'rcpt_ok'] })).last).toBe(QUEUED);
  });

  test('or waits, if the operator says so and no list has an answer', async () => {
    const plugins = ['dnsbl on_error defer', 'rcpt_ok'];
    expect((await send({ zones: all('SERVFAIL'), plugins })).last).toMatch(/^450 /);
  });
});

describe('local zone files', () => {
  const plugins = ['dnsbl', 'rcpt_ok'];
  const dnsblZones = fileOf("dnsbl_zones with lists of one's own");
  const spammers = `${block('/var/lib/lists/spammers')}\n`;
  const files = {
    '/var/lib/lists/spammers': spammers,
    '/var/lib/lists/mine': '!192.0.2.3',
    '/var/lib/lists/theirs': '192.0.2.0/28 :4:x\n203.0.113.0/24 :4:y\n203.0.113.8 :2:z',
  };
  const lastFor = async (address: string, zones: FakeDnsZones = {}) => {
    const { last, questions } = await send({ zones, plugins, dnsblZones, files, address });
    const labels = address.split('.').reverse().join('.');
    return { last, asked: questions.filter((question) => question.startsWith(`A ${labels}.`)) };
  };

  test.each([
    ['192.0.2.3', '550 Listed for spam, see https://lists.example.net/?192.0.2.3'],
    ['198.51.100.7', '550 An open proxy at 198.51.100.7'],
    ['198.51.100.31', '550 Listed for spam, see https://lists.example.net/?198.51.100.31'],
    ['203.0.113.7', '550 Your network is on our list'],
  ])('refuse %s, and nobody else is asked', async (address, reply) => {
    expect(await lastFor(address)).toMatchObject({ last: reply, asked: [] });
  });

  test.each([
    ['192.0.2.25', '25.2.0.192'],
    ['198.51.100.15', '15.100.51.198'],
    ['203.0.113.8', '8.113.0.203'],
  ])('%s is not on them: the DNS is asked', async (address, labels) => {
    const question = `A ${labels}.zen.example.net`;
    expect(await lastFor(address)).toEqual({ last: QUEUED, asked: [question] });
    expect((await lastFor(address, { [`${labels}.zen.example.net`]: 'timeout' })).last).toBe(QUEUED);
  });

  test('a broken one refuses nobody', async () => {
    const broken = { ...files, '/var/lib/lists/spammers': 'not a zone' };
    const { last, log } = await send({ plugins, dnsblZones, files: broken, address: '192.0.2.3' });
    expect(last).toBe(QUEUED);
    expect(log.join('\n')).toContain(
      '/var/lib/lists/spammers line 1: no entry of this format: no zone of this format; it lists nobody',
    );
  });

  test('the formats of the guide are all there are', () => {
    const formats = [...GUIDE.matchAll(/^\| `(\w+)` +\| .*\|.*\|$/gm)].map(([, format]) => format);
    expect(formats).toEqual(expect.arrayContaining(['ip4set', 'ip4trie', 'ip6trie', 'ip6tset', 'dnset']));
  });
});

test('the log says what each list said', async () => {
  const { log } = await send({ zones: { '3.2.0.192.zen.example.net': { A: ['127.0.0.2'] } } });
  expect(log.join('\n')).toMatch(
    /dnsbl: fail, zen\.example\.net: 127\.0\.0\.2 \(\d+ ms\), bl\.example\.org: not listed \(\d+ ms\), allow\.example\.com: not listed \(\d+ ms\)$/m,
  );
});

test('codes that the guide says are failures are', async () => {
  const codes = [...GUIDE.matchAll(/\b127\.255\.255\.\d+/g)].map(([code]) => code);
  expect(new Set(codes).size).toBeGreaterThanOrEqual(3);
  for (const code of codes)
    expect(
      (await send({ zones: { '3.2.0.192.bl.example.org': { A: [code] } }, plugins: ['dnsbl', 'rcpt_ok'] }))
        .last,
    ).toBe(QUEUED);
});
