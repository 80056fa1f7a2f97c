/** Tests of what the modes of files forbid: root may do everything, so they go on as somebody else. */

import { lchownSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Of `nobody` on most systems; nobody has to have it. */
const UID = 65_534;

/** Runs `work` as an effective user who is not root and owns `folder` with all that is in it. access(2) does not ask for that one. */
export async function withoutRoot(folder: string, work: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
      lchownSync(join(folder, name), UID, UID);
    lchownSync(folder, UID, UID);
    process.seteuid!(UID);
  }
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid!(0);
  }
}
