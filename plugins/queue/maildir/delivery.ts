/** Delivery into Maildirs: durable when it resolves, without a trace when it rejects. */

import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import type { Address, Files, LineEnds, MailObject, Services } from '../../../bindings/plugin/index.ts';
import { attempt, codeOf, makeMaildir, MaildirError, syncDirectory } from './directories.ts';
import { FolderChoice } from './folder-choice.ts';
import { layoutOf, maildirsOf, NoMaildirError, type MaildirLayout, type MaildirOptions } from './layout.ts';

type StagedFile = Awaited<ReturnType<Services['files']['stage']>>;

/** A Maildir that is removed as often as it is made is not wanted. */
const MAX_TRIES = 3;

/** What a Maildir needs of a mail object. */
export type MaildirMail = Pick<MailObject, 'reversePath' | 'recipients' | 'mailOptions' | 'message'>;

/** One file to be written. */
interface Copy {
  readonly maildir: string;
  /** One of those it is for; undefined if all have one Maildir. */
  readonly address: Address | undefined;
  readonly envelope: Buffer;
}

/** A copy in tmp/, on its way to new/. */
interface StagedCopy {
  readonly copy: Copy;
  readonly name: string;
  readonly file: StagedFile;
}

export class MaildirDeliveries {
  readonly #options: MaildirOptions;
  readonly #layout: MaildirLayout | undefined;
  readonly #files: Files;
  readonly #names: UniqueNames;
  readonly #folders: FolderChoice | undefined;

  constructor(
    options: MaildirOptions,
    { clock, files, system }: Pick<Services, 'clock' | 'files' | 'system'>,
  ) {
    this.#options = options;
    this.#layout = layoutOf(options);
    this.#files = files;
    this.#names = new UniqueNames({ clock, pid: system.processId, host: system.hostName });
    this.#folders = this.#layout && new FolderChoice(this.#layout, files, () => this.#names.next());
  }

  /**
   * Resolves once the message is durable in `new/`, once in each Maildir, however many of the recipients have it; rejects
   * with nothing left in `tmp/` otherwise.
   *
   * With several copies all are on disk before the first appears in new/: a full disk half way must not leave some
   * recipients with the message, and with another one each time the client tries again. What somebody has removed of a
   * Maildir is made again, at whichever step it is missed; the files that went with it are written anew.
   */
  async deliver(mail: MaildirMail): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#deliver(mail);
      } catch (error) {
        if (tries === MAX_TRIES || !isMissing(error)) throw error;
      }
    }
  }

  async #deliver(mail: MaildirMail): Promise<void> {
    const copies = await this.#copiesOf(mail);
    const staged: StagedCopy[] = [];
    try {
      for (const copy of copies) {
        const one = await this.#mending(copy, () => this.#stage(copy));
        staged.push(one);
        await write(one, mail);
      }
      const targets = new Set<string>();
      for (const one of staged) {
        await this.#mending(one.copy, () => publish(one));
        targets.add(join(one.copy.maildir, 'new'));
      }
      await Promise.all([...targets].map((target) => syncDirectory(target, this.#files)));
    } catch (error) {
      // Should a reader have moved it from new/ to cur/ already, it will be there twice, which beats losing it.
      for (const { file } of staged) await file.discard();
      throw error;
    }
  }

  /** One copy for each Maildir: two recipients may have the same, by their tags or by the case they are written in. */
  async #copiesOf(mail: MaildirMail): Promise<readonly Copy[]> {
    const layout = this.#layout;
    const folders = this.#folders;
    const addresses = mail.recipients.map((recipient) => recipient.address);
    if (layout === undefined || folders === undefined) {
      const { directory } = this.#options;
      return [{ maildir: directory, address: undefined, envelope: envelopeOf(mail, addresses) }];
    }
    if (addresses.length === 0) throw new NoMaildirError('no recipients to deliver the message to');
    // First all of them: of a message that one recipient can't have, nothing is made for the others.
    for (const address of addresses) maildirsOf(layout, address);
    const byMaildir = new Map<string, Address[]>();
    for (const address of addresses) {
      const maildir = await folders.folderOf(address);
      const sharing = byMaildir.get(maildir);
      if (sharing === undefined) byMaildir.set(maildir, [address]);
      else sharing.push(address);
    }
    return [...byMaildir].map(([maildir, some]) => ({
      maildir,
      address: some[0],
      envelope: envelopeOf(mail, some),
    }));
  }

  async #stage(copy: Copy): Promise<StagedCopy> {
    const name = this.#names.next();
    const path = join(copy.maildir, 'tmp', name);
    const mode = this.#options.mode & 0o666;
    return { copy, name, file: await attempt('open', path, () => this.#files.stage(path, { mode })) };
  }

  /**
   * Does one step, and once more if a folder of the Maildir was missing. Whose folder it is was recorded in it: where it has
   * become another address's meanwhile, the error stands, and the next try finds the right one.
   */
  async #mending<T>({ maildir, address }: Copy, step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      if (!isMissing(error)) throw error;
      await makeMaildir(maildir, this.#options.mode, this.#files);
      if (this.#folders !== undefined && address !== undefined) {
        const folder = await this.#folders.folderAfterLoss(address);
        if (folder !== maildir) throw error;
      }
      return await step();
    }
  }
}

/** Writes envelope and content to tmp/, until the octets are on disk. */
async function write({ copy, name, file }: StagedCopy, mail: MaildirMail): Promise<void> {
  const path = join(copy.maildir, 'tmp', name);
  const content = namingReads(path, mail.message.blocks(lineEndsOf(mail)));
  await attempt('write', path, () => file.write(copy.envelope, content));
  await attempt('sync', path, () => file.sync());
  await attempt('close', path, () => file.close());
}

type Blocks = Iterable<Buffer> | AsyncIterable<Buffer>;

/** A content that can't be read is no fault of the file that is written. */
function namingReads(path: string, blocks: Blocks): Blocks {
  if (Symbol.iterator in blocks) return blocks;
  return {
    [Symbol.asyncIterator]() {
      const reader = blocks[Symbol.asyncIterator]();
      return { next: () => attempt('read', path, () => reader.next()) };
    },
  };
}

/**
 * Moves a copy to new/. A rename is one step where link and unlink are two; it would replace a file of the same name, but
 * names are unique. Only new/ has to be synced afterwards: should a crash bring the entry in tmp/ back, it is a leftover
 * like any other there.
 */
function publish({ copy, name, file }: StagedCopy): Promise<void> {
  const path = join(copy.maildir, 'new', name);
  return attempt('link', path, () => file.rename(path));
}

/**
 * Mailboxes have LF for line ends, but in a binary message a CR and LF may be a picture's: it is stored as it came, the
 * fields on top included, so that a reader meets one kind of line end. RFC 3030 section 3.
 */
const lineEndsOf = ({ mailOptions }: MaildirMail): LineEnds =>
  mailOptions.body === 'binarymime' ? 'crlf' : 'lf';

/** The envelope as fields on top (RFC 5321 section 4.4 for Return-Path); the last recipient comes first. */
function envelopeOf(mail: MaildirMail, recipients: readonly Address[]): Buffer {
  const end = lineEndsOf(mail) === 'lf' ? '\n' : '\r\n';
  let text = `Return-Path: ${maskControls(mail.reversePath.toString())}${end}`;
  const fields = recipients.map((address) => `Delivered-To: ${maskControls(address.mailbox)}${end}`);
  for (const field of new Set(fields.toReversed())) text += field;
  return Buffer.from(text, 'utf8');
}

/** A client that could end the line would write fields of its own. */
const maskControls = (text: string): string => text.replace(/[\u0000-\u001f\u007f]/g, '?');

const isMissing = (error: unknown): boolean =>
  error instanceof MaildirError && codeOf(error.cause) === 'ENOENT';

/** Room for 2^31 more deliveries below the largest integer a double holds exactly, and then some. */
const FIRST_NUMBERS = 2 ** 31;

/** What names are made of; replaced in tests. */
export interface NameSources {
  readonly clock: Services['clock'];
  readonly pid: number;
  readonly host: string;
  /** First number of the names; without it they share the numbers of this process. */
  readonly firstNumber?: number;
}

/** All lines of `plugins` count together, in whatever Maildir they meet. */
const numbersOfProcess = { next: randomInt(FIRST_NUMBERS) };

/**
 * Names of messages in a Maildir: `TIME.P<pid>M<usec>Q<n>.HOST`, qpsmtpd's order of the parts the Maildir convention
 * gives. No two are ever equal: within a process `n` counts up; processes that live together differ in pid; and
 * because `n` starts at a random number, so do those that follow each other with the same pid within a clock tick
 * (pids are reused; in containers all daemons may have the same, and hosts that share a Maildir the same name).
 */
export class UniqueNames {
  readonly #sources: NameSources;
  readonly #host: string;
  readonly #numbers: { next: number };

  constructor(sources: NameSources) {
    this.#sources = sources;
    this.#host = hostPart(sources.host);
    this.#numbers = sources.firstNumber === undefined ? numbersOfProcess : { next: sources.firstNumber };
  }

  next(): string {
    const now = this.#sources.clock.now();
    const seconds = Math.floor(now / 1000);
    const microseconds = Math.floor((now - seconds * 1000) * 1000);
    return `${seconds}.P${this.#sources.pid}M${microseconds}Q${this.#numbers.next++}.${this.#host}`;
  }
}

/** `/` can't stand in a file name and `:` begins the flags; the convention writes both in octal. */
const hostPart = (host: string): string =>
  host.replaceAll('/', '\\057').replaceAll(':', '\\072') || 'localhost';
