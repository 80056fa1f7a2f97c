/** The directories of a Maildir, and what a delivery says of a step that failed. */

import { dirname, join } from 'node:path';
import type { Files, Services } from '../../../bindings/plugin/index.ts';

/** What a delivery was about when it failed; the first three are qpsmtpd's names of its steps. */
export type DeliveryStep = 'open' | 'close' | 'link' | 'mkdir' | 'read' | 'write' | 'sync';

const DISK_FULL = new Set<unknown>(['ENOSPC', 'EDQUOT']);

export const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown }).code;

/** A message that could not be put into a Maildir: `Q_DISK_FULL` or `Q_DELIVERY`. The system's error is the `cause`. */
export class MaildirError extends Error {
  readonly code: 'Q_DISK_FULL' | 'Q_DELIVERY';
  readonly step: DeliveryStep;
  readonly path: string;

  constructor(step: DeliveryStep, path: string, cause: unknown) {
    super(`queue error (${step}): ${path}: ${(cause as Error).message}`, { cause });
    this.name = 'MaildirError';
    this.code = DISK_FULL.has(codeOf(cause)) ? 'Q_DISK_FULL' : 'Q_DELIVERY';
    this.step = step;
    this.path = path;
  }
}

/** Runs one step of a delivery; its failure names the step and the path. */
export async function attempt<T>(step: DeliveryStep, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // An error of the server, such as that of a message which is gone, says more than the step.
    throw String(codeOf(error)).startsWith('Q_') ? error : new MaildirError(step, path, error);
  }
}

type DirectoryServices = Pick<Services, 'files' | 'system'>;

/** Makes DIRECTORY/{new,cur,tmp} at start, with all that is missing above; throws with the path and a remedy. */
export function prepareMaildir(services: DirectoryServices, directory: string, mode: number): void {
  for (const name of ['new', 'cur', 'tmp'])
    explaining(services, join(directory, name), (path) => services.files.prepareDirectory(path, mode));
}

/** Throws if the folder of the Maildirs of all recipients is missing and could not be made with the first of them. */
export function expectMaildirs(services: DirectoryServices, directory: string): void {
  explaining(services, directory, (path) => services.files.expectDirectory(path));
}

function explaining({ system }: DirectoryServices, path: string, make: (path: string) => void): void {
  try {
    make(path);
  } catch (cause) {
    const remedy = `make it a directory that user ${system.userId} may write to, or name another Maildir`;
    throw new Error(`Maildir ${path} can't be used: ${(cause as Error).message} (${remedy})`, { cause });
  }
}

/**
 * Makes the Maildir of one recipient while mail is delivered. tmp/ comes last, when everything else is durable: a process
 * that finds it can rely on new/ being there after a crash too.
 */
export async function makeMaildir(directory: string, mode: number, files: Files): Promise<void> {
  for (const name of ['new', 'cur', 'tmp']) await make(join(directory, name), mode, files);
}

async function make(path: string, mode: number, files: Files): Promise<void> {
  const parent = dirname(path);
  try {
    await attempt('mkdir', path, () => files.makeDirectory(path, mode));
  } catch (error) {
    const code = codeOf((error as Error).cause);
    if (code === 'ENOENT' && path !== parent) {
      await make(parent, mode, files);
      await make(path, mode, files);
      return;
    }
    if (code !== 'EEXIST') throw error;
  }
  // Also if somebody else made it just now: that one may not have come this far.
  await syncDirectory(parent, files);
}

export const syncDirectory = (path: string, files: Files): Promise<void> =>
  attempt('sync', path, () => files.syncDirectory(path));
