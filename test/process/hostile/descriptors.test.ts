/** A real daemon that has run out of file descriptors: lists stay known, and what is unknown is never a reason to refuse. */

import { copyFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LineClient, RunningProgram } from '../running-program.ts';
import { compileServer, type CompiledServer } from './compiled-server.ts';

let server: CompiledServer;
let program: RunningProgram | undefined;

beforeAll(() => {
  server = compileServer();
  mkdirSync(join(server.root, 'site'));
  copyFileSync(join(import.meta.dirname, 'hoarder.js'), join(server.root, 'site/hoarder.js'));
});
afterAll(async () => {
  await program?.dispose();
  server.remove();
});

test('without a descriptor a new rcpthosts waits, the old one goes on, and an unread list puts the client off', async () => {
  const config = join(server.root, 'config');
  mkdirSync(config);
  const files = {
    me: 'mx.test',
    plugins: 'hoarder\nrcpt_ok\nqueue/discard',
    plugin_dirs: join(server.root, 'site'),
    rcpthosts: 'old.example',
    never_read_before: 'x',
    spool_dir: join(server.root, 'spool'),
  };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(config, file), `${text}\n`);
  const listen = ['--listen', 'tcp://127.0.0.1:0', '--workers', '1'];
  program = new RunningProgram(server.program, ['serve', '--config', config, ...listen], {
    // Enough for the modules, which Node reads many at a time.
    descriptors: 500,
  });
  const client = new LineClient(await program.port());
  expect(await client.reply()).toMatch(/^220 /);
  expect(await client.say('HELO client.example')).toMatch(/^250 /);
  expect(await client.say('MAIL FROM:<a@b.example>')).toMatch(/^250 /);
  await client.say('NOOP');
  expect(await client.say('RCPT TO:<u@old.example>')).toMatch(/^450 Internal error/);
  await program.err.find(/hoarder: Plugin hoarder, hook rcpt: .*never_read_before: can't be read \(EMFILE\)/);

  await client.say('VRFY x');
  await expect.poll(() => client.say('RCPT TO:<u@old.example>')).toMatch(/^250 /);

  await client.say('NOOP');
  writeFileSync(join(config, 'new'), 'old.example\nnew.example\n');
  renameSync(join(config, 'new'), join(config, 'rcpthosts'));
  const seen = program.err.all.length;
  // The change shows within the second; until the file can be read nothing is refused for good that was accepted before.
  const isRead = program.err.find(/rcpthosts: can't be read \(EMFILE\) .*what was read before stays/, seen);
  let hasTold = false;
  void isRead.then(() => (hasTold = true));
  // The time limit of the test ends a wait in vain.
  while (!hasTold) expect(await client.say('RCPT TO:<u@old.example>')).toMatch(/^250 /);
  await isRead;
  expect(await client.say('RCPT TO:<u@old.example>')).toMatch(/^250 /);

  await client.say('VRFY x');
  await expect.poll(() => client.say('RCPT TO:<u@new.example>')).toMatch(/^250 /);
  client.close();
});
