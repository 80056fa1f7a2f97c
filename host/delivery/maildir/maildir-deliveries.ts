import type { Address } from '../../../bindings/wire/address.ts';
import type { LineEnds } from '../../../bindings/plugin/message.ts';
import type { MaildirDelivery, MaildirLetter, Maildirs } from '../../../bindings/plugin/services.ts';
import { QpsmtpdError } from '../../errors/error-classes.ts';
import type { Rehearsal } from '../../errors/rehearsal.ts';
import { maskControls } from '../../message/field-text.ts';
import { makeMaildir, prepareMaildir, requireMaildirs } from './directories.ts';
import { DirectorySync } from '../../message/directory-sync.ts';
import { FolderChoice } from './folder-choice.ts';
import { ambiguityOf, maildirsOf, type MaildirLayout } from './layout.ts';
import { attempt, MaildirError } from './maildir-error.ts';
import { StagedFile } from './staged-file.ts';
import { unclaimedFolders } from './unclaimed-folders.ts';
import type { UniqueNames } from './unique-name.ts';

/** A Maildir that is removed as often as it is made is not wanted. */
const MAX_TRIES = 3;

/** One file to be written. */
interface Copy {
  readonly maildir: string;
  /** One of those it is for. */
  readonly address: Address | undefined;
  readonly envelope: Buffer;
}

/** Delivery into Maildirs: durable when it resolves, without a trace when it rejects. */
export class MaildirDeliveries implements Maildirs {
  readonly #names: UniqueNames;
  readonly #syncs: DirectorySync;
  readonly #folders: FolderChoice;
  readonly #rehearsal: Rehearsal | undefined;
  /** Layouts with a pattern, by their words. */
  readonly #layouts = new Map<string, MaildirLayout>();

  constructor(names: UniqueNames, syncs: DirectorySync = new DirectorySync(), rehearsal?: Rehearsal) {
    this.#rehearsal = rehearsal;
    this.#names = names;
    this.#syncs = syncs;
    this.#folders = new FolderChoice(names, syncs);
  }

  prepare(directory: string, mode: number): void {
    prepareMaildir(directory, mode, this.#rehearsal);
  }

  layOut(delivery: MaildirDelivery): string | undefined {
    const layout = layoutOf(delivery);
    if (layout === undefined) return undefined;
    if (this.#rehearsal !== undefined) requireMaildirs(layout.directory, this.#rehearsal);
    this.#layouts.set(`${layout.directory} ${layout.subdirectory}`, layout);
    return ambiguityOf(layout.subdirectory);
  }

  /** Folders of the layouts that two addresses could mean. */
  *unclaimedFolders(): Generator<string> {
    for (const layout of this.#layouts.values()) yield* unclaimedFolders(layout);
  }

  problemWith(address: Address, delivery: MaildirDelivery): string | undefined {
    const layout = layoutOf(delivery);
    if (layout === undefined) return undefined;
    try {
      maildirsOf(layout, address);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /**
   * With several copies all are on disk before the first appears in new/: a full disk half way must not leave some
   * recipients with the message, and with another one each time the client tries again. What somebody has removed of a
   * Maildir is made again, at whichever step it is missed; the files that went with it are written anew.
   */
  async deliver(letter: MaildirLetter, delivery: MaildirDelivery): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#deliver(letter, delivery);
      } catch (error) {
        if (tries === MAX_TRIES || !isMissing(error)) throw error;
      }
    }
  }

  async #deliver(letter: MaildirLetter, delivery: MaildirDelivery): Promise<void> {
    const copies = await this.#copiesOf(letter, delivery);
    const staged: StagedFile[] = [];
    try {
      for (const copy of copies) {
        const file = new StagedFile(copy.maildir, this.#names.next());
        staged.push(file);
        const blocks = (): ReturnType<typeof letter.message.blocks> =>
          letter.message.blocks(lineEndsOf(letter));
        await this.#mending(copy, delivery, () => file.write(delivery.mode & 0o666, copy.envelope, blocks()));
      }
      const targets = new Set<string>();
      for (const [index, file] of staged.entries()) {
        await this.#mending(copies[index]!, delivery, () => file.publish());
        targets.add(file.target);
      }
      await Promise.all([...targets].map((target) => this.#sync(target)));
    } catch (error) {
      for (const file of staged) await file.withdraw();
      throw error;
    }
  }

  /** One copy for each Maildir: two recipients may have the same, by their tags or by the case they are written in. */
  async #copiesOf(letter: MaildirLetter, delivery: MaildirDelivery): Promise<readonly Copy[]> {
    const layout = layoutOf(delivery);
    const addresses = letter.recipients.map((recipient) => recipient.address);
    if (layout === undefined) {
      return [{ maildir: delivery.directory, address: undefined, envelope: envelopeOf(letter, addresses) }];
    }
    if (addresses.length === 0)
      throw new QpsmtpdError('Q_DELIVERY', 'no recipients to deliver the message to');
    // First all of them: of a message that one recipient can't have, nothing is made for the others.
    for (const address of addresses) maildirsOf(layout, address);
    const byMaildir = new Map<string, Address[]>();
    for (const address of addresses) {
      const maildir = await this.#folders.folderOf(layout, delivery.mode, address);
      const sharing = byMaildir.get(maildir);
      if (sharing === undefined) byMaildir.set(maildir, [address]);
      else sharing.push(address);
    }
    return [...byMaildir].map(([maildir, some]) => ({
      maildir,
      address: some[0],
      envelope: envelopeOf(letter, some),
    }));
  }

  /**
   * Does one step, and once more if a folder of the Maildir was missing. Whose folder it is was recorded in it: where it has
   * become another address's meanwhile, the error stands, and the next try finds the right one.
   */
  async #mending(
    { maildir, address }: Copy,
    delivery: MaildirDelivery,
    step: () => Promise<void>,
  ): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (!isMissing(error)) throw error;
      await makeMaildir(maildir, delivery.mode, this.#syncs);
      const layout = layoutOf(delivery);
      if (layout !== undefined && address !== undefined) {
        const folder = await this.#folders.folderAfterLoss(layout, delivery.mode, address);
        if (folder !== maildir) throw error;
      }
      await step();
    }
  }

  #sync(directory: string): Promise<void> {
    return attempt('sync', directory, () => this.#syncs.sync(directory));
  }
}

/** Undefined without a pattern. */
const layoutOf = ({ subdirectory, ...delivery }: MaildirDelivery): MaildirLayout | undefined =>
  subdirectory === undefined ? undefined : { ...delivery, subdirectory };

/**
 * Mailboxes have LF for line ends, but in a binary message a CR and LF may be a picture's: it is stored as it came, the
 * fields on top included, so that a reader meets one kind of line end. RFC 3030 section 3.
 */
const lineEndsOf = ({ mailOptions }: MaildirLetter): LineEnds =>
  mailOptions.body === 'binarymime' ? 'crlf' : 'lf';

/** The envelope as fields on top (RFC 5321 section 4.4 for Return-Path); the last recipient comes first. */
function envelopeOf(letter: MaildirLetter, recipients: readonly Address[]): Buffer {
  const { reversePath } = letter;
  const end = lineEndsOf(letter) === 'lf' ? '\n' : '\r\n';
  let text = `Return-Path: ${maskControls(reversePath.toString())}${end}`;
  const fields = recipients.map((address) => `Delivered-To: ${maskControls(address.mailbox)}${end}`);
  for (const field of new Set(fields.toReversed())) text += field;
  return Buffer.from(text, 'utf8');
}

const isMissing = (error: unknown): boolean =>
  error instanceof MaildirError && (error.cause as NodeJS.ErrnoException).code === 'ENOENT';
