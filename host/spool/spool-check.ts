/** Brings files and index together: the files are right. Done at every start, and by `qpsmtpd queue check`. */

import type { Log } from '../../bindings/plugin/log-level.ts';
import { entriesOf } from './index/index-entries.ts';
import { MessageFile } from './files/message-file.ts';
import type { RetryTimes } from './index/schedule.ts';
import { DamagedError, SpoolError } from './files/spool-error.ts';
import type { SpoolFolder } from './files/spool-folder.ts';
import type { SpoolIndex } from './index/spool-index.ts';

export interface CheckResult {
  /** Files the index did not know: accepted, or handed on by a process that was killed. */
  readonly found: number;
  /** Entries without a file. */
  readonly dropped: number;
  /** Files that are not what was written, or that can't be read. */
  readonly damaged: number;
}

/**
 * Other processes may be at work meanwhile: a message that comes or goes while this looks is left to them, because its
 * file is there before its entry and gone before it. Stops early once `isOver` says so.
 */
export async function checkSpool(
  folder: SpoolFolder,
  index: SpoolIndex,
  times: RetryTimes,
  log: Log,
  isOver: () => boolean = () => false,
): Promise<CheckResult> {
  let [found, dropped, damaged] = [0, 0, 0];
  for (const piece of index.messages()) {
    for (const { id } of piece) {
      if (isOver()) return { found, dropped, damaged };
      if (await folder.has(id)) continue;
      const entry = index.message(id);
      // The process that works on it has just removed the file, and will remove the entry.
      const isClaimed = [...(entry?.jobs.values() ?? [])].some(({ state }) => state === 'claimed');
      if (entry === undefined || isClaimed) continue;
      log.warn(`${id}: there is no such file in the spool: dropped from the index`);
      await index.drop(id);
      dropped++;
    }
  }
  for await (const piece of folder.ids()) {
    for (const id of piece) {
      if (isOver()) return { found, dropped, damaged };
      if (index.message(id) !== undefined) continue;
      try {
        if (await takeUp(folder, index, id, times)) found++;
      } catch (error) {
        // The index fails for all messages; a file that the system does not let us read must not keep the others waiting.
        if (error instanceof SpoolError && !(error instanceof DamagedError)) throw error;
        damaged++;
        if (error instanceof DamagedError)
          log.error(`${id}: ${error.message}: it is not delivered, and kept as ${await folder.setAside(id)}`);
        else log.error(`${id}: can't be read, so it stays where it is: ${String(error)}`);
      }
    }
  }
  await index.recount();
  return { found, dropped, damaged };
}

async function takeUp(
  folder: SpoolFolder,
  index: SpoolIndex,
  id: string,
  times: RetryTimes,
): Promise<boolean> {
  const file = await MessageFile.open(folder, id);
  if (file === undefined) return false;
  try {
    const { contentOctets } = file;
    const { events, fileOctets } = await file.history();
    const entries = entriesOf(file.envelope, { contentOctets, fileOctets }, events, times);
    if (entries.jobs.size > 0) return await index.add(entries);
    // All have it; the process died before it could remove the file.
    await folder.discard(id);
    return false;
  } finally {
    await file.close();
  }
}
