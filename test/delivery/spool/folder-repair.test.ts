/** Folders of the spool that somebody removes while the daemon runs. */

import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { drain, givenSpool, mailWith } from './given-spool.ts';

it.each([[['new']], [['tmp']], [['new', 'tmp', 'damaged']]])(
  '%j are made again: one message is put off, and the next is taken',
  async (missing) => {
    const { spool, path } = givenSpool();
    const mail = mailWith({ to: ['a@x.example'] });
    await spool.deliver(mail);
    for (const name of missing) rmSync(join(path, name), { recursive: true });
    await spool.deliver(mail);
    const [outcome] = await spool.deliver(mail);
    expect(outcome!.kind).toBe('delivered');
    expect(readdirSync(path).sort()).toEqual(['damaged', 'index', 'new', 'tmp']);
    for (const name of missing) expect(statSync(join(path, name)).mode & 0o777).toBe(0o700);
  },
);

it('a damaged message is set aside also where the folder for such is gone', async () => {
  const { spool, path, outlet } = givenSpool();
  await spool.deliver(mailWith({ to: ['a@x.example'] }));
  const [id = ''] = readdirSync(join(path, 'new'));
  writeFileSync(join(path, 'new', id), 'something else');
  rmSync(join(path, 'damaged'), { recursive: true });
  await drain(spool, outlet);
  expect(readdirSync(join(path, 'damaged'))).toEqual([id]);
});
