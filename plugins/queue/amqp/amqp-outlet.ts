/** Publishes messages to an AMQP 0-9-1 broker that confirms them. */

import {
  flag,
  oneOf,
  wholeNumber,
  z,
  type Clock,
  type DeliveryReport,
  type Log,
  type MailObject,
  type Outlet,
  type RecipientOutcome,
  type Services,
  type Setup,
} from '../../../bindings/plugin/index.ts';
import { Semaphore } from '../../../bindings/timing/semaphore.ts';
import { outcomeOf, type Situation } from '../web/outcomes.ts';
import { lastingDigest, mapAtMost, PORTIONS, withinWindow } from '../web/portions.ts';
import { checkLogin, readAuthorities, readSecrets, readServiceUrl, type ServiceUrl } from '../web/service.ts';
import { BrokerLink, type BrokerPlace, type Confirmation } from './broker-link.ts';
import { checkRoutingKey, publicationsOf, type Publication } from './publication.ts';

/** No broker takes more than 512 MiB. */
const MAX_OCTETS = 536_870_912;
/** Exchange and routing key are short strings. AMQP 0-9-1 section 4.2.5.3. */
const shortString = () => z.string().max(255, 'has more than 255 characters');

export const amqpOptions = z.object({
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
});
export type AmqpOptions = z.output<typeof amqpOptions>;

/** Brokers take no larger messages unless told to: RabbitMQ 4 has this limit. */
const DEFAULT_OCTETS = 16_777_216;
/** Octets of messages that wait for confirmation: they are kept until then. */
const IN_FLIGHT_OCTETS = 67_108_864;
/** Publications of one message at the same time. */
const WIDTH = 8;

export class AmqpOutlet implements Outlet {
  readonly #options: AmqpOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #target: ServiceUrl;
  readonly #link: BrokerLink;
  readonly #permits: Semaphore;

  /** Connects when there is something to publish. Throws with a remedy if an option or a file does not fit. */
  constructor({ options, services, log, onClose }: Setup<AmqpOptions>) {
    this.#options = options;
    this.#log = log;
    this.#clock = services.clock;
    this.#target = readServiceUrl(options.url, { plain: 'amqp:', encrypted: 'amqps:' }, options.insecure);
    checkRoutingKey(options.routing_key);
    this.#link = new BrokerLink(
      {
        place: placeOf(this.#target, options, services),
        label: this.#target.label,
        exchange: options.exchange,
        connectTimeoutMs: options.connect_timeout * 1_000,
        confirmTimeoutMs: options.confirm_timeout * 1_000,
      },
      services,
      log,
    );
    onClose(() => this.#link.close());
    this.#permits = new Semaphore({ permits: options.in_flight, maxWeight: IN_FLIGHT_OCTETS });
  }

  deliver(mail: MailObject, signal?: AbortSignal): Promise<DeliveryReport> {
    return withinWindow(signal, (window) => this.#deliver(mail, window));
  }

  async #deliver(mail: MailObject, signal: AbortSignal): Promise<DeliveryReport> {
    const { octets } = mail.message;
    const all = (situation: Situation): DeliveryReport =>
      mail.recipients.map(() => outcomeOf(situation, this.#target.label));
    if (mail.mailOptions.requireTls && !this.#target.isPrivate) return all('requireTls');
    if (octets > (this.#options.max_octets ?? DEFAULT_OCTETS)) return all('tooBig');
    let give: () => void;
    try {
      give = await this.#permits.take(signal, octets);
    } catch {
      return all('stopped');
    }
    try {
      return await this.#publishAll(mail, signal);
    } catch (cause) {
      this.#log.error(`${this.#target.label}: ${mail.id} could not be read: ${String(cause)}`);
      return all('unreadable');
    } finally {
      give();
    }
  }

  async #publishAll(mail: MailObject, signal: AbortSignal): Promise<DeliveryReport> {
    const blocks: Buffer[] = [];
    for await (const block of mail.message.blocks('crlf')) blocks.push(block);
    const content = Buffer.concat(blocks);
    const { routing_key: routingKey, per = 'message' } = this.#options;
    const seal = { digest: await lastingDigest(mail), now: this.#clock.now() };
    const publications = publicationsOf(mail, { routingKey, per }, seal);
    const badAddress = outcomeOf('badAddress', this.#target.label);
    const report: RecipientOutcome[] = mail.recipients.map(() => badAddress);
    await mapAtMost(publications, WIDTH, async (publication) => {
      const confirmation = await this.#link.publish(publication, content, signal);
      const outcome = this.#outcomeOf(confirmation, publication, mail.id);
      for (const index of publication.indexes) report[index] = outcome;
    });
    return report;
  }

  #outcomeOf(
    confirmation: Confirmation,
    { routingKey, options, indexes }: Publication,
    id: string,
  ): RecipientOutcome {
    const { label } = this.#target;
    const about = `${label}: ${id} for ${indexes.length} recipient(s) as ${options.messageId}`;
    if (confirmation === 'confirmed') {
      this.#log.debug(`${about} confirmed`);
      return outcomeOf('accepted', label, options.messageId);
    }
    if (confirmation === 'returned') {
      this.#log.warn(`${about} returned: no queue is bound for the routing key ${routingKey}`);
      return outcomeOf(this.#options.unroutable === 'refuse' ? 'noRoute' : 'noRouteYet', label);
    }
    this.#log.debug(`${about} not confirmed: ${confirmation}`);
    return outcomeOf(confirmation, label);
  }
}

const DEFAULT_PORTS = { plain: 5672, encrypted: 5671 } as const;

function placeOf(
  { url, host, port, isEncrypted }: ServiceUrl,
  { secrets, ca_file: authoritiesFile }: AmqpOptions,
  { files }: Pick<Services, 'files'>,
): BrokerPlace {
  if (url.search !== '') throw new Error("url: can't be used (leave out what begins with ?)");
  const login = readSecrets(files, secrets, ['username', 'password']);
  checkLogin(secrets, login);
  return {
    host,
    port: port ?? (isEncrypted ? DEFAULT_PORTS.encrypted : DEFAULT_PORTS.plain),
    virtualHost: url.pathname.length > 1 ? decodeURIComponent(url.pathname.slice(1)) : '/',
    isEncrypted,
    authorities: readAuthorities(files, authoritiesFile),
    username: login.username,
    password: login.password,
  };
}
