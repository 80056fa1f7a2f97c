import {
  definePlugin,
  naughty,
  naughtyRejectType,
  oneOf,
  pass,
  refusal,
  z,
  type Answer,
  type HookContext,
} from '../bindings/plugin/index.ts';

const options = z.object({
  /** The hook in which the client is told. */
  reject: oneOf(['connect', 'mail', 'rcpt', 'data', 'data_post']).default('rcpt'),
  reject_type: oneOf(['perm', 'hard', 'temp', 'soft', 'disconnect', 'temp_disconnect']).default('disconnect'),
});
type Context = HookContext<z.output<typeof options>>;

/**
 * Refuses clients that failed a check under `reject naughty`, for all their faults at once and at a time of the
 * operator's choice: so late that users could log in first, and that those who were refused can be told for which recipient.
 */
export default definePlugin({
  name: 'naughty',
  about: 'Refuses clients that other plugins have found naughty.',
  options,
  // data_post as well: another plugin may have accepted in the chosen hook before this one was asked.
  onError: 'defer',
  before: ['rcpt_ok'],
  hooks: ({ options: { reject } }) => ({ [reject]: dispose, data_post: dispose }),
});

function dispose({ connection: { notes }, log, options }: Context): Answer {
  const reasons = notes.get(naughty) ?? [];
  if (reasons.length === 0) return pass();
  log.info('disconnecting');
  return refusal(notes.get(naughtyRejectType) ?? options.reject_type, reasons);
}
