import { definePlugin, fail, oneOf, pass, z } from '../bindings/plugin/index.ts';

/** Refuses bounces that no mail server would send: to several recipients, or with a sender in Return-Path. RFC 3834. */
export default definePlugin({
  name: 'bogus_bounce',
  about: 'Refuses bounces that have other than one recipient or name a sender.',
  options: z.object({ action: oneOf(['log', 'deny', 'denysoft']).optional() }),
  positional: ['action'],
  rejects: ({ action = 'log' }) => ({
    reject: action === 'log' ? '0' : '1',
    reject_type: action === 'denysoft' ? 'temp' : 'perm',
  }),
  onError: 'defer',
  hooks: {
    data_post({ transaction: { message, recipients, reversePath } }) {
      if (reversePath?.isNull !== true) return pass('not a null sender');
      if (recipients.length !== 1) {
        return fail('fail, this bounce message does not have 1 recipient', {
          log: `bogus bounce to: ${recipients.map(({ address }) => address.toString()).join(',')}`,
        });
      }
      const returnPath = message.header.get('Return-Path') ?? '';
      if (returnPath !== '' && returnPath !== '<>') {
        return fail('a bounce return path must be empty (RFC 3834)', {
          log: 'bounce messages must not have a Return-Path',
        });
      }
      return pass('single recipient, empty Return-Path');
    },
  },
});
