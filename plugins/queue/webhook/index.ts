import {
  defineOutlet,
  flag,
  oneOf,
  PORTIONS,
  WEBHOOK_FORMATS,
  wholeNumber,
  z,
} from '../../../bindings/plugin/index.ts';

const MAX_OCTETS = 1_073_741_824;

/** Hands messages to a web server that takes the inbound webhooks of mail services. */
export default defineOutlet({
  name: 'queue/webhook',
  about: 'Posts messages to a web server: Action Mailbox, Mailgun, Postmark, SendGrid or raw.',
  isLocal: true,
  options: z.object({
    /** `https://host/path`. */
    url: z.string(),
    format: oneOf(WEBHOOK_FORMATS).default('raw'),
    /** File with `username`, `password` and `signing_key`, for the daemon's user alone. */
    secrets: z.string().optional(),
    /** One request for the whole message, or one for each recipient. */
    per: oneOf(PORTIONS).optional(),
    ca_file: z.string().optional(),
    /** Allows `http://` to other hosts than this one. */
    insecure: flag().default(false),
    max_octets: wholeNumber(1, MAX_OCTETS).optional(),
    /** Seconds. */
    connect_timeout: wholeNumber(1, 120).default(10),
    /** Seconds until the end of the answer. */
    request_timeout: wholeNumber(1, 240).default(60),
    connections: wholeNumber(1, 1_000).default(16),
  }),
  positional: ['url', 'format'],
  outlet: ({ options, services: { webOutlets }, log }) =>
    webOutlets.webhook(
      {
        url: options.url,
        format: options.format,
        secretsFile: options.secrets,
        authoritiesFile: options.ca_file,
        isPlainAllowed: options.insecure,
        per: options.per,
        maxOctets: options.max_octets,
        connectTimeoutMs: options.connect_timeout * 1_000,
        requestTimeoutMs: options.request_timeout * 1_000,
        maxConnections: options.connections,
      },
      log,
    ),
});
