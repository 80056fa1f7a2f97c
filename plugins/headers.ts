import {
  decimal,
  definePlugin,
  fail,
  pass,
  skip,
  z,
  type Header,
  type HookContext,
} from '../bindings/plugin/index.ts';
import { parseMailDate } from '../bindings/wire/mail-date.ts';

/** Fields that may stand in a header once at most. RFC 5322 section 3.6. */
const SINGULAR: readonly string[] = [
  'Date',
  'From',
  'Sender',
  'Reply-To',
  'To',
  'Cc',
  'Bcc',
  'Message-Id',
  'In-Reply-To',
  'References',
  'Subject',
];

const DAY_MS = 86_400_000;
const MAX_DAYS = 36_500;

const fieldNames = z.string().transform((list, context) => {
  const names = list.split(',').filter((name) => name !== '');
  if (names.length > 0 && names.every((name) => /^[!-9;-~]+$/.test(name))) return names;
  context.addIssue({ code: 'custom', message: 'must be field names with commas between, such as From,Date' });
  return z.NEVER;
});

const options = z.object({
  require: fieldNames.default(['From']),
  /** Days a message may come from the past, or from the future; 0 for any. */
  past: decimal(0, MAX_DAYS).default(0),
  future: decimal(0, MAX_DAYS).default(0),
});
type Context = HookContext<z.output<typeof options>>;

/** Refuses messages that lack a field, have one twice that may stand once, or come from another time. */
export default definePlugin({
  name: 'headers',
  about: 'Checks that the header has the fields it needs, once, and a date near today.',
  options,
  rejects: { reject: '1', reject_type: 'perm' },
  onError: 'defer',
  hooks: {
    data_post(context) {
      const { message } = context.transaction;
      if (message.octets === 0) return fail('You must send some data first', { log: 'no data' });
      if (context.immunity !== undefined) return skip(context.immunity);
      const errors = fieldErrors(message.header, context.options.require);
      for (let count = 0; count < errors.length; count++) context.adjustKarma(-1);
      const dateError = checkDate(context);
      if (dateError !== undefined) {
        context.adjustKarma(-1);
        return fail(dateError);
      }
      if (errors.length === 0) return pass();
      return fail(errors.join('\n'), { log: `RFC 5322 validation errors: ${errors.join('; ')}` });
    },
  },
});

function fieldErrors(header: Header, required: readonly string[]): string[] {
  const missing = required.filter((name) => header.count(name) === 0);
  const repeated = SINGULAR.filter((name) => header.count(name) > 1);
  return [
    ...missing.map((name) => `We require a valid ${name} header`),
    ...repeated.map((name) => `Only one ${name} header allowed. See RFC 5322, Section 3.6`),
  ];
}

function checkDate({ log, options, services, transaction }: Context): string | undefined {
  const { past, future } = options;
  if (past === 0 && future === 0) return undefined;
  const written = transaction.message.header.get('Date');
  if (written === undefined) return undefined;
  const date = parseMailDate(written);
  if (date === undefined) {
    log.info(`skip, date not parseable (${written.slice(0, 100)})`);
    return undefined;
  }
  const now = services.clock.now();
  if (past > 0 && date < now - past * DAY_MS) return 'The Date header is too far in the past';
  if (future > 0 && date > now + future * DAY_MS) return 'The Date header is too far in the future';
  return undefined;
}
