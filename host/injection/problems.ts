/** What a request for an injection can fail of, and how its client is told. RFC 9457. */

/** Each kind with its status. The table of docs/guide/http.md and the OpenAPI document have the same. */
export const PROBLEMS = {
  malformed: { status: 400, title: 'The request is malformed' },
  unauthorized: { status: 401, title: 'A token is needed' },
  'authentication-required': { status: 401, title: 'The message needs another login' },
  forbidden: { status: 403, title: 'The token is not good for this' },
  'in-progress': { status: 409, title: 'A request with this idempotency key is under way' },
  'too-large': { status: 413, title: 'The message is too large' },
  'unsupported-type': { status: 415, title: 'The content type is not served here' },
  unsupported: { status: 422, title: 'The request asks for what is not served here' },
  'key-reused': { status: 422, title: 'The idempotency key belongs to another request' },
  refused: { status: 422, title: 'The message is refused' },
  'too-many-keys': { status: 429, title: 'Too many idempotency keys' },
  deferred: { status: 503, title: 'The message cannot be taken now' },
  // A fault of ours: with 500 some clients would give the message up.
  failed: { status: 503, title: 'Something went wrong here' },
  busy: { status: 503, title: 'Too many requests are under way' },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>;
export type ProblemKind = keyof typeof PROBLEMS;

export const PROBLEM_TYPE = 'application/problem+json';

/** Identifies a kind for programs. It leads nowhere: a host's documentation has no place that all hosts know. */
export const typeOf = (kind: ProblemKind): string => `urn:qpsmtpd:problem:${kind}`;

/** When to come back where nothing says when, in seconds. */
const RETRY_AFTER: Partial<Record<ProblemKind, number>> = {
  deferred: 60,
  failed: 60,
  busy: 5,
  'in-progress': 5,
};

/** An answer as it goes out, and as it is kept for an idempotency key. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The answer for a problem; `members` extend it. RFC 9457 section 3.2. */
export function problemAnswer(
  kind: ProblemKind,
  detail: string,
  members: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const { status, title } = PROBLEMS[kind];
  const retryAfter = RETRY_AFTER[kind];
  return {
    status,
    headers: {
      'content-type': PROBLEM_TYPE,
      ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
      ...headers,
    },
    body: { type: typeOf(kind), title, status, detail, ...members },
  };
}

/** Thrown wherever a request turns out not to be one that is served. Its text is for the client, and names no secret. */
export class InjectionProblem extends Error {
  override readonly name = 'InjectionProblem';
  readonly answer: Answer;

  constructor(kind: ProblemKind, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.answer = problemAnswer(kind, detail, {}, headers);
  }
}
