import { decline, definePlugin, directoryMode, dsn, ok, z } from '../../bindings/plugin/index.ts';

/** The reply to the end of data is one line of at most 512 octets. RFC 5321 section 4.5.3.1.5. */
const MAX_MESSAGE_ID = 480;

/** Stores messages in a Maildir, or in one for each recipient. */
export default definePlugin({
  name: 'queue/maildir',
  about: 'Delivers into a Maildir, or into one per recipient.',
  options: z.object({
    directory: z.string().regex(/^[\w./+-]+$/, 'may hold letters, digits and _ . / + -'),
    subdirectory: z
      .string()
      .regex(/%[ldu]/, 'must name the recipient by %l (local part), %d (domain) or %u (address)')
      .optional(),
    permissions: directoryMode().default(0o700),
  }),
  positional: ['directory', 'subdirectory', 'permissions'],
  hooks({ options, services: { maildirs } }) {
    const { directory, subdirectory, permissions: mode } = options;
    if (subdirectory === undefined) maildirs.prepare(directory, mode);
    const delivery = { directory, subdirectory, mode };
    return {
      async queue({ transaction, log }) {
        const messageId = printable(transaction.message.header.get('Message-Id') ?? '');
        try {
          await maildirs.deliver(transaction, delivery);
        } catch (cause) {
          log.error(`${directory}: ${String(cause)}`);
          return causes(cause).some(({ code }) => code === 'Q_DISK_FULL')
            ? dsn.sysDiskFull()
            : decline(`queue error (${stageOf(cause)})`);
        }
        return ok(`Queued! ${messageId}`);
      },
    };
  },
});

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
