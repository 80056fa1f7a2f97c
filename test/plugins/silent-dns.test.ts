/** A message while the DNS says nothing: the plugins in the order of config.sample wait together, not one after the other. */

import { createHash } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { fakeResolver, TestClock, TestServer, type TestClient } from '../../host/testing/index.ts';
import { PATIENCE_MS } from '../patience.ts';

const IP = '192.0.2.3';
const SILENT = [
  IP,
  '3.2.0.192.allow.test',
  '3.2.0.192.bl.test',
  'sender.example',
  'sender.example.rhs.test',
  'key._domainkey.sender.example',
  '_dmarc.author.example',
  'named.com.uri.test',
];
const TIMEOUT_MS = 5_000;

const CONFIG = {
  rcpthosts: 'mx.test',
  whitelist_zones: 'allow.test test=no',
  dnsbl_zones: 'bl.test test=no',
  rhsbl_zones: 'rhs.test test=no',
  uribl_zones: 'uri.test test=no',
};

const servers: TestServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

async function start(plugins: readonly string[]) {
  const clock = new TestClock(Date.UTC(2026, 0, 1));
  const resolver = fakeResolver(Object.fromEntries(SILENT.map((name) => [name, 'timeout' as const])), clock);
  const server = await TestServer.start({ plugins, config: CONFIG, resolver, clock });
  servers.push(server);
  const client = server.connect({ address: IP });
  return { client, clock, resolver };
}

/** The server looks the client's name up before anything else. */
async function greet(client: TestClient, resolver: ReturnType<typeof fakeResolver>): Promise<void> {
  await resolver.whenAsked(`PTR ${IP}`);
  await resolver.advance(TIMEOUT_MS);
}

const BODY = 'See http://named.com/\r\n';
const bodyHash = createHash('sha256').update(BODY).digest('base64');
const MESSAGE = [
  'DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=sender.example; s=key; h=from;',
  ` bh=${bodyHash}; b=${Buffer.alloc(256, 1).toString('base64')}`,
  'From: a@author.example',
  '',
  BODY,
].join('\r\n');

test(
  'the chain of config.sample costs one time-out at MAIL, and one at the end of data',
  async () => {
    const { client, clock, resolver } = await start([
      'dns_whitelist_soft timeout 5',
      `iprev timeout 5`,
      'fcrdns timeout 5',
      'resolvable_fromhost timeout 5 dns_failure accept',
      'rhsbl timeout 5',
      'dnsbl check-at rcpt timeout 5',
      'sender_permitted_from reject 3 timeout 5',
      'rcpt_ok',
      'dkim',
      'arc',
      'dmarc dns_timeout 10',
      'bimi',
      'uribl timeout 10',
      'queue/discard',
    ]);
    await greet(client, resolver);
    expect(await client.reply()).toMatch(/^220 /);
    await client.say('EHLO client.example');

    const mailAt = clock.now();
    const mail = client.say('MAIL FROM:<a@sender.example>');
    const begun = ['MX sender.example', 'TXT sender.example', 'A sender.example.rhs.test'];
    for (const question of begun) await resolver.whenAsked(question);
    await resolver.advance(TIMEOUT_MS);
    expect(await mail).toMatch(/^250 /);
    expect(await client.say('RCPT TO:<b@mx.test>')).toMatch(/^250 /);
    expect(clock.now() - mailAt).toBe(TIMEOUT_MS);

    expect(await client.say('DATA')).toMatch(/^354 /);
    const dataAt = clock.now();
    const end = client.say(`${MESSAGE}.`);
    const late = ['TXT key._domainkey.sender.example', 'TXT _dmarc.author.example', 'A named.com.uri.test'];
    for (const question of late) await resolver.whenAsked(question);
    await resolver.advance(10_000);
    expect(await end).toMatch(/^250 /);
    expect(clock.now() - dataAt).toBe(10_000);
    client.destroy();
  },
  PATIENCE_MS,
);

test(
  'SPF, DKIM and DMARC cost one time-out together where SPF is waited for with the header',
  async () => {
    const { client, clock, resolver } = await start([
      'rcpt_ok',
      'sender_permitted_from timeout 10',
      'dkim',
      'dmarc dns_timeout 10',
      'queue/discard',
    ]);
    await greet(client, resolver);
    await client.reply();
    await client.say('EHLO client.example');
    await client.say('MAIL FROM:<a@sender.example>');
    await client.say('RCPT TO:<b@mx.test>');
    await client.say('DATA');
    const dataAt = clock.now();
    const end = client.say(`${MESSAGE}.`);
    const asked = ['TXT sender.example', 'TXT key._domainkey.sender.example', 'TXT _dmarc.author.example'];
    for (const question of asked) await resolver.whenAsked(question);
    await resolver.advance(10_000);
    expect(await end).toMatch(/^250 /);
    expect(clock.now() - dataAt).toBe(10_000);
    expect(resolver.questions.filter((question) => question.startsWith('TXT key.'))).toHaveLength(1);
    client.destroy();
  },
  PATIENCE_MS,
);

test(
  'lists that are waited for at connect keep nothing of what comes after them from beginning',
  async () => {
    const { client, clock, resolver } = await start([
      'dnsbl timeout 5',
      'dns_whitelist_soft timeout 5',
      'iprev timeout 5',
      'helo policy rfc timeout 5',
      'rcpt_ok',
    ]);
    await greet(client, resolver);
    const connectedAt = clock.now();
    // The server's own question is over; those of iprev and helo are the second and the third.
    await resolver.whenAsked(`PTR ${IP}`, 3);
    await resolver.whenAsked('A 3.2.0.192.allow.test');
    await resolver.whenAsked('A 3.2.0.192.bl.test');
    await resolver.advance(TIMEOUT_MS);
    expect(await client.reply()).toMatch(/^220 /);
    expect(clock.now() - connectedAt).toBe(TIMEOUT_MS);
    client.destroy();
  },
  PATIENCE_MS,
);

test('a client that may relay causes no question, though a plugin before is waited for', async () => {
  const resolver = fakeResolver(Object.fromEntries(SILENT.map((name) => [name, 'timeout' as const])));
  const server = await TestServer.start({
    plugins: [
      'relay',
      'earlytalker wait 0',
      'dnsbl',
      'iprev',
      'resolvable_fromhost',
      'sender_permitted_from',
      'rhsbl',
    ],
    config: { ...CONFIG, relayclients: IP },
    resolver,
  });
  servers.push(server);
  const client = server.connect({ address: IP });
  await resolver.whenAsked(`PTR ${IP}`);
  await resolver.advance(TIMEOUT_MS);
  expect(await client.reply()).toMatch(/^220 /);
  await client.say('EHLO client.example');
  expect(await client.say('MAIL FROM:<a@sender.example>')).toMatch(/^250 /);
  expect(resolver.questions).toEqual([`PTR ${IP}`]);
  client.destroy();
});
