/** The examples of docs/guide/embedding.md, compiled and run outside the tree: they have nothing but what the package exports. */

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OutsideFolder } from './outside-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const GUIDE = readFileSync(join(ROOT, 'docs/guide/embedding.md'), 'utf8');

const examples = [...GUIDE.matchAll(/^```ts\n\/\/ (\S+)\.ts\n([^]*?)^```$/gm)].map(
  ([, name, code]) => [name!, code!] as const,
);

const outside = new OutsideFolder('embedding');
afterAll(() => outside.remove());
const node = (...args: string[]) => outside.node(...args);

beforeAll(() => outside.compile(new Map(examples)));

/** What each example prints. One that is not here has no test. */
const printed: Readonly<Record<string, RegExp>> = {
  first: /^\[ 'tcp:\/\/127\.0\.0\.1:\d+' \]\n$/,
  answers: new RegExp(
    [
      '250 kept',
      '552 we do not read this',
      '452 our disk is full',
      '45. .*',
      '452 the message could not be taken, .*',
    ]
      .map(
        (reply) =>
          `550 no such recipient here \\(#5\\.1\\.1\\)\n250 <support@example.org>, recipient ok\n${reply}\n`,
      )
      .join(''),
  ),
  plugins: /^550 .*\n552 please, not so loud\n$/,
  'unit-test': /[#ℹ] pass 1\n[#ℹ] fail 0\n/,
  attach: /^220 .* ESMTP /,
  proxied: /^250 hello 192\.0\.2\.33\n$/,
  signal: /Connection from[^]*closed 0\n$/,
};

describe('the examples of the guide', () => {
  test('all have a test', () => {
    expect(examples.map(([name]) => name)).toEqual(Object.keys(printed));
  });

  test.each(Object.entries(printed))(
    '%s runs to its end, and leaves nothing behind',
    async (name, output) => {
      const { stdout, stderr } = await node(`${name}.js`);
      expect(stdout).toMatch(output);
      expect(stderr).toBe('');
    },
  );
});

test('the table of options has all of them, and no others', () => {
  const source = readFileSync(join(ROOT, 'host/embed/embedded-server.ts'), 'utf8');
  const [, body = ''] = /interface EmbeddedServerOptions \{([^]*?)\n\}/.exec(source) ?? [];
  const options = [...body.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name]) => name!);
  const table = GUIDE.slice(GUIDE.indexOf('## All options'));
  const rows = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name!);
  expect(options.length).toBeGreaterThan(8);
  expect(rows.sort()).toEqual(options.sort());
});

test('a server that is closed leaves no handle and no timer, and has touched nothing of the process', async () => {
  const code = `
import { connect } from 'node:net';
import { once } from 'node:events';
import { createServer } from 'qpsmtpd';
import { TestClient } from 'qpsmtpd/testing';
const listeners = () => process.eventNames().map((name) => [String(name), process.listenerCount(name)]);
// Node opens them when it first destroys a socket.
void [process.stdout, process.stderr];
// The first one loads what stays: the compiled core.
await (await createServer()).close();
const resources = () => process.getActiveResourcesInfo().filter((name) => !['TCPSocketWrap', 'CloseReq'].includes(name)).sort();
const before = { resources: resources(), listeners: listeners(), exitCode: process.exitCode };
const servers = await Promise.all([1, 2, 3].map(() => createServer({ listen: 'tcp://127.0.0.1:0', onMessage: () => undefined })));
for (const server of servers) {
  const port = Number(server.address()[0].split(':').at(-1));
  const client = new TestClient(connect(port, '127.0.0.1'));
  await client.reply();
  for (const line of ['EHLO c', 'MAIL FROM:<>', 'RCPT TO:<a@b>', 'DATA']) await client.say(line);
  await client.say('Subject: x\\r\\n\\r\\n.');
  // One idles, one is in the middle of something.
  const idle = connect(port, '127.0.0.1');
  await once(idle, 'data');
}
await Promise.all(servers.map((server) => server.close({ graceMs: 100 })));
await new Promise((resolve) => setImmediate(resolve));
const after = { resources: resources(), listeners: listeners(), exitCode: process.exitCode };
console.log(JSON.stringify([before, after]));
`;
  const { stdout, stderr } = await outside.run('leftovers', code);
  const [before, after] = JSON.parse(stdout) as [unknown, unknown];
  expect(after).toEqual(before);
  expect(stderr).toBe('');
});
