/** What an answer of an HTTP server says about the message. RFC 9110 section 15. */

import type { HttpResponse, RecipientOutcome } from '../../../bindings/plugin/index.ts';
import { outcomeOf, printable, type Situation } from '../web/outcomes.ts';

const BY_STATUS = new Map<number, Situation>([
  [401, 'misconfigured'],
  [403, 'forbidden'],
  [406, 'forbidden'],
  [407, 'misconfigured'],
  [408, 'late'],
  [413, 'tooBig'],
  [425, 'busy'],
  [429, 'busy'],
  [503, 'busy'],
  [504, 'late'],
]);

/**
 * A redirect is an error in the configuration, never followed: who controls the answer could turn our requests, with
 * mail and password, to another host or to one inside our network (server-side request forgery).
 */
function situationOf({ status, isToAll }: HttpResponse): Situation {
  if (status >= 200 && status < 300) return isToAll ? 'accepted' : 'broken';
  const known = BY_STATUS.get(status);
  if (known !== undefined) return known;
  if (status >= 300 && status < 400) return 'misconfigured';
  return status >= 400 && status < 500 ? 'refused' : 'failed';
}

const REQUEST_ID_FIELDS = ['x-request-id', 'request-id', 'x-amzn-requestid', 'x-correlation-id'];
const MAX_ID = 100;

/** The name the server gave the request; undefined if it gave none. */
export function requestIdOf({ headers }: HttpResponse): string | undefined {
  for (const name of REQUEST_ID_FIELDS) {
    const id = printable(headers[name] ?? '', MAX_ID);
    if (id !== '') return id;
  }
  return undefined;
}

/** The client learns the status and the request's id, not what the server wrote: that is for the operator. */
export function outcomeOfAnswer(answer: HttpResponse, hop: string): RecipientOutcome {
  const situation = situationOf(answer);
  const id = requestIdOf(answer);
  if (situation === 'accepted') return outcomeOf(situation, hop, id);
  return outcomeOf(
    situation,
    hop,
    id === undefined ? `(HTTP ${answer.status})` : `(HTTP ${answer.status}, ${id})`,
  );
}

/** Status, first line and Retry-After of an answer, for the log. */
export function describeAnswer(answer: HttpResponse): string {
  const line = printable(/[^\r\n]+/.exec(answer.body.toString('latin1'))?.[0] ?? '', 200);
  const retryAfter = answer.headers['retry-after'];
  const parts = [
    `HTTP ${answer.status}`,
    ...(line === '' ? [] : [JSON.stringify(line)]),
    ...(retryAfter === undefined ? [] : [`retry after ${printable(retryAfter, 40)}`]),
    ...(answer.isToAll ? [] : ['answered before the whole message was sent']),
  ];
  const isRedirect = answer.status >= 300 && answer.status < 400;
  return isRedirect
    ? `${parts.join(', ')}; redirects are not followed: put the right URL into the plugin's line`
    : parts.join(', ');
}
