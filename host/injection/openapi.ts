/** The OpenAPI 3.1 document of the injections that a listener offers. Its schemas are those by which requests are read. */

import { z } from 'zod';
import type { Injection } from '../intake/http-options.ts';
import { version } from '../package/package-root.ts';
import { envelopeOptions, jsonMessage, kumoMessage, rawQuery } from './forms.ts';
import { PROBLEM_TYPE, PROBLEMS, typeOf, type ProblemKind } from './problems.ts';

type Description = Readonly<Record<string, unknown>>;

const reply = z.strictObject({
  code: z.int().describe('Reply code. RFC 5321 section 4.2'),
  status: z.string().optional().describe('Enhanced status code, if replies have one. RFC 3463'),
  text: z.string().describe('The lines of the reply'),
});
const stage = z
  .enum(['connect', 'ehlo', 'mail', 'rcpt', 'data', 'end-of-data'])
  .describe('How far the message had come when it got the reply');
const rejected = z.array(z.strictObject({ to: z.string(), reply, stage }));

export const acceptedBody = z.strictObject({
  reply,
  stage,
  accepted: z.array(z.string()).describe('The recipients for whom the message was accepted'),
  rejected: rejected.describe('The others; a reply below 500 means that they may be tried again'),
});

export const kumoBody = z.strictObject({
  success_count: z.int(),
  fail_count: z.int(),
  failed_recipients: z.array(z.string()),
  errors: z.array(z.string()),
});

export const problemBody = z.looseObject({
  type: z.enum(Object.keys(PROBLEMS).map((kind) => typeOf(kind as ProblemKind)) as [string, ...string[]]),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  reply: reply.optional(),
  stage: stage.optional(),
  accepted: z.array(z.string()).optional(),
  rejected: rejected.optional(),
});

const SCHEMAS = {
  Message: jsonMessage,
  EnvelopeOptions: envelopeOptions,
  KumoMessage: kumoMessage,
  Accepted: acceptedBody,
  KumoResult: kumoBody,
  Problem: problemBody,
} as const;

function schemaOf(schema: z.ZodType): Description {
  const members = Object.entries(z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' }));
  // The dialect is that of the whole document.
  return Object.fromEntries(members.filter(([name]) => name !== '$schema'));
}

const ref = (name: keyof typeof SCHEMAS): Description => ({ $ref: `#/components/schemas/${name}` });
const content = (type: string, schema: Description): Description => ({ [type]: { schema } });

export function describeInjections(kinds: readonly Injection[]): Description {
  const paths: Record<string, Description> = {};
  if (kinds.includes('raw') || kinds.includes('json')) paths['/messages'] = { post: messages(kinds) };
  if (kinds.includes('kumo')) paths['/api/inject/v1'] = { post: kumo() };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Injection of messages',
      version,
      description:
        'Each request becomes a session of SMTP inside the daemon: the same plugins are asked, and the replies become answers.',
    },
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A line of http_tokens with the scope inject' },
      },
      schemas: Object.fromEntries(Object.entries(SCHEMAS).map(([name, schema]) => [name, schemaOf(schema)])),
    },
  };
}

function messages(kinds: readonly Injection[]): Description {
  const isRaw = kinds.includes('raw');
  const isJson = kinds.includes('json');
  return {
    operationId: 'injectMessage',
    summary: 'Hands in one message for any number of recipients',
    parameters: [...(isRaw ? queryParameters(isJson) : []), idempotencyKey],
    requestBody: {
      required: true,
      content: {
        ...(isRaw ? content('message/rfc822', { type: 'string', format: 'binary' }) : {}),
        ...(isJson ? content('application/json', ref('Message')) : {}),
      },
    },
    responses: {
      202: {
        description: 'At least one recipient gets it',
        content: content('application/json', ref('Accepted')),
      },
      ...problems(ALL),
    },
  };
}

/** Where messages may also come as JSON, which has its envelope inside, none of them is needed by every request. */
function queryParameters(isJson: boolean): Description[] {
  const { properties, required } = schemaOf(rawQuery) as {
    readonly properties: Readonly<Record<string, Description>>;
    readonly required: readonly string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !isJson && required.includes(name),
    description: `With message/rfc822. ${String(schema['description'])}`,
    schema,
    ...(schema['type'] === 'array' ? { explode: true } : {}),
  }));
}

const kumo = (): Description => ({
  operationId: 'injectKumo',
  summary: "KumoMTA's injection",
  parameters: [idempotencyKey],
  requestBody: { required: true, content: content('application/json', ref('KumoMessage')) },
  responses: {
    200: {
      description: 'At least one recipient gets it',
      content: content('application/json', ref('KumoResult')),
    },
    ...problems(ALL),
  },
});

const idempotencyKey: Description = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'A request with the key of another one gets the answer to that one, and no second message goes out',
  schema: { type: 'string', minLength: 1, maxLength: 257 },
};

const ALL = Object.keys(PROBLEMS) as readonly ProblemKind[];

/** One response for each status, with all that it may stand for. */
function problems(kinds: readonly ProblemKind[]): Description {
  const statuses = [...new Set(kinds.map((kind) => PROBLEMS[kind].status))];
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      {
        description: kinds
          .filter((kind) => PROBLEMS[kind].status === status)
          .map((kind) => `${PROBLEMS[kind].title} (${typeOf(kind)})`)
          .join('; '),
        content: content(PROBLEM_TYPE, ref('Problem')),
        ...(status === 401 ? { headers: { 'WWW-Authenticate': { schema: { type: 'string' } } } } : {}),
        ...(RETRIED.has(status) ? { headers: { 'Retry-After': { schema: { type: 'integer' } } } } : {}),
      },
    ]),
  );
}

const RETRIED: ReadonlySet<number> = new Set<number>([409, 429, 503]);
