/**
 * Which of the folders an address may have is its own. qpsmtpd writes `_` for many characters, so a folder of that kind
 * may have been meant for several addresses: the first that gets mail there is recorded in it, and others have their mail
 * elsewhere. What was recorded stays, for all processes, until an operator changes it.
 */

import { constants } from 'node:fs';
import { link, open, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Address } from '../../../bindings/wire/address.ts';
import type { DirectorySync } from '../../message/directory-sync.ts';
import { makeMaildir } from './directories.ts';
import { maildirsOf, type MaildirLayout, type MaildirPaths } from './layout.ts';
import { attempt } from './maildir-error.ts';
import type { UniqueNames } from './unique-name.ts';

/** The address that a folder belongs to, as the only line. No dot in front: readers take such names for mail folders. */
export const OWNER_FILE = 'qpsmtpd-address';
/** Longest address that is read back, and then some. */
const OWNER_OCTETS = 2_048;
/** Not empty ground either: the folder is taken. */
const NOBODY = '';
/** Choices that are remembered before all are forgotten. */
const MAX_KNOWN = 10_000;

export class FolderChoice {
  readonly #names: UniqueNames;
  readonly #syncs: DirectorySync;
  readonly #known = new Map<string, string>();

  constructor(names: UniqueNames, syncs: DirectorySync) {
    this.#names = names;
    this.#syncs = syncs;
  }

  /** The folder of `address`; a choice is durable when this resolves. Rejects with a `MaildirError`. */
  async folderOf(layout: MaildirLayout, mode: number, address: Address): Promise<string> {
    const paths = maildirsOf(layout, address);
    // Nearly all addresses: there is no choice.
    if (paths.old.length === 0 && paths.own === paths.usual) return paths.usual;
    const known = this.#known.get(paths.own);
    if (known !== undefined) return known;
    const chosen = await this.#choose(paths, layout, mode);
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(paths.own, chosen);
    return chosen;
  }

  /** As `folderOf`, after the folder was found missing: what was recorded in it is gone as well. */
  folderAfterLoss(layout: MaildirLayout, mode: number, address: Address): Promise<string> {
    this.#known.delete(maildirsOf(layout, address).own);
    return this.folderOf(layout, mode, address);
  }

  async #choose(paths: MaildirPaths, layout: MaildirLayout, mode: number): Promise<string> {
    const { own, usual, old, asBefore } = paths;
    // A mailbox that has its own folder keeps it, whatever else turns up: its mail must not be in two places.
    if (await isMaildir(own)) return own;
    for (const folder of old)
      if ((await isMaildir(folder)) && (await this.#claim(folder, paths, layout, mode))) return folder;
    const wanted = layout.isNamedAsBefore === true ? asBefore : usual;
    if (wanted === own) return own;
    if (!(await isMaildir(wanted))) await makeMaildir(wanted, mode, this.#syncs);
    return (await this.#claim(wanted, paths, layout, mode)) ? wanted : own;
  }

  /** True if the folder is recorded as the address's, or was nobody's until now. */
  async #claim(folder: string, { mailbox, own }: MaildirPaths, layout: MaildirLayout, mode: number) {
    const file = join(folder, OWNER_FILE);
    let owner = await readOwner(file);
    if (owner === undefined) {
      await this.#record(folder, file, mailbox, mode);
      owner = await readOwner(file);
    }
    return owner !== undefined && ownFolderOf(owner, layout) === own;
  }

  /** By a link, which fails if somebody else was faster: nobody ever reads half an address. */
  async #record(folder: string, file: string, mailbox: string, mode: number): Promise<void> {
    const staged = join(folder, 'tmp', this.#names.next());
    const handle = await attempt('open', staged, () => open(staged, 'wx', mode & 0o666));
    try {
      await attempt('write', staged, () => handle.writeFile(`${mailbox}\n`));
      await attempt('sync', staged, () => handle.sync());
      await attempt('link', file, () => linkUnlessThere(staged, file));
    } finally {
      await handle.close().catch(() => undefined);
      await unlink(staged).catch(() => undefined);
    }
    await attempt('sync', folder, () => this.#syncs.sync(folder));
  }
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';

function isMaildir(folder: string): Promise<boolean> {
  const path = join(folder, 'tmp');
  return attempt('open', path, () =>
    stat(path).then(
      (found) => found.isDirectory(),
      (error: unknown) => {
        if (isMissing(error)) return false;
        throw error;
      },
    ),
  );
}

/**
 * A mailbox's user may write there: no link is followed, nothing is waited for, and what is no file names nobody, or the
 * user could keep mail from others whose folder it might be.
 */
function readOwner(file: string): Promise<string | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  return attempt('read', file, async () => {
    const handle = await open(file, flags).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      if (codeOf(error) === 'ELOOP') return NOBODY;
      throw error;
    });
    if (handle === undefined || handle === NOBODY) return handle;
    try {
      if (!(await handle.stat()).isFile()) return NOBODY;
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(OWNER_OCTETS), 0, OWNER_OCTETS, 0);
      return buffer.utf8Slice(0, bytesRead).split('\n', 1)[0]!.trim();
    } finally {
      await handle.close();
    }
  });
}

async function linkUnlessThere(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/** Compared by the layout: what makes no difference to it makes none here. Undefined for what is no address. */
function ownFolderOf(mailbox: string, layout: MaildirLayout): string | undefined {
  const at = mailbox.lastIndexOf('@');
  const address =
    at < 0 ? new Address(mailbox, '') : new Address(mailbox.slice(0, at), mailbox.slice(at + 1));
  try {
    return maildirsOf(layout, address).own;
  } catch {
    return undefined;
  }
}
