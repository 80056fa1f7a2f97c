import {
  definePlugin,
  logReport,
  mailObjectOf,
  quarantine,
  verdictOf,
  z,
} from '../../bindings/plugin/index.ts';

const FIELD = 'X-Quarantine-Reason';
/** A line of a message has at most 998 octets. RFC 5322 section 2.1.1. */
const MAX_REASON = 900;

/** Keeps messages that a plugin has marked away from their recipients. The client sees them accepted like any other. */
export default definePlugin({
  name: 'queue/quarantine',
  about: 'Puts messages that a plugin has marked into an outlet of their own.',
  options: z.object({ outlet: z.array(z.string()) }),
  rest: 'outlet',
  // Any of them would deliver what is to be kept back.
  before: [
    'queue/amqp',
    'queue/discard',
    'queue/exim-bsmtp',
    'queue/lmtp',
    'queue/maildir',
    'queue/pipe',
    'queue/postfix-queue',
    'queue/qmail-queue',
    'queue/qmqp',
    'queue/routes',
    'queue/smtp-forward',
    'queue/spool',
    'queue/srs',
    'queue/webhook',
  ],
  hooks({ options, services }) {
    const outlet = services.outlets.open(options.outlet.join(' '));
    return {
      async queue(context) {
        const { transaction, log } = context;
        const reason = transaction.notes.get(quarantine);
        if (reason === undefined) return undefined;
        const { header } = transaction.message;
        // A message that comes with the field must not choose what the reader of the quarantine is told.
        header.remove(FIELD);
        header.prepend(FIELD, printable(reason));
        const report = await outlet.deliver(mailObjectOf(context));
        log.notice(`quarantine: ${printable(reason)}`);
        logReport(report, log);
        // Never DECLINED: the next queue plugin would deliver what is to be kept back.
        return verdictOf(report);
      },
    };
  },
});

const printable = (text: string): string => text.replace(/[^ -~]+/g, ' ').slice(0, MAX_REASON);
