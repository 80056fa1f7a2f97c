import { definePlugin } from '../bindings/plugin/index.ts';
import { dkimHooks, dkimOptions } from './mailauth/incoming-signatures.ts';

/** Verifies the signatures of a message, and signs what clients that may relay send. RFC 6376, RFC 8601 section 2.7.1. */
export default definePlugin({
  name: 'dkim',
  about: 'Verifies DKIM signatures for Authentication-Results, and signs the mail of clients that may relay.',
  options: dkimOptions,
  // A broken signature is worth as much as none (RFC 6376 section 6.1), and many break on the way.
  rejects: { reject: '0', reject_type: 'perm' },
  onError: 'skip',
  hooks: dkimHooks,
});
