import { definePlugin, dsn, wholeNumber, z } from '../bindings/plugin/index.ts';

/** Refuses messages that have been through too many hosts: they are going round in circles. RFC 5321 section 6.3. */
export default definePlugin({
  name: 'loop',
  about: 'Refuses messages with too many Received and Delivered-To fields.',
  options: z.object({ max_hops: wholeNumber(1, 10_000).default(100) }),
  positional: ['max_hops'],
  onError: 'defer',
  hooks: {
    data_post({ options, transaction }) {
      const { header } = transaction.message;
      const hops = header.count('Received') + header.count('Delivered-To');
      return hops >= options.max_hops ? dsn.tooManyHops() : undefined;
    },
  },
});
