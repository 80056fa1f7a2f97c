/** The core follows so many messages at once and no more: what BDAT does when there is no slot, and that all come back. */

import { afterEach, describe, expect, test } from 'vitest';
import { definePlugin, deny, ok } from '../../bindings/plugin/index.ts';
import { TestServer, type TestClient } from '../../host/testing/index.ts';

const servers: TestServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

const judge = definePlugin({
  name: 'judge',
  about: 'Refuses what it is asked to refuse, and accepts the rest.',
  hooks: {
    data: ({ transaction }) =>
      transaction.reversePath?.localPart === 'early' ? deny('not begun') : undefined,
    data_post: ({ transaction }) =>
      transaction.reversePath?.localPart === 'late' ? deny('not this one') : undefined,
    queue: () => ok('kept'),
  },
});

async function start(): Promise<TestServer> {
  const config = { rcpthosts: 'example.test', databytes: '1000' };
  const server = await TestServer.start({ plugins: ['rcpt_ok', judge], config });
  servers.push(server);
  return server;
}

async function envelope(client: TestClient, sender = 'a'): Promise<void> {
  expect(await client.say(`MAIL FROM:<${sender}@b.example>`)).toMatch(/^250 /);
  expect(await client.say('RCPT TO:<u@example.test>')).toMatch(/^250 /);
}

type Core = TestServer['server']['core'];

/** Takes every free slot of the core. */
function takeAll(core: Core): number[] {
  const slots: number[] = [];
  for (let slot = core.openData(); slot !== 0; slot = core.openData()) slots.push(slot);
  return slots;
}

function countFree(core: Core): number {
  const slots = takeAll(core);
  for (const slot of slots) core.closeData(slot);
  return slots.length;
}

describe('without a free slot', () => {
  test('the first chunk is refused for now and its octets are no commands; further ones get the same until MAIL', async () => {
    const server = await start();
    const { core } = server.server;
    const client = await server.greeted();
    await envelope(client);
    const slots = takeAll(core);
    try {
      client.send('BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nRSET\r\nNOOP\r\n');
      expect(await client.reply()).toBe('452 Mail system full.');
      expect(await client.reply()).toBe('452 Mail system full.');
      expect(await client.reply()).toBe('250 OK');
      await envelope(client);
      expect(await client.say('BDAT 0 LAST')).toBe('452 Mail system full.');
    } finally {
      for (const slot of slots) core.closeData(slot);
    }
    await envelope(client);
    client.send('BDAT 14 LAST\r\nSubject: x\r\n\r\n');
    expect(await client.reply()).toBe('250 kept');
    expect(countFree(core)).toBe(slots.length);
  });

  test('a message that has its slot arrives whole, and the next in line gets it', async () => {
    const server = await start();
    const { core } = server.server;
    const [first, second] = [await server.greeted(), await server.greeted()];
    await envelope(first);
    await envelope(second);
    expect(await first.say('BDAT 0')).toMatch(/^250 /);
    const slots = takeAll(core);
    try {
      expect(await second.say('BDAT 0')).toMatch(/^452 /);
      first.send('BDAT 14 LAST\r\nSubject: x\r\n\r\n');
      expect(await first.reply()).toBe('250 kept');
      await envelope(second);
      second.send('BDAT 14 LAST\r\nSubject: x\r\n\r\n');
      expect(await second.reply()).toBe('250 kept');
    } finally {
      for (const slot of slots) core.closeData(slot);
    }
    expect(countFree(core)).toBe(slots.length + 1);
  });
});

describe('the slot comes back', () => {
  const CHUNK = 'BDAT 3\r\nA: ';
  test.each<[string, string, string, RegExp]>([
    ['after a message that is accepted', 'a', `${CHUNK}BDAT 0 LAST\r\n`, /^250 kept$/],
    ['after one that is refused before its first octet', 'early', CHUNK, /^554 not begun$/],
    ['after one that is refused at its end', 'late', `${CHUNK}BDAT 0 LAST\r\n`, /^552 not this one$/],
    ['after one with bare line ends', 'a', `${CHUNK}BDAT 1 LAST\r\n\n`, /^55\d /],
    ['after one that is too big', 'a', `${CHUNK}BDAT 1000\r\n${'x'.repeat(1_000)}`, /^552 /],
    ['at RSET', 'a', `${CHUNK}RSET\r\n`, /^250 OK$/],
    ['at EHLO', 'a', `${CHUNK}EHLO c.example\r\n`, /^250-/],
    ['at QUIT', 'a', `${CHUNK}QUIT\r\n`, /^221 /],
  ])('%s', async (_what, sender, input, last) => {
    const server = await start();
    const { core } = server.server;
    const free = countFree(core);
    const client = await server.greeted();
    await envelope(client, sender);
    client.send(input);
    const replies = [await client.reply()];
    if (input !== CHUNK) {
      expect(replies).toEqual(['250 3 octets received']);
      replies.push(await client.reply());
    }
    expect(replies.at(-1)).toMatch(last);
    expect(countFree(core)).toBe(free);
  });

  test('also from a client that stays in its message while DATA is refused, and one that vanishes in a chunk', async () => {
    const server = await start();
    const { core } = server.server;
    const free = countFree(core);
    const client = await server.greeted();
    await envelope(client);
    client.send(CHUNK);
    expect(await client.reply()).toBe('250 3 octets received');
    expect(await client.say('DATA')).toMatch(/^503 /);
    expect(countFree(core)).toBe(free - 1);
    client.send('BDAT 500\r\nhalf');
    client.destroy();
    await expect.poll(() => server.server.sessions).toBe(0);
    expect(countFree(core)).toBe(free);
  });
});
