import { definePlugin, z } from '../bindings/plugin/index.ts';

const path = () =>
  z
    .string()
    .regex(/^[\w./+@:=-]+$/, 'may hold letters, digits and _ . / + @ : = -')
    .optional();

/** Offers STARTTLS, and TLS from the first octet on port 465 and on listeners that say `tls=implicit`. RFC 3207, RFC 8314. */
export default definePlugin({
  name: 'tls',
  about: 'Offers STARTTLS, and TLS at once on port 465.',
  options: z.object({ certificate: path(), key: path(), authorities: path(), dhparam: path() }),
  positional: ['certificate', 'key', 'authorities', 'dhparam'],
  hooks({ options, services: { tls } }) {
    tls.offer(options);
    return {};
  },
});
