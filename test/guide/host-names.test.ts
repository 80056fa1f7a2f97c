/** What docs/guide/lists.md promises about host names in bodies, with what the package exports and nothing else. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { fakeResolver, TestServer, type FakeDnsZones } from '../../host/testing/index.ts';

const GUIDE = readFileSync(new URL('../../docs/guide/lists.md', import.meta.url), 'utf8');

/** The lines of a block that begins with the name of its file. */
const fileOf = (name: string): string[] =>
  new RegExp(`\`\`\`\n# config/${name}\n(.*?)\`\`\``, 's').exec(GUIDE)![1]!.trim().split('\n');

/** Every list is in order. RFC 5782 section 5. */
const IN_ORDER: FakeDnsZones = {
  'test.multi.example.net': { A: ['127.0.0.2'] },
  'test.links.example.org': { A: ['127.0.0.2'] },
};

/** What a client reads after its message, and how the message is delivered. */
async function send(body: string, zones: FakeDnsZones) {
  const resolver = fakeResolver({ ...IN_ORDER, ...zones });
  let delivered = '';
  const server = await TestServer.start({
    plugins: [
      ...fileOf('plugins with uribl'),
      definePlugin({
        name: 'queue/kept',
        about: 'Keeps the message.',
        hooks: {
          async queue({ transaction: { message } }) {
            for await (const block of message.blocks('lf')) delivered += block.toString('latin1');
            return ok('kept');
          },
        },
      }),
    ],
    config: {
      me: ['mx.example'],
      rcpthosts: ['here.example'],
      uribl_zones: fileOf('uribl_zones'),
      uribl_whitelist_domains: ['w3.org'],
    },
    resolver,
  });
  try {
    const client = server.connect({ address: '192.0.2.3' });
    await client.reply();
    for (const line of ['EHLO c.example', 'MAIL FROM:<a@b.example>', 'RCPT TO:<u@here.example>', 'DATA'])
      expect(await client.say(line)).toMatch(/^(?:2|354)/);
    const reply = client.say(`From: a\r\n${body}\r\n.`);
    let isHeard = false;
    void reply.finally(() => (isHeard = true));
    // The time of the DNS goes on until somebody has given up waiting.
    while (!isHeard) await resolver.advance(500);
    return { reply: await reply, delivered, questions: resolver.questions };
  } finally {
    await server.close();
  }
}

const LINK = '\r\nsee http://x.spam.com/';
const marks = (delivered: string): readonly string[] => delivered.match(/^X-URIBL-Match: .*$/gm) ?? [];

describe('the lines of the guide', () => {
  test('accept a message whose names are on no list', async () => {
    const { reply, delivered, questions } = await send(`${LINK} https://www.w3.org/`, {});
    expect(reply).toBe('250 kept');
    expect(marks(delivered)).toEqual([]);
    expect(questions.filter((question) => question.includes('spam')).sort()).toEqual([
      'A spam.com.links.example.org',
      'A spam.com.multi.example.net',
      'A x.spam.com.links.example.org',
      'A x.spam.com.multi.example.net',
    ]);
    expect(questions.join()).not.toContain('w3');
  });

  test('refuse one that is listed under the bits of the line, and no other', async () => {
    const listed = (code: string): FakeDnsZones => ({
      'spam.com.multi.example.net': { A: [code], TXT: ['why'] },
    });
    expect((await send(LINK, listed('127.0.0.10'))).reply).toBe('552 spam.com in multi.example.net: why');
    expect((await send(LINK, listed('127.0.0.4'))).reply).toBe('250 kept');
  });

  test('mark one that is on the other list, by a name below the domain', async () => {
    const { reply, delivered } = await send(LINK, { 'x.spam.com.links.example.org': { A: ['127.0.0.4'] } });
    expect(reply).toBe('250 kept');
    expect(marks(delivered)).toEqual(['X-URIBL-Match: x.spam.com in links.example.org: 127.0.0.4']);
  });

  test.each([
    ['3221226219', '235.2.0.192'],
    ['0xc0.0.555', '43.2.0.192'],
    ['0300.0.2.7', '7.2.0.192'],
  ])('find the address of http://%s/', async (host, name) => {
    const zones: FakeDnsZones = { [`${name}.multi.example.net`]: { A: ['127.0.0.2'] } };
    const { reply } = await send(`\r\nhttp://${host}/`, zones);
    expect(reply).toBe(`552 ${name} in multi.example.net: 127.0.0.2`);
  });

  test('find names behind base64, UTF-16, and entities', async () => {
    const html = Buffer.from('<a href="http://x&#46;spam&period;com/">', 'utf16le').toString('base64');
    const body = [
      'Content-Type: multipart/alternative; boundary=b',
      '',
      '--b',
      '',
      'nothing',
      '--b',
      'Content-Type: text/html; charset=utf-16le',
      'Content-Transfer-Encoding: base64',
      '',
      html,
      '--b--',
    ].join('\r\n');
    const { reply } = await send(body, { 'spam.com.multi.example.net': { A: ['127.0.0.2'] } });
    expect(reply).toBe('552 spam.com in multi.example.net: 127.0.0.2');
  });

  test.each(['timeout', 'SERVFAIL', 'REFUSED', 'unreachable'] as const)(
    'deliver everything while the DNS answers with %s',
    async (fault) => {
      const names = ['spam.com', 'x.spam.com', 'test', 'invalid'];
      const zones = names.flatMap((name) => [`${name}.multi.example.net`, `${name}.links.example.org`]);
      const { reply, delivered } = await send(LINK, Object.fromEntries(zones.map((zone) => [zone, fault])));
      expect(reply).toBe('250 kept');
      expect(marks(delivered)).toEqual([]);
    },
  );
});
