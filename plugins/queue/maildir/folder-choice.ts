/**
 * Which of the folders an address may have is its own. qpsmtpd writes `_` for many characters, so a folder of that kind
 * may have been meant for several addresses: the first that gets mail there is recorded in it, and others have their mail
 * elsewhere. What was recorded stays, for all processes, until an operator changes it.
 */

import { join } from 'node:path';
import { Address, type Files } from '../../../bindings/plugin/index.ts';
import { attempt, makeMaildir, syncDirectory } from './directories.ts';
import { maildirsOf, type MaildirLayout, type MaildirPaths } from './layout.ts';

/** The address that a folder belongs to, as the only line. No dot in front: readers take such names for mail folders. */
export const OWNER_FILE = 'qpsmtpd-address';
/** Longest address that is read back, and then some. */
const OWNER_OCTETS = 2_048;
/** Choices that are remembered before all are forgotten. */
const MAX_KNOWN = 10_000;

export class FolderChoice {
  readonly #files: Files;
  readonly #nextName: () => string;
  readonly #layout: MaildirLayout;
  readonly #known = new Map<string, string>();

  /** `nextName` makes unique names of files. */
  constructor(layout: MaildirLayout, files: Files, nextName: () => string) {
    this.#layout = layout;
    this.#files = files;
    this.#nextName = nextName;
  }

  /** The folder of `address`; a choice is durable when this resolves. Rejects with a `MaildirError`. */
  async folderOf(address: Address): Promise<string> {
    const paths = maildirsOf(this.#layout, address);
    // Nearly all addresses: there is no choice.
    if (paths.old.length === 0 && paths.own === paths.usual) return paths.usual;
    const known = this.#known.get(paths.own);
    if (known !== undefined) return known;
    const chosen = await this.#choose(paths);
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(paths.own, chosen);
    return chosen;
  }

  /** As `folderOf`, after the folder was found missing: what was recorded in it is gone as well. */
  folderAfterLoss(address: Address): Promise<string> {
    this.#known.delete(maildirsOf(this.#layout, address).own);
    return this.folderOf(address);
  }

  async #choose(paths: MaildirPaths): Promise<string> {
    const { own, usual, old, asBefore } = paths;
    // A mailbox that has its own folder keeps it, whatever else turns up: its mail must not be in two places.
    if (await this.#isMaildir(own)) return own;
    for (const folder of old)
      if ((await this.#isMaildir(folder)) && (await this.#claim(folder, paths))) return folder;
    const wanted = this.#layout.isNamedAsBefore === true ? asBefore : usual;
    if (wanted === own) return own;
    if (!(await this.#isMaildir(wanted))) await makeMaildir(wanted, this.#layout.mode, this.#files);
    return (await this.#claim(wanted, paths)) ? wanted : own;
  }

  async #isMaildir(folder: string): Promise<boolean> {
    const path = join(folder, 'tmp');
    return (await attempt('open', path, () => this.#files.kindOf(path))) === 'directory';
  }

  /** True if the folder is recorded as the address's, or was nobody's until now. */
  async #claim(folder: string, { mailbox, own }: MaildirPaths): Promise<boolean> {
    const file = join(folder, OWNER_FILE);
    let owner = await this.#readOwner(file);
    if (owner === undefined) {
      await this.#record(folder, file, mailbox);
      owner = await this.#readOwner(file);
    }
    return owner !== undefined && ownFolderOf(owner, this.#layout) === own;
  }

  /**
   * A mailbox's user may write there. What is no file names nobody, or the user could keep mail from others whose folder it
   * might be.
   */
  async #readOwner(file: string): Promise<string | undefined> {
    const head = await attempt('read', file, () => this.#files.readHead(file, OWNER_OCTETS));
    return head?.split('\n', 1)[0]!.trim();
  }

  /** By a link, which fails if somebody else was faster: nobody ever reads half an address. */
  async #record(folder: string, file: string, mailbox: string): Promise<void> {
    const path = join(folder, 'tmp', this.#nextName());
    const mode = this.#layout.mode & 0o666;
    const staged = await attempt('open', path, () => this.#files.stage(path, { mode, isMasked: true }));
    try {
      await attempt('write', path, () => staged.write(Buffer.from(`${mailbox}\n`)));
      await attempt('sync', path, () => staged.sync());
      await attempt('link', file, () => staged.link(file));
    } finally {
      await staged.discard();
    }
    await syncDirectory(folder, this.#files);
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

/** Entries of directories that are looked at. */
const MAX_SEEN = 1_000_000;

/**
 * Maildirs under the pattern whose name has a `_` that may stand for another character, and in which nobody is recorded: for
 * an operator who would rather say whose they are. Reads whole directories: for commands, not for the running daemon.
 */
export async function* unclaimedFolders(
  { directory, subdirectory }: MaildirLayout,
  files: Files,
): AsyncGenerator<string> {
  const parts = subdirectory.split('/').filter((part) => part !== '');
  let seen = 0;
  async function* below(folder: string, depth: number, isUnsure: boolean): AsyncGenerator<string> {
    const part = parts[depth];
    if (part === undefined) {
      if (isUnsure && (await isThere(join(folder, 'new'))) && !(await isThere(join(folder, OWNER_FILE))))
        yield folder;
      return;
    }
    for (const name of await namesIn(folder, part, files)) {
      if (++seen > MAX_SEEN) return;
      const values = matcherOf(part).exec(name)?.slice(1).join('');
      // What qpsmtpd wrote holds none of the characters for which it writes `_`.
      if (values === undefined || /[^-A-Za-z0-9+_.,@=]/.test(values)) continue;
      yield* below(join(folder, name), depth + 1, isUnsure || values.includes('_'));
    }
  }
  /** What may not be looked at is as good as missing. */
  const isThere = async (path: string): Promise<boolean> =>
    (await files.kindOf(path).catch(() => undefined)) !== undefined;
  yield* below(directory, 0, false);
}

async function namesIn(folder: string, part: string, files: Files): Promise<readonly string[]> {
  if (!/%[ldu]/.test(part)) return [part];
  // Not there yet, or not ours to read: no mail of ours is in it.
  const entries = await files.list(folder).catch(() => []);
  return entries.filter(({ kind }) => kind === 'directory').map(({ name }) => name);
}

const matcherOf = (part: string): RegExp =>
  new RegExp(`^${part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&').replace(/%[ldu]/g, '(.+)')}$`, 's');
