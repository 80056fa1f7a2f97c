/** The examples of docs/guide/embedding.md, compiled and run outside the tree: they have nothing but what the package exports. */

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const GUIDE = readFileSync(join(ROOT, 'docs/guide/embedding.md'), 'utf8');

const examples = [...GUIDE.matchAll(/^```ts\n\/\/ (\S+)\.ts\n([^]*?)^```$/gm)].map(
  ([, name, code]) => [name!, code!] as const,
);

const root = mkdtempSync(join(tmpdir(), 'embedding-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const run = promisify(execFile);
const node = (...args: string[]) => run(process.execPath, args, { cwd: root });

/** A fresh process with `code` as its program. */
async function runScript(name: string, code: string): Promise<{ stdout: string; stderr: string }> {
  writeFileSync(join(root, `${name}.mjs`), code);
  return node(`${name}.mjs`);
}

beforeAll(async () => {
  mkdirSync(join(root, 'node_modules/@types'), { recursive: true });
  symlinkSync(ROOT, join(root, 'node_modules/qpsmtpd'));
  symlinkSync(join(ROOT, 'node_modules/@types/node'), join(root, 'node_modules/@types/node'));
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  for (const [name, code] of examples) writeFileSync(join(root, `${name}.ts`), code);
  const compilerOptions = {
    target: 'ES2023',
    lib: ['ES2023', 'ESNext.Disposable'],
    module: 'NodeNext',
    strict: true,
    types: ['node'],
    skipLibCheck: true,
  };
  writeFileSync(join(root, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  await node(join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.').catch((error: { stdout: string }) => {
    throw new Error(error.stdout);
  });
});

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
  'unit-test': /# pass 1\n# fail 0\n/,
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

test('a server that is closed leaves no handle and no timer, and has touched nothing of the process', async () => {
  const code = `
import { connect } from 'node:net';
import { once } from 'node:events';
import { createServer } from 'qpsmtpd';
import { TestClient } from 'qpsmtpd/testing';
const listeners = () => process.eventNames().map((name) => [String(name), process.listenerCount(name)]);
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
  const { stdout, stderr } = await runScript('leftovers', code);
  const [before, after] = JSON.parse(stdout) as [unknown, unknown];
  expect(after).toEqual(before);
  expect(stderr).toBe('');
});
