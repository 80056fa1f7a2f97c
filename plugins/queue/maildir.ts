import {
  decline,
  defineOutlet,
  directoryMode,
  dsn,
  oneOf,
  verdictOf,
  z,
  type MaildirDelivery,
  type MailObject,
  type RecipientOutcome,
} from '../../bindings/plugin/index.ts';

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
  outlet({ options, services: { maildirs }, log }) {
    const delivery = deliveryOf(options);
    const { directory, mode } = delivery;
    if (delivery.subdirectory === undefined) maildirs.prepare(directory, mode);
    const warning = maildirs.layOut(delivery);
    if (warning !== undefined) log.warn(warning);
    return {
      async deliver(mail) {
        const outcomes = mail.recipients.map(({ address }): RecipientOutcome | undefined => {
          const problem = maildirs.problemWith(address, delivery);
          if (problem === undefined) return undefined;
          log.warn(`${mail.id}: ${directory}: ${problem}`);
          return NO_MAILDIR;
        });
        const recipients = mail.recipients.filter((_, index) => outcomes[index] === undefined);
        // With one reply for all, those who have the message must not be told of as if they had not.
        const isRefused = recipients.length < outcomes.length && mail.isTrackedByRecipient !== true;
        if (recipients.length === 0 || isRefused) return outcomes.map(() => NO_MAILDIR);
        const shared = await maildirs.deliver({ ...mail, recipients }, delivery).then(
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
  hooks: ({ options, services: { maildirs } }) => ({
    /** Here nobody has the message yet: later a refusal would tell the sender that those who have it have not. */
    data({ transaction: { recipients }, log }) {
      const problem = recipients
        .map(({ address }) => maildirs.problemWith(address, deliveryOf(options)))
        .find((text) => text !== undefined);
      if (problem === undefined) return undefined;
      log.warn(problem);
      return dsn.addrBadDestSyntax();
    },
  }),
});

function deliveryOf(given: z.output<typeof options>): MaildirDelivery {
  const { directory, subdirectory, permissions: mode, separator } = given;
  const isNamedAsBefore = given.paths === 'qpsmtpd';
  return { directory, subdirectory, mode, isLowerCase: given.case === 'lower', separator, isNamedAsBefore };
}

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

/** What failed, in qpsmtpd's words: opening the file, writing it out, or moving it to where readers look. */
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
