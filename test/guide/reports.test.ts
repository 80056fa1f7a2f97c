/** docs/guide/reports.md, tried with what the package exports: a message comes, a day passes, a report leaves. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { fakeResolver, MemoryStores, TestClock, TestServer } from '../../host/testing/index.ts';

const GUIDE = readFileSync(new URL('../../docs/guide/reports.md', import.meta.url), 'utf8');
const [LINES = ''] = /(?<=# config\/plugins\n)sender_permitted_from[^`]*/.exec(GUIDE) ?? [];

const accept = definePlugin({
  name: 'accept',
  about: 'Accepts.',
  hooks: { rcpt: () => ok(), queue: () => ok() },
});

/** The next hop that the guide names, and what it has got. */
async function nextHop() {
  const got: { to: string; from: string; body: string }[] = [];
  const keep = definePlugin({
    name: 'keep',
    about: 'Keeps.',
    hooks: {
      rcpt: () => ok(),
      async queue({ transaction }) {
        const { message, recipients, reversePath } = transaction;
        const blocks: Buffer[] = [];
        for await (const block of message.body('lf')) blocks.push(block);
        const body = Buffer.concat(blocks).toString('latin1');
        got.push({
          to: recipients.map(({ address }) => String(address)).join(),
          from: String(reversePath),
          body,
        });
        return ok();
      },
    },
  });
  const server = await TestServer.start({ plugins: [keep] });
  return { server, got };
}

const daemon = (clock: TestClock, store: MemoryStores, hop: TestServer): Promise<TestServer> =>
  TestServer.start({
    plugins: [...LINES.trim().split('\n'), accept],
    clock,
    store,
    resolver: fakeResolver({
      '_dmarc.a.example': { TXT: ['v=DMARC1; p=reject; rua=mailto:reports@a.example'] },
      'a.example': { TXT: ['v=spf1 -all'] },
    }),
    daemons: {
      '127.0.0.1:2525': (stream) => {
        // The banner comes once the client of this connection listens.
        setImmediate(() => {
          const end = hop.connectStream();
          stream.pipe(end).pipe(stream);
        });
      },
    },
  });

test('a refused message is told to its domain on the next day', async () => {
  expect(LINES).toContain('dmarc_reports');
  const clock = new TestClock(Date.parse('2026-11-29T12:00:00Z'));
  const store = new MemoryStores(clock);
  const hop = await nextHop();
  let server = await daemon(clock, store, hop.server);
  const client = await server.greeted();
  for (const line of ['MAIL FROM:<x@a.example>', 'RCPT TO:<u@mx.example>', 'DATA']) await client.say(line);
  expect(await client.say('From: x@a.example\r\nSubject: s\r\n\r\nx\r\n.')).toMatch(/^552 .*DMARC policy/);
  await server.close();
  expect(hop.got).toEqual([]);
  clock.advance(86_400_000);
  server = await daemon(clock, store, hop.server);
  await expect.poll(() => hop.got.length).toBe(1);
  const [{ to, from, body }] = hop.got as [(typeof hop.got)[0]];
  expect([to, from]).toEqual(['<reports@a.example>', '<>']);
  const [, encoded = ''] = /filename=[^]*?\n\n([^]*?)\n--/.exec(body) ?? [];
  const report = gunzipSync(Buffer.from(encoded, 'base64')).toString();
  expect(report).toContain('<disposition>reject</disposition>');
  expect(report).toContain('<org_name>Example Ltd</org_name>');
  await server.close();
  await hop.server.close();
});
