/** The one client for web servers: limits, redirects, kept connections. */

import { Agent as PlainAgent } from 'node:http';
import { Agent as EncryptedAgent } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import {
  HttpError,
  type Http,
  type HttpClient,
  type HttpClientOptions,
  type HttpHeaders,
  type HttpRequest,
  type HttpResponse,
} from '../../bindings/plugin/http.ts';
import { connectProblem } from '../../bindings/plugin/connect.ts';
import { Ending, exchange, StaleConnection, type Exchange } from './http-exchange.ts';

const DEFAULT_KEEP_MS = 4_000;
/** As many as browsers follow. */
const TEXT_REDIRECTS = 20;
/** What a server says of a document it does not have. */
const MISSING: ReadonlySet<number> = new Set([404, 410]);
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Keep method and body. RFC 9110 section 15.4. */
const SAME_METHOD: ReadonlySet<number> = new Set([307, 308]);
const READING: ReadonlySet<string> = new Set(['GET', 'HEAD']);
/** What another server may learn of a request that is redirected to it. */
const HARMLESS = /^(accept|accept-language|user-agent)$/i;
const ABOUT_BODY = /^(content-.*|transfer-encoding)$/i;
const HOST = /^host$/i;

type Agents = Readonly<Record<'http:' | 'https:', PlainAgent>>;

class WebClient implements HttpClient {
  readonly #options: HttpClientOptions;
  /** Undefined: each request has a connection of its own. */
  readonly #agents: Agents | undefined;

  constructor(options: HttpClientOptions, agents?: Agents) {
    this.#options = options;
    this.#agents = agents;
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    const { timeoutMs, signal, maxRedirects = 0 } = request;
    const controller = new AbortController();
    const late = new Ending('timeout', `no answer within ${timeoutMs} ms`);
    const timer = setTimeout(() => controller.abort(late), timeoutMs);
    const stop = (): void => controller.abort(new Ending('stopped', 'the request was stopped'));
    if (signal?.aborted === true) stop();
    else signal?.addEventListener('abort', stop, { once: true });
    try {
      let hop = firstHop(request);
      for (let count = 0; ; count++) {
        const response = await this.#ask(hop, request, controller.signal);
        if (maxRedirects === 0) return response;
        const next = nextHop(hop, response, this.#options.tls?.serverName !== undefined);
        if (next === undefined) return response;
        if (count === maxRedirects) throw redirectFault(`more than ${maxRedirects} redirects`);
        hop = next;
      }
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
  }

  async #ask(hop: Hop, request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const { isRepeatable = READING.has(hop.method) } = request;
    const { connectTimeoutMs, idleTimeoutMs, maxOctets, isPartEnough } = request;
    const host = hop.url.hostname.replace(/^\[|\]$/g, '');
    await this.#admit(host, signal);
    const options: Omit<Exchange, 'agent'> = {
      ...hop,
      connectTimeoutMs,
      idleTimeoutMs,
      maxOctets,
      isPartEnough,
      socket: this.#socketOptions(host),
      signal,
    };
    const agent = this.#agents?.[hop.url.protocol as keyof Agents] ?? false;
    try {
      return await exchange({ ...options, agent });
    } catch (cause) {
      if (cause instanceof StaleConnection && isRepeatable) return exchange({ ...options, agent: false });
      throw cause;
    }
  }

  /** Nobody looks up a host that is an address: it is shown to `addresses` all the same. */
  async #admit(host: string, signal: AbortSignal): Promise<void> {
    const { addresses } = this.#options;
    if (addresses === undefined || isIP(host) === 0) return;
    const found = await orEnd(Promise.resolve(host).then(addresses), signal);
    if (!found.includes(host)) throw new HttpError('not connected', `${host} may not be connected to`, false);
  }

  #socketOptions(host: string): Exchange['socket'] {
    const { addresses, tls } = this.#options;
    const { authorities, serverName, minimumVersion = 'TLSv1.2', nameProblem } = tls ?? {};
    return {
      ...(addresses === undefined ? {} : { lookup: lookupOf(addresses) }),
      minVersion: minimumVersion,
      // Left to Node, the name would be that of the field Host.
      servername: serverName ?? (isIP(host) === 0 ? host : ''),
      ...(authorities === undefined ? {} : { ca: authorities }),
      ...(nameProblem === undefined
        ? {}
        : {
            checkServerIdentity: (name, { raw }) => {
              const problem = nameProblem(raw, name);
              return problem === undefined ? undefined : new Error(problem);
            },
          }),
    };
  }

  close(): void {
    for (const agent of Object.values(this.#agents ?? {})) closeIdle(agent);
  }
}

interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly headers: HttpHeaders;
  readonly body: HttpRequest['body'];
}

function firstHop({ url, method, headers = {}, body }: HttpRequest): Hop {
  const read = new URL(url);
  if (!/^https?:$/.test(read.protocol)) throw new TypeError('only http: and https: can be asked');
  return { url: read, method, headers, body };
}

const redirectFault = (message: string): HttpError => new HttpError('redirect', message, true);

/** Where a redirect leads; undefined if the answer is none. A server must not get more by its answer than it had. */
function nextHop(hop: Hop, { status, headers }: HttpResponse, isNamed: boolean): Hop | undefined {
  const { location } = headers;
  if (!REDIRECTS.has(status) || location === undefined) return undefined;
  if (!URL.canParse(location, hop.url.href)) throw redirectFault('a redirect to no URL');
  const url = new URL(location, hop.url);
  if (!/^https?:$/.test(url.protocol) || (hop.url.protocol === 'https:' && url.protocol !== 'https:'))
    throw redirectFault(`a redirect from ${hop.url.protocol} to ${url.protocol}`);
  const keepsMethod = SAME_METHOD.has(status) || READING.has(hop.method);
  const isElsewhere = url.origin !== hop.url.origin;
  if (isElsewhere && isNamed) throw redirectFault('a redirect to another server');
  if (isElsewhere && keepsMethod && hop.body !== undefined)
    throw redirectFault('a redirect of the body to another server');
  const fields = Object.entries(hop.headers).filter(
    ([name]) =>
      !HOST.test(name) && (!isElsewhere || HARMLESS.test(name)) && (keepsMethod || !ABOUT_BODY.test(name)),
  );
  if (isElsewhere) [url.username, url.password] = ['', ''];
  return {
    url,
    method: keepsMethod ? hop.method : 'GET',
    headers: Object.fromEntries(fields),
    body: keepsMethod ? hop.body : undefined,
  };
}

/** The addresses that are connected to are those that were looked at: there is no second look-up. */
function lookupOf(addresses: NonNullable<HttpClientOptions['addresses']>): LookupFunction {
  return (host, { all = false, family = 0 }, done) => {
    const wanted = family === 'IPv4' ? 4 : family === 'IPv6' ? 6 : family;
    Promise.resolve(host)
      .then(addresses)
      .then((found) => found.map((address) => ({ address, family: isIP(address) })))
      .then((found) => found.filter((each) => each.family !== 0 && (wanted === 0 || each.family === wanted)))
      .then(
        (found) => {
          const [first] = found;
          if (first === undefined) done(new Error(`${host} has no address that may be connected to`), '');
          else if (all) done(null, found);
          else done(null, first.address, first.family);
        },
        (cause: unknown) => done(cause instanceof Error ? cause : new Error(String(cause)), ''),
      );
  };
}

/** What `work` brings, as a fault of its own if it throws, or the end of the request if that is sooner. */
function orEnd<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      const { kind, message } = signal.reason as Ending;
      reject(new HttpError(kind, message, false));
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    work
      .then(resolve, (cause: unknown) =>
        reject(new HttpError('not connected', connectProblem(cause), false, { cause })),
      )
      .finally(() => signal.removeEventListener('abort', end));
  });
}

/** `Agent.destroy` would cut requests under way too. */
function closeIdle(agent: PlainAgent): void {
  agent.maxFreeSockets = 0;
  for (const sockets of Object.values(agent.freeSockets)) {
    for (const socket of sockets ?? []) socket.destroy();
  }
}

export const webClient: Http = {
  async text(url, { timeoutMs, maxOctets }) {
    const response = await new WebClient({}).request({
      method: 'GET',
      url,
      timeoutMs,
      maxOctets,
      maxRedirects: TEXT_REDIRECTS,
      isPartEnough: true,
    });
    const { status, statusText, body, fault } = response;
    if (MISSING.has(status)) return undefined;
    if (status < 200 || status > 299) throw new Error(`answered ${status} ${statusText}`);
    if (fault !== undefined) throw fault;
    return body.toString('utf8');
  },
  request: (request) => new WebClient(request).request(request),
  client({ maxConnections, keepMs = DEFAULT_KEEP_MS, ...options }) {
    const keeping = { keepAlive: true, maxSockets: maxConnections, timeout: keepMs };
    return new WebClient(options, {
      'http:': new PlainAgent(keeping),
      'https:': new EncryptedAgent(keeping),
    });
  },
};
