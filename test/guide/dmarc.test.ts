/** docs/guide/dmarc.md, tried with what the package exports. */

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import {
  fakeResolver,
  MemoryLogs,
  TestClock,
  TestServer,
  type FakeDnsZones,
  type FakeResolver,
  type TestServerOptions,
} from '../../host/testing/index.ts';

const GUIDE = readFileSync(new URL('../../docs/guide/dmarc.md', import.meta.url), 'utf8');

/** A queue that keeps what it is given. */
function keeper(): { kept: string[]; plugin: ReturnType<typeof definePlugin> } {
  const kept: string[] = [];
  const plugin = definePlugin({
    name: 'queue/keeper',
    about: 'Keeps messages for a test.',
    hooks: {
      rcpt: () => ok(),
      async queue({ transaction }) {
        const blocks: Buffer[] = [];
        for await (const block of transaction.message.blocks('lf')) blocks.push(block);
        kept.push(Buffer.concat(blocks).toString());
        return ok();
      },
    },
  });
  return { kept, plugin };
}

interface Sent {
  readonly log: string;
  readonly reply: string;
  /** What was queued, unfolded. */
  readonly kept: string | undefined;
  /** The same as it was queued. */
  readonly octets: string;
}

/** A message with the header, sent to a server with these lines of plugins. */
async function send(
  lines: string | readonly string[],
  resolver: FakeResolver,
  header: string,
  more: TestServerOptions = {},
): Promise<Sent> {
  const { kept, plugin } = keeper();
  const logs = new MemoryLogs();
  const server = await TestServer.start({
    plugins: ['logging/warn LOGINFO', ...[lines].flat(), plugin],
    logs,
    resolver,
    ...more,
  });
  try {
    const client = await server.greeted();
    for (const text of ['MAIL FROM:<a@b.example>', 'RCPT TO:<u@mx.example>', 'DATA']) await client.say(text);
    const reply = await client.say(`${header === '' ? '' : `${header}\r\n`}Subject: x\r\n\r\nx\r\n.`);
    return {
      log: logs.errors.join('\n'),
      reply,
      octets: kept[0] ?? '',
      kept: kept[0]?.replace(/\n[ \t]+/g, ' '),
    };
  } finally {
    await server.close();
  }
}

const FROM = 'From: a@b.example';
const policy = (tags: string): FakeResolver =>
  fakeResolver({ '_dmarc.b.example': { TXT: [`v=DMARC1; ${tags}`] } });

test('dmarc accepts what has no policy, or asks for nothing', async () => {
  const none = await send('dmarc', fakeResolver(), FROM);
  expect(none.reply).toMatch(/^250 /);
  expect(none.kept).toContain('dmarc=none header.from=b.example');
  const tolerated = await send('dmarc', policy('p=none'), FROM);
  expect(tolerated.kept).toContain('dmarc=fail (p=none dis=none) header.from=b.example policy.dmarc=none');
});

test('dmarc refuses what the Author Domain wants refused', async () => {
  const { reply, kept } = await send('dmarc', policy('p=reject'), FROM);
  expect(reply).toBe('552 failed DMARC policy');
  expect(kept).toBeUndefined();
  expect(GUIDE).toContain('dmarc=fail (p=reject dis=reject) header.from=b.example policy.dmarc=reject');
});

test('dmarc reject 0 tells and refuses nothing', async () => {
  const { reply, kept } = await send('dmarc reject 0', policy('p=reject'), FROM);
  expect(reply).toMatch(/^250 /);
  expect(kept).toContain('dmarc=fail (p=reject dis=none local_policy) header.from=b.example');
});

test('a silent DNS is waited for as long as the guide says, and refuses nothing', async () => {
  const clock = new TestClock(Date.parse('2026-11-30T12:00:00Z'));
  const resolver = fakeResolver({ '_dmarc.b.example': 'timeout' }, clock);
  const sent = send('dmarc', resolver, FROM, { clock });
  await resolver.whenAsked('TXT _dmarc.b.example');
  expect(GUIDE).toContain('`dns_timeout`, ten seconds');
  await resolver.advance(10_000);
  const { reply, kept } = await sent;
  expect(reply).toMatch(/^250 /);
  expect(kept).toContain('dmarc=temperror header.from=b.example');
});

test('a DNS that fails refuses nothing, and defers if the line says so', async () => {
  const dead = (): FakeResolver => fakeResolver({ '_dmarc.b.example': 'SERVFAIL' });
  const taken = await send('dmarc', dead(), FROM);
  expect(taken.reply).toMatch(/^250 /);
  expect(taken.kept).toContain('dmarc=temperror header.from=b.example');
  const { reply } = await send('dmarc on_error defer', dead(), FROM);
  expect(reply).toMatch(/^452 Internal error - please try again later/);
  expect(GUIDE).toContain('`452 Internal error - please try again later`');
});

test('the replies to From fields are those of the table in the guide', async () => {
  const many = (count: number): string =>
    `From: ${Array.from({ length: count }, (_, at) => `a@${at}.b.example`).join(', ')}`;
  for (const header of [
    '',
    'From:',
    `${FROM}\r\n${FROM}`,
    'From: x',
    'From: x:;',
    many(2),
    many(5),
    many(6),
  ]) {
    const { reply } = await send('dmarc', policy('p=reject'), header);
    expect(reply).toMatch(/^552 /);
    expect(GUIDE).toContain(`\`${reply}\``);
  }
});

test('the log of what is tolerated is the line in the guide', async () => {
  const [, line = 'none'] = /```\n(dmarc: fail, tolerated, .*)\n```/.exec(GUIDE) ?? [];
  expect((await send('dmarc reject 0', policy('p=reject'), FROM)).log).toContain(line);
});

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const KEY = {
  'dkim/lists.example.org/selector': 's',
  'dkim/lists.example.org/private': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
};
const RECORD = `v=DKIM1; k=rsa; p=${publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`;
const KEY_NAME = 's._domainkey.lists.example.org';
const POLICY = { '_dmarc.b.example': { TXT: ['v=DMARC1; p=reject'] } } as const;

/** What a forwarder makes of a message that passed when it came there. */
async function forwarded(): Promise<string> {
  const vouching = definePlugin({
    name: 'vouching',
    about: 'Stands for DMARC that has passed.',
    hooks: {
      data_post_headers: ({ connection }) =>
        connection.addAuthenticationResult('dmarc=pass header.from=b.example'),
    },
  });
  const lines = ['vouching', 'arc seal lists.example.org'];
  const { octets } = await send(lines, fakeResolver(), FROM, { config: KEY, definitions: [vouching] });
  expect(octets).toMatch(/^ARC-Seal: i=1; a=rsa-sha256; .*cv=none;\n/);
  return octets
    .replaceAll('\n', '\r\n')
    .replace(/\r\n\r\n[^]*$/, '')
    .replace(/\r\nSubject: x$/, '');
}

test('arc seals, and what a trusted forwarder has sealed is taken though it fails', async () => {
  const header = await forwarded();
  const [, trusted = ''] = /```\n# config\/dmarc_trusted_sealers\n([^]*?)```/.exec(GUIDE) ?? [];
  const lines = ['arc', 'dmarc'];
  const resolver = (): FakeResolver => fakeResolver({ ...POLICY, [KEY_NAME]: { TXT: [RECORD] } });
  expect((await send(lines, resolver(), header)).reply).toBe('552 failed DMARC policy');
  const taken = await send(lines, resolver(), header, { config: { dmarc_trusted_sealers: trusted } });
  expect(taken.reply).toMatch(/^250 /);
  expect(taken.kept).toContain('arc=pass (i=1 as.d=lists.example.org)');
});

test('results that a client has written are never sealed as ours', async () => {
  const forged = `Authentication-Results: mx.example; dmarc=pass header.from=b.example\r\n${FROM}`;
  const config = { ...KEY, 'me-auth-results': 'none' };
  const { log, octets } = await send('arc seal lists.example.org', fakeResolver(), forged, { config });
  expect(octets).toContain('Authentication-Results: mx.example; dmarc=pass');
  expect(octets).not.toContain('ARC-');
  expect(log).toContain('me-auth-results says none');
});

test('arc: without an answer of the DNS a chain fails, and nothing is refused for that', async () => {
  const header = await forwarded();
  const failing = await send('arc', fakeResolver({ [KEY_NAME]: 'SERVFAIL' }), header);
  expect(failing.reply).toMatch(/^250 /);
  expect(failing.kept).toContain('arc=fail (');
  const clock = new TestClock(Date.parse('2026-11-30T12:00:00Z'));
  const silent = fakeResolver({ [KEY_NAME]: 'timeout' }, clock);
  const sent = send('arc', silent, header, { clock });
  await silent.whenAsked(`TXT ${KEY_NAME}`);
  await silent.advance(25_000);
  expect((await sent).kept).toContain('arc=fail (');
});

/** SPF permits the client of the test. */
const PERMITTED = { 'b.example': { TXT: ['v=spf1 ip4:127.0.0.1 -all'] } } as const;

test('a message that SPF could not be asked about is not refused for that', async () => {
  // Nobody after it is asked, sender_permitted_from neither.
  const welcoming = definePlugin({ name: 'welcoming', about: 'For a test.', hooks: { mail: () => ok() } });
  const resolver = fakeResolver({ ...POLICY, ...PERMITTED });
  const lines = ['welcoming', 'sender_permitted_from', 'dmarc'];
  const { kept, reply } = await send(lines, resolver, FROM, { definitions: [welcoming] });
  expect(reply).toMatch(/^250 /);
  expect(kept).toContain('dmarc=temperror (p=reject dis=none) header.from=b.example');
  // It could not have passed for another domain.
  const elsewhere = fakeResolver({ '_dmarc.c.example': { TXT: ['v=DMARC1; p=reject'] } });
  const other = await send(lines, elsewhere, 'From: a@c.example', { definitions: [welcoming] });
  expect(other.reply).toBe('552 failed DMARC policy');
});

test('dmarc takes what SPF permits, and waits for no other line', async () => {
  for (const lines of [
    ['sender_permitted_from', 'dmarc'],
    ['dmarc', 'sender_permitted_from'],
  ]) {
    const { kept, reply } = await send(lines, fakeResolver({ ...POLICY, ...PERMITTED }), FROM);
    expect(reply).toMatch(/^250 /);
    expect(kept).toContain('dmarc=pass (p=reject dis=pass) header.from=b.example policy.dmarc=reject');
  }
  const forged = fakeResolver({ ...POLICY, 'b.example': { TXT: ['v=spf1 -all'] } });
  expect((await send(['sender_permitted_from', 'dmarc'], forged, FROM)).reply).toBe(
    '552 failed DMARC policy',
  );
});

test('bimi tells where the logo is, and what the guide shows', async () => {
  const zones = (logo: FakeDnsZones): FakeResolver => fakeResolver({ ...POLICY, ...PERMITTED, ...logo });
  const lines = ['sender_permitted_from', 'dmarc', 'bimi'];
  const logo = { 'default._bimi.b.example': { TXT: ['v=BIMI1; l=https://b.example/logo.svg'] } };
  const found = await send(lines, zones(logo), FROM);
  const [, shown = ''] = /```\n(BIMI-Location[^]*?)```/.exec(GUIDE) ?? [];
  const parts = shown
    .trim()
    .split('\n')
    .filter((text) => !text.startsWith('Authentication'));
  expect(parts.length).toBe(4);
  for (const part of parts) expect(found.kept).toContain(part.trim().replace(/;$/, ''));
  const dead = await send(lines, zones({ 'default._bimi.b.example': 'SERVFAIL' }), FROM);
  expect(dead.reply).toMatch(/^250 /);
  expect(dead.kept).toContain('bimi=temperror');
});
