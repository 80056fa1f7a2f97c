import {
  decline,
  defineOutlet,
  directoryMode,
  dsn,
  oneOf,
  verdictOf,
  z,
  type CheckList,
  type Files,
  type MailObject,
  type RecipientOutcome,
} from '../../../bindings/plugin/index.ts';
import { MaildirDeliveries } from './delivery.ts';
import { expectMaildirs, prepareMaildir } from './directories.ts';
import { OWNER_FILE, unclaimedFolders } from './folder-choice.ts';
import { ambiguityOf, layoutOf, problemWith, type MaildirLayout, type MaildirOptions } from './layout.ts';

/** The reply to the end of data is one line of at most 512 octets. RFC 5321 section 4.5.3.1.5. */
const MAX_MESSAGE_ID = 480;

/** What qpsmtpd answers if the next queue plugin cannot take the message either. */
const QUEUE_ERROR = 'queue error';

const options = z.object({
  directory: z.string().regex(/^[\w./+-]+$/, 'may hold letters, digits and _ . / + -'),
  subdirectory: z
    .string()
    .regex(/%[ldu]/, 'must name the recipient by %l (local part), %d (domain) or %u (address)')
    .optional(),
  permissions: directoryMode().default(0o700),
  /** Whether `User@X` and `user@x` are one mailbox. */
  case: oneOf(['keep', 'lower']).default('keep'),
  /** What stands between a user and the rest of the local part: `user+lists`. */
  separator: z
    .string()
    .regex(/^[+=_-]$/, 'must be one of + - = _')
    .optional(),
  /** What becomes of characters that qpsmtpd writes `_` for. */
  paths: oneOf(['escaped', 'qpsmtpd']).default('escaped'),
});

/** Stores messages in a Maildir, or in one for each recipient. */
export default defineOutlet({
  name: 'queue/maildir',
  about: 'Delivers into a Maildir, or into one per recipient.',
  isLocal: true,
  options,
  positional: ['directory', 'subdirectory', 'permissions'],
  outlet({ options, services, log, onCheck }) {
    const maildir = maildirOf(options);
    const { directory, mode } = maildir;
    const layout = layoutOf(maildir);
    if (layout === undefined) prepareMaildir(services, directory, mode);
    else {
      expectMaildirs(services, directory);
      const warning = ambiguityOf(layout.subdirectory);
      if (warning !== undefined) log.warn(warning);
      onCheck(() => listUnclaimed(layout, services.files));
    }
    const deliveries = new MaildirDeliveries(maildir, services);
    return {
      async deliver(mail) {
        const outcomes = mail.recipients.map(({ address }): RecipientOutcome | undefined => {
          const problem = problemWith(address, maildir);
          if (problem === undefined) return undefined;
          log.warn(`${mail.id}: ${directory}: ${problem}`);
          return NO_MAILDIR;
        });
        const recipients = mail.recipients.filter((_, index) => outcomes[index] === undefined);
        // With one reply for all, those who have the message must not be told of as if they had not.
        const isRefused = recipients.length < outcomes.length && mail.isTrackedByRecipient !== true;
        if (recipients.length === 0 || isRefused) return outcomes.map(() => NO_MAILDIR);
        const shared = await deliveries.deliver({ ...mail, recipients }).then(
          () => stored(mail),
          (cause: unknown) => {
            log.error(`${mail.id}: ${directory}: ${String(cause)}`);
            return failed(cause);
          },
        );
        return outcomes.map((outcome) => outcome ?? shared);
      },
    };
  },
  // As in qpsmtpd the next queue plugin is asked after a failure: it may have room where this one has not.
  verdict: (report) =>
    report[0]?.kind === 'deferred' && report.every(({ reply }) => reply.lines[0]?.startsWith(QUEUE_ERROR))
      ? decline(report[0].reply.lines)
      : verdictOf(report),
  hooks: ({ options }) => ({
    /** Here nobody has the message yet: later a refusal would tell the sender that those who have it have not. */
    data({ transaction: { recipients, isAnsweredByRecipient }, log }) {
      if (isAnsweredByRecipient) return undefined;
      const problem = recipients
        .map(({ address }) => problemWith(address, maildirOf(options)))
        .find((text) => text !== undefined);
      if (problem === undefined) return undefined;
      log.warn(problem);
      return dsn.addrBadDestSyntax();
    },
  }),
});

function maildirOf(given: z.output<typeof options>): MaildirOptions {
  const { directory, subdirectory, permissions: mode, separator } = given;
  const isNamedAsBefore = given.paths === 'qpsmtpd';
  return { directory, subdirectory, mode, isLowerCase: given.case === 'lower', separator, isNamedAsBefore };
}

/** Folders whose owner the operator may know better than the first address that gets mail there. */
const listUnclaimed = (layout: MaildirLayout, files: Files): CheckList => ({
  headline: 'Maildirs that two addresses could mean, because `_` stands for many characters:',
  items: unclaimedFolders(layout, files),
  remedy: `the first address that gets mail there keeps the folder, unless the file ${OWNER_FILE} in it names another`,
});

const NO_MAILDIR: RecipientOutcome = {
  kind: 'refused',
  reply: { code: 553, status: '5.1.3', lines: dsn.addrBadDestSyntax().lines },
  hop: undefined,
};

const DISK_FULL: RecipientOutcome = {
  kind: 'deferred',
  reply: { code: 452, status: '4.3.1', lines: dsn.sysDiskFull().lines },
  hop: undefined,
};

function stored({ message, id }: MailObject): RecipientOutcome {
  const messageId = printable(message.header.get('Message-Id') ?? '') || id;
  return {
    kind: 'delivered',
    reply: { code: 250, status: undefined, lines: [`Queued! ${messageId}`] },
    hop: undefined,
  };
}

function failed(cause: unknown): RecipientOutcome {
  if (causes(cause).some(({ code }) => code === 'Q_DISK_FULL')) return DISK_FULL;
  const reply = { code: 451, status: undefined, lines: [`${QUEUE_ERROR} (${stageOf(cause)})`] };
  return { kind: 'deferred', reply, hop: undefined };
}

/** The sender wrote it: what is no printable ASCII, or too much, must not get into a reply. */
const printable = (text: string): string => text.replace(/[^ -~]+/g, '').slice(0, MAX_MESSAGE_ID);

interface Fault {
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly cause?: unknown;
}

/** What failed, as qpsmtpd calls it: opening the file, writing it out, or moving it to where readers look. */
function stageOf(thrown: unknown): 'open' | 'close' | 'link' {
  const call = causes(thrown).find(({ syscall }) => typeof syscall === 'string')?.syscall;
  if (call === 'link' || call === 'rename') return 'link';
  return call === 'write' || call === 'fsync' || call === 'close' ? 'close' : 'open';
}

/** An error and the one it was made from. */
function causes(thrown: unknown): Fault[] {
  const isFault = (value: unknown): value is Fault => typeof value === 'object' && value !== null;
  return isFault(thrown) ? [thrown, thrown.cause].filter(isFault) : [];
}
