/** Reports of the built daemon: what a mail store refuses is told to a sender whom the store does not know. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { hopWith, outlet } from '../delivery/hop-closers.ts';
import { mailTo } from '../delivery/mail-object.ts';
import type { ScriptedHop } from '../delivery/scripted-hop.ts';
import { RunningDaemon, Workplace } from './daemon.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/host/cli/qpsmtpd.js', import.meta.url));
const run = promisify(execFile);
/** For a look every half second, on a busy machine. */
const PATIENCE = { timeout: 60_000 };

const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A mail store that has one mailbox, full at the end of the content, and knows nobody else. */
const fullStore = (): Promise<ScriptedHop> =>
  hopWith({
    isLmtp: true,
    says: {
      RCPT: (argument) => (argument.includes('example.test') ? '250 ok' : '550 5.1.1 nobody here'),
      END: () => '552 5.2.2 mailbox full',
    },
  });

async function daemonWith(
  plugin: (spool: string) => string,
): Promise<{ spool: string; daemon: RunningDaemon }> {
  const place = new Workplace();
  closers.push(() => place.remove());
  const spool = join(place.folder, 'out');
  place.write({ plugins: `rcpt_ok\n${plugin(spool)}` });
  const daemon = await RunningDaemon.start(place);
  closers.push(() => daemon.end());
  const client = outlet([{ port: daemon.port } as ScriptedHop]);
  const [outcome] = await client.deliver(mailTo(['a@example.test']));
  expect(outcome).toMatchObject({ kind: 'delivered' });
  return { spool, daemon };
}

test('a report leaves by the outlet behind `reports via`', async () => {
  const [store, hop] = [await fullStore(), await hopWith()];
  const lmtp = `lmtp 127.0.0.1 ${store.port}`;
  await daemonWith(
    (spool) => `queue/spool ${spool} min_free 0 via ${lmtp} reports via smtp-forward 127.0.0.1 ${hop.port}`,
  );
  await expect.poll(() => hop.contents.join(''), PATIENCE).toContain('Diagnostic-Code: smtp; 552 5.2.2');
  expect(hop.lines).toContain('RCPT TO:<s@c.example>');
  expect(store.lines.filter((line) => line.includes('c.example'))).toEqual(['MAIL FROM:<s@c.example>']);
});

test('a report that nobody takes is kept, and `queue ls` shows it', async () => {
  const store = await fullStore();
  const lmtp = `lmtp 127.0.0.1 ${store.port}`;
  const { spool, daemon } = await daemonWith(
    (folder) => `queue/spool ${folder} min_free 0 via ${lmtp} reports via ${lmtp}`,
  );
  expect(daemon.log).toContain('REPORTS TO SENDERS ELSEWHERE CANNOT LEAVE by `lmtp 127.0.0.1');
  await expect.poll(() => daemon.log, PATIENCE).toContain(': kept: from <> to <s@c.example>: ');
  const list = async (...words: string[]): Promise<string> =>
    (await run(process.execPath, [PROGRAM, 'queue', 'ls', '--spool', spool, ...words])).stdout;
  await expect
    .poll(() => list(), PATIENCE)
    .toMatch(/ kept +<> <s@c\.example> \(127\.0\.0\.1 550 5\.1\.1 nobody here\)/);
  expect(JSON.parse(await list('--json'))).toMatchObject({
    from: '',
    destinations: [{ destination: 'reports:next-hop', state: 'kept', to: ['s@c.example'] }],
  });
});
