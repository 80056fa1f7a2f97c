/** Web servers in memory: `services.http` of a test. */

import {
  HttpError,
  type Http,
  type HttpClientOptions,
  type HttpRequest,
  type HttpResponse,
} from '../../bindings/plugin/http.ts';

export interface PageAnswer {
  /** Undefined: 200. */
  readonly status?: number | undefined;
  readonly statusText?: string | undefined;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | Buffer | undefined;
}

/** A document, an answer, what makes one, or the error that asking fails with. */
export type Page = string | PageAnswer | Error | ((request: HttpRequest) => PageAnswer | Promise<PageAnswer>);

const MISSING: ReadonlySet<number> = new Set([404, 410]);

/** Pages by URL. Other URLs are answered with 404. Redirects are answers like any other. */
export class MemoryWeb implements Http {
  /** What was asked, in order. */
  readonly requests: HttpRequest[] = [];
  readonly #pages: Map<string, Page>;

  constructor(pages: Readonly<Record<string, Page>> = {}) {
    this.#pages = new Map(Object.entries(pages));
  }

  async text(
    url: string,
    limits: { readonly timeoutMs: number; readonly maxOctets: number },
  ): Promise<string | undefined> {
    const { status, statusText, body } = await this.request({ method: 'GET', url, ...limits });
    if (MISSING.has(status)) return undefined;
    if (status < 200 || status > 299) throw new Error(`answered ${status} ${statusText}`);
    return body.toString('utf8');
  }

  /** Asks for the addresses as the real one does: a host that may not be connected to is not. */
  async request(request: HttpRequest & HttpClientOptions): Promise<HttpResponse> {
    try {
      await request.addresses?.(new URL(request.url).hostname);
    } catch (cause) {
      throw new HttpError('not connected', String(cause), false, { cause });
    }
    this.requests.push(request);
    const answer = await answerOf(this.#pages.get(String(request.url)) ?? { status: 404 }, request);
    const { status = 200, statusText = '', headers = {} } = answer;
    const whole = Buffer.from(answer.body ?? '');
    const { maxOctets, isPartEnough = false } = request;
    if (whole.length <= maxOctets)
      return { status, statusText, headers, body: whole, fault: undefined, isToAll: true };
    const fault = new HttpError('too large', `the document has more than ${maxOctets} octets`, true);
    if (!isPartEnough) throw fault;
    return { status, statusText, headers, body: whole.subarray(0, maxOctets), fault, isToAll: true };
  }

  client(): ReturnType<Http['client']> {
    return { request: (request) => this.request(request), close: () => undefined };
  }
}

async function answerOf(page: Page, request: HttpRequest): Promise<PageAnswer> {
  if (typeof page === 'string') return { body: page };
  if (page instanceof Error) throw page;
  return typeof page === 'function' ? page(request) : page;
}
