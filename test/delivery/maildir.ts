/** Maildir deliveries over real directories. */

import { readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { MaildirDelivery } from '../../bindings/plugin/services.ts';
import type { DirectorySync } from '../../host/message/directory-sync.ts';
import { MaildirDeliveries } from '../../host/delivery/maildir/maildir-deliveries.ts';
import { UniqueNames } from '../../host/delivery/maildir/unique-name.ts';
import { clock } from '../message/folder.ts';

const names = (): UniqueNames => new UniqueNames({ clock, pid: process.pid, host: hostname() });
export const deliveries = (syncs?: DirectorySync): MaildirDeliveries => new MaildirDeliveries(names(), syncs);
export const into = (directory: string, more: Partial<MaildirDelivery> = {}): MaildirDelivery => ({
  directory,
  subdirectory: undefined,
  mode: 0o700,
  ...more,
});

/** The messages in new/, and proof that nothing is left in tmp/. */
export function delivered(maildir: string): string[] {
  expect(readdirSync(join(maildir, 'tmp'))).toEqual([]);
  return readdirSync(join(maildir, 'new')).map((name) => readFileSync(join(maildir, 'new', name), 'latin1'));
}
