/** Hands messages to a web server. */

import {
  flag,
  HttpError,
  oneOf,
  wholeNumber,
  WorkerError,
  z,
  type Clock,
  type DeliveryReport,
  type Files,
  type HttpClient,
  type HttpRequest,
  type HttpResponse,
  type Log,
  type MailObject,
  type Outlet,
  type Recipient,
  type RecipientOutcome,
  type Setup,
} from '../../../bindings/plugin/index.ts';
import { Semaphore } from '../../../bindings/timing/semaphore.ts';
import { outcomeOf, type Situation } from '../web/outcomes.ts';
import { lastingDigest, mapAtMost, PORTIONS, retryKey, withinWindow, type Portion } from '../web/portions.ts';
import { checkLogin, readAuthorities, readSecrets, readServiceUrl, type ServiceUrl } from '../web/service.ts';
import { describeAnswer, outcomeOfAnswer } from './answer-outcome.ts';
import { FORMATS, WEBHOOK_FORMATS, type WebhookFormat } from './formats/formats.ts';
import { MimeReader, UnparsableMessage } from './formats/mime-reader.ts';
import { measure, type Share } from './formats/request-body.ts';

const MAX_OCTETS = 1_073_741_824;

export const webhookOptions = z.object({
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
});
export type WebhookOptions = z.output<typeof webhookOptions>;

/** Octets of an answer that are looked at; the rest is not waited for. */
const MAX_ANSWER_OCTETS = 8_192;
/** Requests for the recipients of one message at the same time. */
const WIDTH = 4;
/** Octets of messages taken apart at the same time: each costs about four times as much memory. */
const PARSED_OCTETS = 33_554_432;
/** Each has a thread. */
const PARSED_MESSAGES = 2;
/** Octets of a signing key that can't be guessed; Standard Webhooks asks for 24. */
const MIN_KEY_OCTETS = 16;
/** How Standard Webhooks writes a key: the rest is base64. */
const ENCODED = /^whsec_([A-Za-z0-9+/]+={0,2})$/;

interface WebhookCredentials {
  /** Value of the Authorization field. RFC 7617. */
  readonly authorization: string | undefined;
  readonly signingKey: Buffer | undefined;
}

export class WebhookOutlet implements Outlet {
  readonly #options: WebhookOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #target: ServiceUrl;
  readonly #format: WebhookFormat;
  readonly #credentials: WebhookCredentials;
  readonly #http: HttpClient;
  readonly #mime: MimeReader;
  readonly #permits = new Semaphore({ permits: PARSED_MESSAGES, maxWeight: PARSED_OCTETS });

  /** Throws with a remedy if an option or a file does not fit. */
  constructor({ options, services, log, onClose }: Setup<WebhookOptions>) {
    const { files } = services;
    this.#options = options;
    this.#log = log;
    this.#clock = services.clock;
    this.#target = readServiceUrl(options.url, { plain: 'http:', encrypted: 'https:' }, options.insecure);
    this.#format = FORMATS[options.format];
    this.#credentials = readCredentials(files, options.secrets);
    checkFormat(options, this.#credentials);
    this.#http = services.http.client({
      maxConnections: options.connections,
      tls: { authorities: readAuthorities(files, options.ca_file) },
    });
    onClose(() => this.#http.close());
    this.#mime = new MimeReader(services.workers, PARSED_MESSAGES);
    onClose(() => this.#mime.close());
  }

  deliver(mail: MailObject, signal?: AbortSignal): Promise<DeliveryReport> {
    return withinWindow(signal, (window) => this.#deliver(mail, window));
  }

  async #deliver(mail: MailObject, signal: AbortSignal): Promise<DeliveryReport> {
    const all = (situation: Situation): DeliveryReport =>
      mail.recipients.map(() => outcomeOf(situation, this.#target.label));
    if (mail.mailOptions.requireTls && !this.#target.isPrivate) return all('requireTls');
    if (mail.message.octets > (this.#options.max_octets ?? this.#format.maxOctets)) return all('tooBig');
    try {
      const digest = await lastingDigest(mail);
      const shares = sharesOf(
        mail,
        this.#options.per ?? this.#format.portions[0]!,
        this.#format.maxRecipients,
      );
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
      const situation = signal.aborted ? 'stopped' : situationOf(cause);
      this.#log.warn(`${label}: ${about} not delivered: ${String(cause)}`);
      return outcomeOf(situation, label);
    }
  }

  async #request(share: Share, digest: string, signal: AbortSignal): Promise<HttpResponse> {
    const isStreamed = this.#format.maxOctets === Infinity;
    const give = isStreamed ? undefined : await this.#permits.take(signal, share.mail.message.octets);
    try {
      return await this.#http.request(await this.#requestFor(share, digest, signal));
    } finally {
      give?.();
    }
  }

  /** The signature is that of Standard Webhooks, for which there are libraries in many languages. */
  async #requestFor(share: Share, digest: string, signal: AbortSignal): Promise<HttpRequest> {
    const { authorization, signingKey: key } = this.#credentials;
    const now = this.#clock.now();
    const body = await this.#format.body(share, { key, now, mime: this.#mime, signal });
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
    return {
      method: 'POST',
      url: this.#target.url,
      headers,
      body: () => body.blocks(),
      connectTimeoutMs: this.#options.connect_timeout * 1_000,
      timeoutMs: this.#options.request_timeout * 1_000,
      maxOctets: MAX_ANSWER_OCTETS,
      // A status was seen: that is the answer, whatever becomes of the rest.
      isPartEnough: true,
      // The retry key lets the receiver tell if it had the first request after all.
      isRepeatable: true,
      signal,
    };
  }
}

const BY_FAULT: Readonly<Record<HttpError['kind'], Situation>> = {
  'not connected': 'unreachable',
  tls: 'unreachable',
  timeout: 'late',
  stopped: 'stopped',
  'too large': 'broken',
  broken: 'broken',
  redirect: 'broken',
  body: 'unreadable',
};

function situationOf(cause: unknown): Situation {
  if (cause instanceof HttpError) return BY_FAULT[cause.kind];
  if (cause instanceof WorkerError) return 'busy';
  return cause instanceof UnparsableMessage ? 'unparsable' : 'unreadable';
}

/** Reads `username`, `password` and `signing_key`; without a file there are none. */
function readCredentials(files: Files, path: string | undefined): WebhookCredentials {
  const secrets = readSecrets(files, path, ['username', 'password', 'signing_key']);
  checkLogin(path, secrets);
  const { username, password, signing_key: key } = secrets;
  if (username?.includes(':') === true)
    throw new Error(`secrets: ${path}: a colon in username (RFC 7617 has none there)`);
  const basic =
    username === undefined ? undefined : Buffer.from(`${username}:${password}`).toString('base64');
  return {
    authorization: basic === undefined ? undefined : `Basic ${basic}`,
    signingKey: key === undefined ? undefined : readKey(path, key),
  };
}

function readKey(path: string | undefined, text: string): Buffer {
  const encoded = ENCODED.exec(text)?.[1];
  const key = encoded === undefined ? Buffer.from(text) : Buffer.from(encoded, 'base64');
  if (key.length >= MIN_KEY_OCTETS) return key;
  throw new Error(`secrets: the signing_key of ${path} is too short (${MIN_KEY_OCTETS} octets or more)`);
}

function checkFormat({ format, per }: WebhookOptions, { signingKey }: WebhookCredentials): void {
  const { portions, needsKey } = FORMATS[format];
  if (per !== undefined && !portions.includes(per))
    throw new Error(`per: ${format} has one recipient in a request (leave \`per\` out)`);
  if (needsKey && signingKey === undefined)
    throw new Error(`secrets: ${format} needs a signing_key (write it into the file)`);
}

function sharesOf(mail: MailObject, per: Portion, maxRecipients: number): Share[] {
  const size = per === 'recipient' ? 1 : Math.min(maxRecipients, mail.recipients.length);
  const shares: { mail: MailObject; recipients: Recipient[] }[] = [];
  for (let index = 0; index < mail.recipients.length; index += size) {
    shares.push({ mail, recipients: mail.recipients.slice(index, index + size) });
  }
  return shares;
}
