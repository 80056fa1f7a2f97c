/** docs/guide/sender-authentication.md, its sections on DKIM, tried with what the package exports. */

import { generateKeyPairSync } from 'node:crypto';
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

const GUIDE = readFileSync(new URL('../../docs/guide/sender-authentication.md', import.meta.url), 'utf8');
const pair = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const CONFIG = {
  'dkim/example.org/private': pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  'dkim/example.org/selector': 's1',
};
const KEY = 's1._domainkey.example.org';
const zone = (): FakeResolver =>
  fakeResolver({
    [KEY]: {
      TXT: [`v=DKIM1; p=${pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`],
    },
  });

interface Sent {
  readonly reply: string;
  readonly log: string;
  /** As it was queued, line ends as on the wire; undefined if it was not. */
  readonly kept: string | undefined;
}

/** Sends a message to a server with these lines in `plugins`. */
async function send(
  lines: readonly string[],
  message: string,
  { isRelay = false, ...more }: TestServerOptions & { readonly isRelay?: boolean } = {},
): Promise<Sent> {
  let kept: string | undefined;
  const keeper = definePlugin({
    name: 'queue/keeper',
    about: 'Keeps a message for a test.',
    hooks: {
      connect({ connection }) {
        connection.relayClient = isRelay;
      },
      rcpt: () => ok(),
      async queue({ transaction }) {
        const blocks: Buffer[] = [];
        for await (const block of transaction.message.blocks('crlf')) blocks.push(block);
        kept = Buffer.concat(blocks).toString('latin1');
        return ok();
      },
    },
  });
  const logs = new MemoryLogs();
  const server = await TestServer.start({
    plugins: ['logging/warn LOGINFO', ...lines, keeper],
    logs,
    ...more,
  });
  try {
    const client = await server.greeted();
    for (const text of ['MAIL FROM:<ann@example.org>', 'RCPT TO:<u@mx.example>', 'DATA'])
      await client.say(text);
    const reply = await client.say(`${message}.`);
    return { reply, log: logs.errors.join('\n'), kept };
  } finally {
    await server.close();
  }
}

const MESSAGE = 'From: ann@example.org\r\nSubject: x\r\n\r\nx\r\n';

/** A message as `dkimsign` makes it. */
async function signed(line = 'dkimsign'): Promise<string> {
  const { reply, kept } = await send([line], MESSAGE, { isRelay: true, config: CONFIG });
  expect(reply).toMatch(/^250 /);
  return kept!;
}

/** The results in Authentication-Results, unfolded. */
const resultsIn = (kept: string | undefined): string =>
  /^Authentication-Results: (.*(?:\r\n[ \t].*)*)/m.exec(kept ?? '')?.[1]?.replace(/\r\n[ \t]+/g, ' ') ?? '';

test('dkimsign signs, and dkim accepts what it signed', async () => {
  const message = await signed();
  expect(message).toMatch(/^DKIM-Signature: v=1; a=rsa-sha256; c=relaxed\/relaxed; d=example\.org; s=s1;/);
  const { reply, kept } = await send(['dkim reject 1'], message, { resolver: zone() });
  expect(reply).toMatch(/^250 /);
  const [, shown = 'none'] = /```\n(dkim=pass .*\n.*)header\.b=/.exec(GUIDE) ?? [];
  expect(resultsIn(kept)).toContain(shown.replace(/\n +/, ' '));
  expect(kept).toContain('X-DKIM-Authentication: domain: example.org, selector: s1, result: pass');
});

test('the line dkim signs as well, and both lines make one signature', async () => {
  for (const lines of [['dkim'], ['dkim', 'dkimsign']]) {
    const { kept } = await send(lines, MESSAGE, { isRelay: true, config: CONFIG });
    expect(kept!.match(/^DKIM-Signature:/gm)).toHaveLength(1);
  }
});

test('dkim refuses a broken signature if its line says so, and tells of it otherwise', async () => {
  const broken = (await signed()).replace('Subject: x', 'Subject: y');
  const told = await send(['dkim'], broken, { resolver: zone() });
  expect(told.reply).toMatch(/^250 /);
  expect(resultsIn(told.kept)).toContain('dkim=fail (bad signature) header.d=example.org');
  const refused = await send(['dkim reject 1'], broken, { resolver: zone() });
  expect(GUIDE).toContain('`552 signature invalid: fail (bad signature)`');
  expect(refused).toMatchObject({ reply: '552 signature invalid: fail (bad signature)', kept: undefined });
});

test('a silent DNS is waited for as long as the guide says, and refuses nothing', async () => {
  const message = await signed();
  const clock = new TestClock(Date.parse('2026-11-30T12:00:00Z'));
  const resolver = fakeResolver({ [KEY]: 'timeout' }, clock);
  const sent = send(['dkim reject 1'], message, { resolver, clock });
  await resolver.whenAsked(`TXT ${KEY}`);
  expect(GUIDE).toContain('within ten seconds');
  await resolver.advance(10_000);
  const { reply, kept } = await sent;
  expect(reply).toMatch(/^250 /);
  expect(resultsIn(kept)).toContain('dkim=temperror (key lookup: ETIMEOUT) header.d=example.org');
});

test('a DNS that fails refuses nothing, and defers if the line says so', async () => {
  const message = await signed();
  const dead = (): FakeResolver => fakeResolver({ [KEY]: 'SERVFAIL' });
  const taken = await send(['dkim reject 1'], message, { resolver: dead() });
  expect(taken.reply).toMatch(/^250 /);
  expect(resultsIn(taken.kept)).toContain('dkim=temperror');
  const { reply, kept } = await send(['dkim reject 1 on_error defer'], message, { resolver: dead() });
  expect(reply).toMatch(/^452 Internal error - please try again later/);
  expect(kept).toBeUndefined();
});

test('mail whose key cannot be used is put off, or goes out without a signature if the line says so', async () => {
  const config = { ...CONFIG, 'dkim/example.org/private': 'no key' };
  const put = await send(['dkimsign'], MESSAGE, { isRelay: true, config });
  expect(put.reply).toMatch(/^451 /);
  expect(put.log).toMatch(/not signed: \S*dkim\/example\.org\/private is no private key in PEM/);
  const sent = await send(['dkimsign on_error skip'], MESSAGE, { isRelay: true, config });
  expect(sent.reply).toMatch(/^250 /);
  expect(sent.kept).not.toContain('DKIM-Signature');
});
