/** Names by which a log, a reply and an operator mean the same connection. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { definePlugin, ok } from '../../bindings/plugin/index.ts';
import { TestServer } from '../../host/testing/index.ts';

const servers: TestServer[] = [];
const folder = mkdtempSync(join(tmpdir(), 'ids-'));
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  rmSync(folder, { recursive: true, force: true });
});

const FORM = `[0-9a-z]{8}-${process.pid.toString(36)}-[0-9a-z]+`;

test('no two connections have the same id, whichever server of the process they came to', async () => {
  const ids: string[] = [];
  const probe = definePlugin({
    name: 'probe',
    about: 'For a test.',
    hooks: { connect: ({ connection }) => void ids.push(connection.id) },
  });
  for (let round = 0; round < 3; round++) {
    const server = await TestServer.start({ plugins: [probe] });
    servers.push(server);
    for (let client = 0; client < 3; client++) await server.greeted();
  }
  expect(new Set(ids).size).toBe(9);
  for (const id of ids) expect(id).toMatch(new RegExp(`^${FORM}$`));
  const times = ids.map((id) => Number.parseInt(id.slice(0, 8), 36));
  expect(times).toEqual([...times].sort((one, other) => one - other));
  expect(Math.abs(times[0]! - Date.now())).toBeLessThan(600_000);
});

test('a reply to a message without a Message-ID names it as the log does', async () => {
  const texts: string[] = [];
  const accepting = definePlugin({ name: 'accepting', about: 'For a test.', hooks: { rcpt: () => ok() } });
  const logging = definePlugin({
    name: 'kept',
    about: 'For a test.',
    hooks: { logging: (_, { text }) => void texts.push(text) },
  });
  const plugins = [accepting, logging, `queue/maildir ${join(folder, 'Maildir')}`];
  const server = await TestServer.start({ plugins });
  servers.push(server);
  const client = await server.greeted();
  const replies: string[] = [];
  for (const header of ['Subject: one', 'Message-ID: <1@a.example>', 'Subject: two']) {
    for (const line of ['MAIL FROM:<a@b.example>', 'RCPT TO:<c@d.example>', 'DATA']) await client.say(line);
    replies.push(await client.say(`${header}\r\n\r\ntext\r\n.`));
  }
  expect(replies[0]).toMatch(new RegExp(`^250 Queued! ${FORM}\\.\\d+$`));
  expect(replies[1]).toBe('250 Queued! <1@a.example>');
  expect(replies[2]).not.toBe(replies[0]);
  for (const reply of [replies[0]!, replies[2]!]) {
    expect(texts.join('\n')).toContain(`transaction id=${reply.slice('250 Queued! '.length)} `);
  }
});
