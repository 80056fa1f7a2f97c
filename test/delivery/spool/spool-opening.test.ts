/** A spool that can't be opened, or looked through, at the start. */

import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { runGuarded } from '../../../host/cli/program.ts';
import { runQueue } from '../../../host/cli/queue-command.ts';
import type { DaemonLoader } from '../../../host/process/daemon.ts';
import { givenSpool, mailWith } from './given-spool.ts';
import { PATIENCE } from '../../patience.ts';

/** A folder with one message, which nobody has taken yet. */
async function left(): Promise<{ path: string; id: string }> {
  const { spool, path } = givenSpool();
  await spool.deliver(mailWith({ to: ['a@x.example'] }));
  await spool.close(0);
  const [id = ''] = readdirSync(join(path, 'new'));
  return { path, id };
}

/** Something else stands where the index should. */
function block(path: string): () => void {
  const index = join(path, 'index');
  renameSync(index, `${index}.away`);
  writeFileSync(index, '');
  return () => {
    rmSync(index);
    renameSync(`${index}.away`, index);
  };
}

async function listed(path: string): Promise<{ code: number; text: string }> {
  const lines: string[] = [];
  const print = (line: string): void => void lines.push(line);
  const code = await runGuarded(
    (args, to) => runQueue(args, {} as DaemonLoader, to),
    ['ls', '--spool', path],
    { out: print, err: print },
  );
  return { code, text: lines.join('\n') };
}

it('is opened as soon as it can be, without a message that asks for it', async () => {
  const { path, id } = await left();
  const mend = block(path);
  const { spool, outlet, log } = givenSpool({}, { path });
  await spool.begin();
  await spool.deliver(mailWith({ to: ['b@x.example'] }));
  expect(log.filter((line) => line.includes('is no directory'))).toHaveLength(1);
  mend();
  await vi.waitFor(() => expect(outlet.deliveries.map((one) => one.id)).toEqual([id]), PATIENCE);
  expect(log).toContain(`notice ${path} is open again`);
});

it('is left alone once the server stops', async () => {
  const { path } = await left();
  const mend = block(path);
  const { spool, outlet } = givenSpool({}, { path });
  await spool.begin();
  await spool.close(0);
  mend();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(outlet.attempts).toBe(0);
});

it('is looked through as soon as it can be', async () => {
  const { path, id } = await left();
  rmSync(join(path, 'index'), { recursive: true });
  const { spool, outlet, log } = givenSpool({}, { path });
  rmSync(join(path, 'tmp'), { recursive: true });
  await spool.begin();
  await vi.waitFor(() => expect(log.join('\n')).toContain("can't be checked"), PATIENCE);
  mkdirSync(join(path, 'tmp'), { mode: 0o700 });
  await vi.waitFor(() => expect(outlet.deliveries.map((one) => one.id)).toEqual([id]), PATIENCE);
  expect(log).toContain(`notice ${path} has been checked`);
});

it('tells `queue ls` what is wrong, and what it holds', async () => {
  const { path } = await left();
  const mend = block(path);
  const blocked = await listed(path);
  expect(blocked.code).not.toBe(0);
  expect(blocked.text).toMatch(
    /index of the spool can not be opened: .* is no directory .*1 messages are in .*new, \d+ MiB .*free/,
  );
  mend();
  rmSync(join(path, 'index'), { recursive: true });
  const unopened = await listed(path);
  expect(unopened.text).toMatch(/has no index: no daemon could open it so far \(1 messages are in/);
  rmSync(path, { recursive: true });
  expect((await listed(path)).text).toContain('there is no spool in');
});
