import type { Address } from '../../../bindings/plugin/address.ts';
import type { LineEnds } from '../../../bindings/plugin/message.ts';
import type { MaildirDelivery, MaildirLetter, Maildirs } from '../../../bindings/plugin/services.ts';
import { QpsmtpdError } from '../../errors.ts';
import { maskControls } from '../../message/field-text.ts';
import { makeMaildir, prepareMaildir } from './directories.ts';
import { DirectorySync } from './directory-sync.ts';
import { maildirOf } from './layout.ts';
import { attempt, MaildirError } from './maildir-error.ts';
import { StagedFile } from './staged-file.ts';
import type { UniqueNames } from './unique-name.ts';

/** One file to be written. */
interface Copy {
  readonly maildir: string;
  readonly envelope: Buffer;
}

/** Delivery into Maildirs: durable when it resolves, without a trace when it rejects. */
export class MaildirDeliveries implements Maildirs {
  readonly #names: UniqueNames;
  readonly #syncs: DirectorySync;

  constructor(names: UniqueNames, syncs: DirectorySync = new DirectorySync()) {
    this.#names = names;
    this.#syncs = syncs;
  }

  prepare(directory: string, mode: number): void {
    prepareMaildir(directory, mode);
  }

  problemWith(address: Address, { subdirectory, ...delivery }: MaildirDelivery): string | undefined {
    if (subdirectory === undefined) return undefined;
    try {
      maildirOf({ ...delivery, subdirectory }, address);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /**
   * With several copies all are on disk before the first appears in new/: a full disk half way must not leave some
   * recipients with the message, and with another one each time the client tries again.
   */
  async deliver(letter: MaildirLetter, delivery: MaildirDelivery): Promise<void> {
    const staged: StagedFile[] = [];
    try {
      for (const copy of copiesOf(letter, delivery)) {
        const file = new StagedFile(copy.maildir, this.#names.next());
        staged.push(file);
        await this.#stage(file, copy, letter, delivery);
      }
      const targets = new Set<string>();
      for (const file of staged) {
        await file.publish();
        targets.add(file.target);
      }
      await Promise.all([...targets].map((target) => this.#sync(target)));
    } catch (error) {
      for (const file of staged) await file.withdraw();
      throw error;
    }
  }

  async #stage(
    file: StagedFile,
    copy: Copy,
    letter: MaildirLetter,
    delivery: MaildirDelivery,
  ): Promise<void> {
    const { maildir, envelope } = copy;
    const write = (): Promise<void> =>
      file.write(delivery.mode & 0o666, envelope, letter.message.blocks(lineEndsOf(letter)));
    try {
      await write();
    } catch (error) {
      if (delivery.subdirectory === undefined || !isMissing(error)) throw error;
      await makeMaildir(maildir, delivery.mode, this.#syncs);
      await write();
    }
  }

  #sync(directory: string): Promise<void> {
    return attempt('sync', directory, () => this.#syncs.sync(directory));
  }
}

/** One copy for all recipients, or one each under a pattern. */
function copiesOf(letter: MaildirLetter, delivery: MaildirDelivery): Copy[] {
  const { directory, subdirectory } = delivery;
  const addresses = letter.recipients.map((recipient) => recipient.address);
  if (subdirectory === undefined) {
    return [{ maildir: directory, envelope: envelopeOf(letter, addresses) }];
  }
  if (addresses.length === 0) throw new QpsmtpdError('Q_DELIVERY', 'no recipients to deliver the message to');
  return addresses.map((address) => ({
    maildir: maildirOf({ ...delivery, subdirectory }, address),
    envelope: envelopeOf(letter, [address]),
  }));
}

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
  for (const address of recipients.toReversed())
    text += `Delivered-To: ${maskControls(address.mailbox)}${end}`;
  return Buffer.from(text, 'utf8');
}

const isMissing = (error: unknown): boolean =>
  error instanceof MaildirError &&
  error.step === 'open' &&
  (error.cause as NodeJS.ErrnoException).code === 'ENOENT';
