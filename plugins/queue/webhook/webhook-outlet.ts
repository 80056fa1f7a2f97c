/** Hands messages to a web server. */

import { readFileSync } from 'node:fs';
import { Agent as PlainAgent } from 'node:http';
import { Agent as EncryptedAgent } from 'node:https';
import type { Recipient } from '../../../bindings/plugin/connection.ts';
import type {
  DeliveryReport,
  Outlet,
  MailObject,
  RecipientOutcome,
} from '../../../bindings/plugin/delivery.ts';
import type { Log } from '../../../bindings/plugin/log-level.ts';
import type { Clock } from '../../../bindings/plugin/services.ts';
import type { Portion, WebhookOptions } from '../../../bindings/plugin/web-outlet-services.ts';
import { QpsmtpdError } from '../../../host/errors/error-classes.ts';
import { mapAtMost, withinWindow } from '../web/delivery-window.ts';
import { Semaphore } from '../../../bindings/timing/semaphore.ts';
import { lastingDigest, retryKey } from '../web/retry-key.ts';
import { readServiceUrl, type ServiceUrl } from '../web/service-url.ts';
import { outcomeOf, type Situation } from '../web/situations.ts';
import { describeAnswer, outcomeOfAnswer } from './answer-outcome.ts';
import { readCredentials, type WebhookCredentials } from './credentials.ts';
import { FORMATS, type WebhookFormat } from './formats/formats.ts';
import { MimeReaderExhausted } from './formats/mime-reader.ts';
import { HttpFault, post, type HttpAnswer, type Posting } from './http-post.ts';
import { measure, type Share } from './formats/request-body.ts';

/** Idle connections are closed by us before most servers do it, which would cost a second try. */
const IDLE_MS = 4_000;
/** Requests for the recipients of one message at the same time. */
const WIDTH = 4;
/** Octets of messages taken apart at the same time: each costs about four times as much memory. */
const PARSED_OCTETS = 33_554_432;
/** Each has a thread. */
const PARSED_MESSAGES = 2;

export class WebhookOutlet implements Outlet {
  readonly #terms: WebhookOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #target: ServiceUrl;
  readonly #format: WebhookFormat;
  readonly #credentials: WebhookCredentials;
  readonly #tls: Posting['tls'];
  readonly #agent: PlainAgent;
  readonly #permits = new Semaphore({ permits: PARSED_MESSAGES, maxWeight: PARSED_OCTETS });

  /** Throws with a remedy if a term or a file does not fit. */
  constructor(terms: WebhookOptions, log: Log, clock: Clock) {
    this.#terms = terms;
    this.#log = log;
    this.#clock = clock;
    this.#target = readServiceUrl(terms.url, { plain: 'http:', encrypted: 'https:' }, terms.isPlainAllowed);
    this.#format = FORMATS[terms.format];
    this.#credentials = readCredentials(terms.secretsFile);
    checkFormat(terms, this.#credentials);
    const { authoritiesFile } = terms;
    const ca = authoritiesFile === undefined ? {} : { ca: readFileSync(authoritiesFile) };
    this.#tls = this.#target.isEncrypted ? { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...ca } : {};
    const keeping = { keepAlive: true, maxSockets: terms.maxConnections, timeout: IDLE_MS } as const;
    this.#agent = this.#target.isEncrypted
      ? new EncryptedAgent({ ...keeping, ...this.#tls })
      : new PlainAgent(keeping);
  }

  deliver(mail: MailObject, signal?: AbortSignal): Promise<DeliveryReport> {
    return withinWindow(signal, (window) => this.#deliver(mail, window));
  }

  async #deliver(mail: MailObject, signal: AbortSignal): Promise<DeliveryReport> {
    const all = (situation: Situation): DeliveryReport =>
      mail.recipients.map(() => outcomeOf(situation, this.#target.label));
    if (mail.mailOptions.requireTls && !this.#target.isPrivate) return all('requireTls');
    if (mail.message.octets > (this.#terms.maxOctets ?? this.#format.maxOctets)) return all('tooBig');
    try {
      const digest = await lastingDigest(mail);
      const shares = sharesOf(mail, this.#terms.per ?? this.#format.portions[0]!, this.#format.maxRecipients);
      const outcomes = await mapAtMost(shares, WIDTH, (share) => this.#handOver(share, digest, signal));
      return shares.flatMap(({ recipients }, index) => recipients.map(() => outcomes[index]!));
    } catch (cause) {
      this.#log.error(`${this.#target.label}: ${mail.id} could not be read: ${String(cause)}`);
      return all('unreadable');
    }
  }

  /** One request; never rejects. */
  async #handOver(share: Share, digest: string, signal: AbortSignal): Promise<RecipientOutcome> {
    const { label } = this.#target;
    const about = `${share.mail.id} for ${share.recipients.length} recipient(s)`;
    const began = this.#clock.now();
    try {
      const answer = await this.#request(share, digest, signal);
      const outcome = outcomeOfAnswer(answer, label);
      const line = `${label}: ${about} ${outcome.kind}: ${describeAnswer(answer)} after ${this.#clock.now() - began} ms`;
      if (outcome.kind === 'delivered') this.#log.debug(line);
      else this.#log.warn(line);
      return outcome;
    } catch (cause) {
      const situation = situationOf(cause);
      this.#log.warn(`${label}: ${about} not delivered: ${String(cause)}`);
      return outcomeOf(situation, label);
    }
  }

  async #request(share: Share, digest: string, signal: AbortSignal): Promise<HttpAnswer> {
    const isStreamed = this.#format.maxOctets === Infinity;
    const give = isStreamed ? undefined : await this.#permits.take(signal, share.mail.message.octets);
    try {
      const posting = await this.#posting(share, digest, signal);
      return await post(posting).catch((cause: unknown) => {
        // The retry key lets the receiver tell if it had the first request after all.
        if (cause instanceof HttpFault && cause.isStale) return post({ ...posting, agent: undefined });
        throw cause;
      });
    } finally {
      give?.();
    }
  }

  /** The signature is that of Standard Webhooks, for which there are libraries in many languages. */
  async #posting(share: Share, digest: string, signal: AbortSignal): Promise<Posting> {
    const { authorization, signingKey: key } = this.#credentials;
    const now = this.#clock.now();
    const body = await this.#format.body(share, { key, now });
    const id = retryKey(digest, share.recipients);
    const timestamp = String(Math.floor(now / 1000));
    const { octets, signature } = await measure(body, key, `${id}.${timestamp}.`);
    const headers = {
      'Content-Type': body.contentType,
      'Content-Length': octets,
      'User-Agent': 'qpsmtpd',
      'Idempotency-Key': `"${id}"`,
      ...body.headers,
      ...(authorization === undefined ? {} : { Authorization: authorization }),
      ...(signature === undefined
        ? {}
        : {
            'Webhook-Id': id,
            'Webhook-Timestamp': timestamp,
            'Webhook-Signature': `v1,${signature}`,
          }),
    };
    const { connectTimeoutMs, requestTimeoutMs } = this.#terms;
    const { url } = this.#target;
    const tls = this.#tls;
    return { url, agent: this.#agent, tls, headers, body, connectTimeoutMs, requestTimeoutMs, signal };
  }
}

function situationOf(cause: unknown): Situation {
  if (cause instanceof HttpFault) return cause.situation;
  if (cause instanceof MimeReaderExhausted) return 'busy';
  if (cause instanceof QpsmtpdError && cause.code === 'Q_DELIVERY') return 'unparsable';
  return cause instanceof Error && cause.name === 'AbortError' ? 'stopped' : 'unreadable';
}

function checkFormat({ format, per }: WebhookOptions, { signingKey }: WebhookCredentials): void {
  const { portions, needsKey } = FORMATS[format];
  if (per !== undefined && !portions.includes(per)) {
    throw new QpsmtpdError(
      'Q_PLUGIN_OPTION',
      `per: ${format} has one recipient in a request (leave \`per\` out)`,
    );
  }
  if (needsKey && signingKey === undefined) {
    throw new QpsmtpdError(
      'Q_PLUGIN_OPTION',
      `secrets: ${format} needs a signing_key (write it into the file)`,
    );
  }
}

function sharesOf(mail: MailObject, per: Portion, maxRecipients: number): Share[] {
  const size = per === 'recipient' ? 1 : Math.min(maxRecipients, mail.recipients.length);
  const shares: { mail: MailObject; recipients: Recipient[] }[] = [];
  for (let index = 0; index < mail.recipients.length; index += size) {
    shares.push({ mail, recipients: mail.recipients.slice(index, index + size) });
  }
  return shares;
}
