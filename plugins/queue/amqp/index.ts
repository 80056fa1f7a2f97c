import { defineOutlet, flag, oneOf, PORTIONS, wholeNumber, z } from '../../../bindings/plugin/index.ts';

/** No broker takes more than 512 MiB. */
const MAX_OCTETS = 536_870_912;
/** Exchange and routing key are short strings. AMQP 0-9-1 section 4.2.5.3. */
const shortString = () => z.string().max(255, 'has more than 255 characters');

/** Publishes messages to an AMQP 0-9-1 broker. */
export default defineOutlet({
  name: 'queue/amqp',
  about: 'Publishes messages to an AMQP 0-9-1 broker (RabbitMQ) and waits for its confirmation.',
  isLocal: true,
  options: z.object({
    /** `amqps://host/virtual-host`. */
    url: z.string(),
    routing_key: shortString(),
    /** Without it, the routing key is the name of a queue. */
    exchange: shortString().default(''),
    /** File with `username` and `password`, for the daemon's user alone. */
    secrets: z.string().optional(),
    /** One publication for all recipients with the same routing key, or one for each recipient. */
    per: oneOf(PORTIONS).optional(),
    /** What becomes of a message no queue is bound for. */
    unroutable: oneOf(['defer', 'refuse']).default('defer'),
    ca_file: z.string().optional(),
    /** Allows `amqp://` to other hosts than this one. */
    insecure: flag().default(false),
    max_octets: wholeNumber(1, MAX_OCTETS).optional(),
    /** Seconds. */
    connect_timeout: wholeNumber(1, 120).default(10),
    /** Seconds. */
    confirm_timeout: wholeNumber(1, 240).default(30),
    in_flight: wholeNumber(1, 10_000).default(100),
  }),
  positional: ['url', 'routing_key', 'exchange'],
  outlet: ({ options, services: { webOutlets }, log }) =>
    webOutlets.amqp(
      {
        url: options.url,
        exchange: options.exchange,
        routingKey: options.routing_key,
        secretsFile: options.secrets,
        authoritiesFile: options.ca_file,
        isPlainAllowed: options.insecure,
        per: options.per,
        unroutable: options.unroutable,
        maxOctets: options.max_octets,
        connectTimeoutMs: options.connect_timeout * 1_000,
        confirmTimeoutMs: options.confirm_timeout * 1_000,
        maxInFlight: options.in_flight,
      },
      log,
    ),
});
