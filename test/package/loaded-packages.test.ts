/** Optional packages cost nothing where nobody asked for them: what a program loads of them, in all its processes. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RunningProgram } from '../process/running-program.ts';
import { OutsideFolder } from './outside-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const { peerDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly peerDependencies: Readonly<Record<string, string>>;
};

let folder: string;
let note: string;
let hook: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'loaded-packages-'));
  note = join(folder, 'loaded');
  hook = join(folder, 'hook.cjs');
  writeFileSync(note, '');
  // `import` of a CommonJS package comes by here as well.
  const code = `
const { appendFileSync } = require('node:fs');
const Module = require('node:module');
const load = Module._extensions['.js'];
Module._extensions['.js'] = (module, file) => {
  appendFileSync(${JSON.stringify(note)}, file + '\\n');
  return load(module, file);
};`;
  writeFileSync(hook, code);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The optional packages of which a file was loaded. */
function loaded(): readonly string[] {
  const files = readFileSync(note, 'utf8');
  return Object.keys(peerDependencies).filter((name) => files.includes(`/node_modules/${name}/`));
}

test('by a program that embeds the server: none', async () => {
  const outside = new OutsideFolder('loaded-packages');
  try {
    const code = `
import { createServer } from 'qpsmtpd';
import { SMTPServer } from 'qpsmtpd/smtp-server';
import 'qpsmtpd/testing';
await (await createServer({ listen: 'tcp://127.0.0.1:0' })).close();
new SMTPServer();
`;
    writeFileSync(join(outside.path, 'program.mjs'), code);
    await outside.node('--require', hook, 'program.mjs');
  } finally {
    outside.remove();
  }
  expect(loaded()).toEqual([]);
});

test.each([
  ['tcp://127.0.0.1:0', []],
  ['http://127.0.0.1:0 upgrade=smtp', ['fastify']],
  ['http://127.0.0.1:0 upgrade=smtp websocket=yes', ['fastify', 'ws']],
])('by `qpsmtpd serve --listen %j`: %j', async (listen, packages) => {
  for (const [name, text] of [
    ['me', 'mx.example\n'],
    ['plugins', ''],
    ['spool_dir', join(folder, 'spool')],
  ] as const)
    writeFileSync(join(folder, name), text);
  const bin = join(ROOT, 'bin/qpsmtpd.cjs');
  const args = ['serve', '--config', folder, '--listen', listen];
  const program = new RunningProgram('--require', [hook, bin, ...args]);
  try {
    await program.port();
  } finally {
    program.kill('SIGTERM');
    await program.dispose();
  }
  expect(loaded()).toEqual(packages);
});
