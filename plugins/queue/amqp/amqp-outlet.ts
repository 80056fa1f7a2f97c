/** Publishes messages to an AMQP 0-9-1 broker that confirms them. */

import { readFileSync } from 'node:fs';
import type {
  DeliveryReport,
  Outlet,
  MailObject,
  RecipientOutcome,
} from '../../../bindings/plugin/delivery.ts';
import type { Log } from '../../../bindings/plugin/log-level.ts';
import type { Clock } from '../../../bindings/plugin/services.ts';
import type { AmqpOptions } from '../../../bindings/plugin/web-outlet-services.ts';
import { QpsmtpdError } from '../../../host/errors/error-classes.ts';
import { mapAtMost, withinWindow } from '../web/delivery-window.ts';
import { Semaphore } from '../../../bindings/timing/semaphore.ts';
import { lastingDigest } from '../web/retry-key.ts';
import { readSecrets } from '../web/secret-file.ts';
import { readServiceUrl, type ServiceUrl } from '../web/service-url.ts';
import { outcomeOf, type Situation } from '../web/situations.ts';
import { BrokerLink, type BrokerPlace, type Confirmation } from './broker-link.ts';
import { publicationsOf, type Publication } from './publication.ts';
import { checkRoutingKey } from './routing-key.ts';

/** Brokers take no larger messages unless told to: RabbitMQ 4 has this limit. */
const MAX_OCTETS = 16_777_216;
/** Octets of messages that wait for confirmation: they are kept until then. */
const IN_FLIGHT_OCTETS = 67_108_864;
/** Publications of one message at the same time. */
const WIDTH = 8;

export class AmqpOutlet implements Outlet {
  readonly #terms: AmqpOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #target: ServiceUrl;
  readonly #link: BrokerLink;
  readonly #permits: Semaphore;

  /** Throws with a remedy if a term or a file does not fit. */
  constructor(terms: AmqpOptions, log: Log, clock: Clock) {
    this.#terms = terms;
    this.#log = log;
    this.#clock = clock;
    this.#target = readServiceUrl(terms.url, { plain: 'amqp:', encrypted: 'amqps:' }, terms.isPlainAllowed);
    checkRoutingKey(terms.routingKey);
    const { exchange, connectTimeoutMs, confirmTimeoutMs } = terms;
    const { label } = this.#target;
    const place = placeOf(this.#target, terms);
    this.#link = new BrokerLink({ place, label, exchange, connectTimeoutMs, confirmTimeoutMs }, log, clock);
    this.#permits = new Semaphore({ permits: terms.maxInFlight, maxWeight: IN_FLIGHT_OCTETS });
  }

  deliver(mail: MailObject, signal?: AbortSignal): Promise<DeliveryReport> {
    return withinWindow(signal, (window) => this.#deliver(mail, window));
  }

  async #deliver(mail: MailObject, signal: AbortSignal): Promise<DeliveryReport> {
    const { octets } = mail.message;
    const all = (situation: Situation): DeliveryReport =>
      mail.recipients.map(() => outcomeOf(situation, this.#target.label));
    if (mail.mailOptions.requireTls && !this.#target.isPrivate) return all('requireTls');
    if (octets > (this.#terms.maxOctets ?? MAX_OCTETS)) return all('tooBig');
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
    const { routingKey, per = 'message' } = this.#terms;
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
      return outcomeOf(this.#terms.unroutable === 'refuse' ? 'noRoute' : 'noRouteYet', label);
    }
    this.#log.debug(`${about} not confirmed: ${confirmation}`);
    return outcomeOf(confirmation, label);
  }
}

const DEFAULT_PORTS = { plain: 5672, encrypted: 5671 } as const;

function placeOf({ url, host, port, isEncrypted }: ServiceUrl, terms: AmqpOptions): BrokerPlace {
  if (url.search !== '') {
    throw new QpsmtpdError('Q_PLUGIN_OPTION', "url: can't be used (leave out what begins with ?)");
  }
  const { secretsFile, authoritiesFile } = terms;
  const { username, password } =
    secretsFile === undefined ? {} : readSecrets(secretsFile, ['username', 'password']);
  if ((username === undefined) !== (password === undefined)) {
    throw new QpsmtpdError(
      'Q_PLUGIN_OPTION',
      `secrets: ${secretsFile} has one of username and password (write both)`,
    );
  }
  return {
    host,
    port: port ?? (isEncrypted ? DEFAULT_PORTS.encrypted : DEFAULT_PORTS.plain),
    virtualHost: url.pathname.length > 1 ? decodeURIComponent(url.pathname.slice(1)) : '/',
    isEncrypted,
    ca: authoritiesFile === undefined ? undefined : readFileSync(authoritiesFile),
    username,
    password,
  };
}
