/** docs/guide/dmarc.md, tried with what the package exports. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import {
  fakeResolver,
  MemoryLogs,
  TestClock,
  TestServer,
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
}

/** A message in the name of `from`, sent to a server with the line of the plugin. */
async function send(
  line: string,
  resolver: FakeResolver,
  header: string,
  more: TestServerOptions = {},
): Promise<Sent> {
  const { kept, plugin } = keeper();
  const logs = new MemoryLogs();
  const server = await TestServer.start({
    plugins: ['logging/warn LOGINFO', line, plugin],
    logs,
    resolver,
    ...more,
  });
  try {
    const client = await server.greeted();
    for (const text of ['MAIL FROM:<a@b.example>', 'RCPT TO:<u@mx.example>', 'DATA']) await client.say(text);
    const reply = await client.say(`${header === '' ? '' : `${header}\r\n`}Subject: x\r\n\r\nx\r\n.`);
    return { log: logs.errors.join('\n'), reply, kept: kept[0]?.replace(/\n[ \t]+/g, ' ') };
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
