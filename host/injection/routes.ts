/** The paths of injections, for the HTTP front. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Injection } from '../intake/http-options.ts';
import { answerOf, kumoAnswerOf } from './answers.ts';
import { readJsonMessage, readKumoMessage, readQuery, readRawQuery, type WholeMessage } from './forms.ts';
import { digest } from './idempotency.ts';
import { InjectionAborted } from './injection.ts';
import { BodyRoom, parseJson, readWhole } from './json-body.ts';
import { ArrivingContent, WholeContent } from './message-content.ts';
import { describeInjections } from './openapi.ts';
import { InjectionProblem, type Answer } from './problems.ts';
import {
  answerTo,
  serveInjection,
  TappedDigest,
  type HandedIn,
  type HttpRequest,
  type InjectionHost,
  type ReadForm,
} from './requests.ts';

/** All listeners of the process share the memory. */
const room = new BodyRoom();

export const RAW_TYPE = 'message/rfc822';
export const JSON_TYPE = 'application/json';
export const MESSAGES_PATH = '/messages';
export const KUMO_PATH = '/api/inject/v1';

/** Registers what `kinds` names; nothing without any. */
export function addInjections(app: FastifyInstance, kinds: readonly Injection[], host: InjectionHost): void {
  if (kinds.length === 0) return;
  const forms = formsOf(kinds, host);
  void app.register((scope, _options, done) => {
    // Bodies are read by the form, after the token was looked at.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    for (const [path, types] of forms)
      scope.post(path, (request, reply) =>
        serve(host, request, reply, (raw, over) => formFor(types, raw)(raw, over)),
      );
    const description: Answer = {
      status: 200,
      headers: { 'content-type': JSON_TYPE },
      body: describeInjections(kinds),
    };
    scope.get('/openapi.json', { exposeHeadRoute: false }, (_request, reply) => send(reply, description));
    done();
  });
}

type Forms = ReadonlyMap<string, ReadForm>;

/** The forms by path and content type. */
function formsOf(kinds: readonly Injection[], host: InjectionHost): ReadonlyMap<string, Forms> {
  const forms = new Map<string, Map<string, ReadForm>>();
  const add = (path: string, type: string, read: ReadForm): void => {
    forms.set(path, (forms.get(path) ?? new Map<string, ReadForm>()).set(type, read));
  };
  if (kinds.includes('raw')) add(MESSAGES_PATH, RAW_TYPE, readRaw);
  if (kinds.includes('json'))
    add(
      MESSAGES_PATH,
      JSON_TYPE,
      wholeForm(host, readJsonMessage, () => answerOf),
    );
  if (kinds.includes('kumo')) add(KUMO_PATH, JSON_TYPE, wholeForm(host, readKumoMessage, kumoAnswerOf));
  return forms;
}

/** Throws a problem for a content type that the path does not take, or an encoding: nothing is unpacked here. */
function formFor(types: Forms, { headers }: HttpRequest): ReadForm {
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const form = types.get(type);
  const accepted = [...types.keys()].join(', ');
  if (form === undefined)
    throw new InjectionProblem('unsupported-type', `the content type has to be one of: ${accepted}`, {
      accept: accepted,
      connection: 'close',
    });
  if ((headers['content-encoding'] ?? 'identity') !== 'identity')
    throw new InjectionProblem('unsupported-type', 'send the body without Content-Encoding', {
      'accept-encoding': 'identity',
      connection: 'close',
    });
  return form;
}

const readRaw: ReadForm = (request) => {
  const envelope = readRawQuery(readQuery(request.url ?? ''));
  const tapped = new TappedDigest(request);
  return {
    envelope,
    content: new ArrivingContent(request, announcedOctets(request), tapped.tap),
    answerOf,
    bodyDigest: () => tapped.value,
    readRest: () => tapped.readRest(),
  };
};

/** A form whose body is read as a whole. */
function wholeForm(
  host: InjectionHost,
  read: (body: unknown) => WholeMessage,
  answerFor: (recipients: readonly string[]) => HandedIn['answerOf'],
): ReadForm {
  return async (request, over) => {
    const limit = host.settings.httpBodyLimit;
    const free = room.take(announcedOctets(request) ?? limit, limit);
    over.addEventListener('abort', free, { once: true });
    const octets = await readWhole(request, limit);
    const bodyDigest = digest(octets);
    const { envelope, content } = read(parseJson(octets));
    return {
      envelope,
      content: new WholeContent(content),
      answerOf: answerFor(envelope.to),
      bodyDigest: () => bodyDigest,
      readRest: () => Promise.resolve(),
    };
  };
}

function announcedOctets({ headers }: HttpRequest): number | undefined {
  const length = headers['content-length'];
  return length === undefined ? undefined : Number(length);
}

/** A client that hangs up before its message is whole has taken it back. */
async function serve(
  host: InjectionHost,
  request: FastifyRequest,
  reply: FastifyReply,
  read: ReadForm,
): Promise<FastifyReply> {
  const over = new AbortController();
  reply.raw.once('close', () => over.abort());
  try {
    return send(reply, await serveInjection(host, request.raw, read, over.signal));
  } catch (error) {
    // There is nobody to be answered.
    if (error instanceof InjectionAborted) return reply.hijack();
    return send(reply, answerTo(host, error));
  } finally {
    // A response that waits for another one before it is not told of the end of the connection.
    over.abort();
  }
}

function send(reply: FastifyReply, { status, headers, body }: Answer): FastifyReply {
  // As octets: to a text fastify would add a charset, which JSON has not (RFC 8259 section 11).
  return reply
    .code(status)
    .headers(headers)
    .send(Buffer.from(`${JSON.stringify(body)}\n`));
}
