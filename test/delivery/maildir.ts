/** Maildir deliveries over real directories. */

import { readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { DirectorySync } from '../../host/message/directory-sync.ts';
import { SystemFiles } from '../../host/services/files.ts';
import { MaildirDeliveries, type MaildirMail } from '../../plugins/queue/maildir/delivery.ts';
import { prepareMaildir } from '../../plugins/queue/maildir/directories.ts';
import type { MaildirOptions } from '../../plugins/queue/maildir/layout.ts';
import { fakeHost } from '../hooks/fake-system.ts';
import { clock } from '../message/folder.ts';

/** Deliveries by several lines of `plugins` in one server. */
export function deliveries(syncs?: DirectorySync) {
  const services = {
    clock,
    files: new SystemFiles(clock, undefined, syncs),
    system: fakeHost({ processId: process.pid, hostName: hostname(), userId: process.geteuid!() }),
  };
  const lines = new Map<string, MaildirDeliveries>();
  return {
    prepare: (directory: string, mode: number): void => prepareMaildir(services, directory, mode),
    deliver(mail: MaildirMail, options: MaildirOptions): Promise<void> {
      const key = JSON.stringify(options);
      const line = lines.get(key) ?? new MaildirDeliveries(options, services);
      lines.set(key, line);
      return line.deliver(mail);
    },
  };
}
export const into = (directory: string, more: Partial<MaildirOptions> = {}): MaildirOptions => ({
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
