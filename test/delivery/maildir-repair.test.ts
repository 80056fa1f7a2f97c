/** What somebody removes of a Maildir, at any moment, is made again. */

import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DirectorySync } from '../../host/message/directory-sync.ts';
import { folder } from '../message/folder.ts';
import { deliveries } from './maildir.ts';
import { messageOf, transactionOf } from './transaction.ts';

const remove = (path: string): void => rmSync(path, { recursive: true });

/** Delivers to `a` and `b`; `meddle` is called with the path of each directory before it is synced. */
async function deliver(
  directory: string,
  subdirectory?: string,
  meddle?: (path: string) => void,
): Promise<void> {
  const syncs = new DirectorySync((path) => {
    meddle?.(path);
    return open(path, 'r');
  });
  const mail = transactionOf(messageOf('Subject: s\r\n\r\nbody'), ['a@x.example', 'b@x.example']);
  await deliveries(syncs).deliver(mail, { directory, subdirectory, mode: 0o700 });
}

const FOLDERS = [['new'], ['tmp'], ['cur', 'tmp'], ['new', 'tmp'], ['cur', 'new'], ['cur', 'new', 'tmp']];

describe.each([
  ['one Maildir', undefined, ['.']],
  ['a Maildir for each recipient', '%l', ['a', 'b']],
] as const)('%s', (_kind, subdirectory, boxes) => {
  const box = (directory: string, name: string): string => join(directory, name);
  function expectWhole(directory: string, count: number): void {
    for (const name of boxes) {
      expect(readdirSync(box(directory, name)).sort()).toEqual(['cur', 'new', 'tmp']);
      expect(readdirSync(join(box(directory, name), 'new'))).toHaveLength(count);
      expect(readdirSync(join(box(directory, name), 'tmp'))).toEqual([]);
    }
  }

  it.each(FOLDERS.map((missing) => ({ missing })))(
    'is made whole again without $missing',
    async ({ missing }) => {
      const directory = join(folder(), 'Maildir');
      await deliver(directory, subdirectory);
      for (const name of boxes) {
        for (const part of missing) remove(join(box(directory, name), part));
      }
      await deliver(directory, subdirectory);
      expectWhole(directory, missing.includes('new') ? 1 : 2);
    },
  );

  it('is made again when it is removed as a whole', async () => {
    const directory = join(folder(), 'Maildir');
    await deliver(directory, subdirectory);
    remove(directory);
    await deliver(directory, subdirectory);
    expectWhole(directory, 1);
  });

  it('is made again when it goes between the rename and the sync', async () => {
    const directory = join(folder(), 'Maildir');
    await deliver(directory, subdirectory);
    let isRemoved = false;
    await deliver(directory, subdirectory, (path) => {
      if (isRemoved || !path.endsWith('new')) return;
      isRemoved = true;
      remove(directory);
    });
    expect(isRemoved).toBe(true);
    expectWhole(directory, 1);
  });

  it('is given up when it goes each time', async () => {
    const directory = join(folder(), 'Maildir');
    await deliver(directory, subdirectory);
    let removals = 0;
    const delivery = deliver(directory, subdirectory, (path) => {
      if (!path.endsWith('new')) return;
      removals++;
      rmSync(directory, { recursive: true, force: true });
      mkdirSync(directory, { recursive: true });
    });
    await expect(delivery).rejects.toMatchObject({ code: 'Q_DELIVERY', cause: { code: 'ENOENT' } });
    expect(removals).toBeLessThan(20);
  });
});
