/**
 * The OpenAPI document says what the server does: every status it names is produced here by a request, no request gets another
 * one, and what is sent and received has the form of its schema.
 */

import { createRequire } from 'node:module';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { definePlugin, deny, denySoft, ok } from '../../bindings/plugin/index.ts';
import { keyCounts } from '../../host/injection/requests.ts';
import { InjectingServer, OTHER_TOKEN, type HttpAnswer, type HttpAsk } from './injecting-server.ts';

/** Of fastify: the product has no other use for it. */
interface JsonSchemas {
  addSchema(schema: object, key: string): unknown;
  validate(reference: string, data: unknown): boolean;
  errorsText(): string;
}
const ofFastify = createRequire(createRequire(import.meta.url).resolve('@fastify/ajv-compiler'));
const { Ajv2020 } = ofFastify('ajv/dist/2020.js') as {
  readonly Ajv2020: new (options: object) => JsonSchemas;
};

interface Operation {
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly requestBody: { readonly content: Readonly<Record<string, { readonly schema: object }>> };
  readonly responses: Readonly<Record<string, Response>>;
}
interface Response {
  readonly content: Readonly<Record<string, { readonly schema: { readonly $ref: string } }>>;
  readonly headers?: Readonly<Record<string, object>>;
}
interface Description {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, { readonly post: Operation }>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

let server: InjectingServer;
let description: Description;
let schemas: JsonSchemas;
let hold: Promise<void> | undefined;
let hours = 0;

const judge = definePlugin({
  name: 'judge',
  about: 'Judges by the local part: a number is the code of a refusal.',
  hooks: () => ({
    rcpt: (_, { localPart }) => {
      if (localPart === 'wait') return (hold ?? Promise.resolve()).then(() => ok());
      const code = Number(localPart);
      if (Number.isNaN(code)) return ok();
      return { ...(code < 500 ? denySoft('later') : deny('never')), replyCode: code };
    },
    queue: () => ok('kept'),
  }),
});

beforeEach(async () => {
  // Each test has an hour of its own, in which its keys are counted anew.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ++hours * 3_600_000 });
  server = await InjectingServer.start([judge], { http_body_limit: '3000', databytes: '3000' });
  description = (await server.ask('/openapi.json', { method: 'GET', token: '' }))
    .body as unknown as Description;
  schemas = new Ajv2020({ strict: false, validateFormats: false });
  schemas.addSchema(description, 'description');
});
afterEach(async () => {
  hold = undefined;
  await server.close();
  vi.useRealTimers();
});

const holds = (reference: string, data: unknown): void => {
  expect(schemas.validate(`description${reference}`, data), schemas.errorsText()).toBe(true);
};

/** A request that is good but for what `change` says: the recipient, the header, the body. */
type Send = (to: string, more?: HttpAsk, content?: string) => Promise<HttpAnswer>;

const FORMS: Readonly<Record<string, readonly [path: string, send: Send]>> = {
  raw: [
    '/messages',
    (to, more = {}, content = 'Subject: x\n\nx') => server.raw(`${to}@example.org`, content, more),
  ],
  JSON: [
    '/messages',
    (to, more, raw = 'Subject: x\n\nx') =>
      server.json({ from: 'a@example.org', to: [`${to}@example.org`], raw }, more),
  ],
  KumoMTA: [
    '/api/inject/v1',
    (to, more, content = 'Subject: x\n\nx') =>
      server.kumo(
        { envelope_sender: 'a@example.org', recipients: [{ email: `${to}@example.org` }], content },
        more,
      ),
  ],
};

const key = (text: string): HttpAsk => ({ headers: { 'idempotency-key': text } });

/** Every problem that the table of problems has, of a real request. */
async function problemsOf(send: Send): Promise<readonly HttpAnswer[]> {
  const answers = [
    await send('b', { headers: { 'idempotency-key': '' } }),
    await send('b', { token: '' }),
    await send('b', { token: OTHER_TOKEN }),
    await send('530'),
    await send('b', { type: 'text/plain' }),
    await send('550'),
    await send('450'),
  ];
  let release: () => void = () => undefined;
  hold = new Promise((resolve) => (release = resolve));
  const first = send('wait', key('slow'));
  await expect.poll(() => server.server.sessions).toBe(1);
  answers.push(await send('wait', key('slow')));
  release();
  answers.push(await first);
  answers.push(await send('c', key('slow')));
  while (!keyCounts.isFull('shop')) keyCounts.add('shop');
  answers.push(await send('b', key('one-too-many')));
  return answers;
}

describe.each(Object.entries(FORMS))('%s', (form, [path, send]) => {
  test('each status that is named is produced, no other is, and each body has its form', async () => {
    const answers = [...(await problemsOf(send)), await send('b'), await tooLarge(send), await fault(send)];
    const { responses } = description.paths[path]!.post;
    expect([...new Set(answers.map(({ status }) => String(status)))].sort()).toEqual(
      Object.keys(responses).sort(),
    );
    for (const { status, headers, body } of answers) {
      const type = headers['content-type']!;
      const { content, headers: named = {} } = responses[status]!;
      holds(content[type]!.schema.$ref, body);
      for (const name of Object.keys(named)) expect(headers, `${status}`).toHaveProperty(name.toLowerCase());
      if (status >= 400) expect(body['status']).toBe(status);
    }
  });

  test('a good request has the form that the document gives it', async () => {
    const { requestBody, parameters } = description.paths[path]!.post;
    expect(Object.keys(requestBody.content)).toContain(
      form === 'raw' ? 'message/rfc822' : 'application/json',
    );
    expect(parameters.map(({ name }) => name)).toContain('Idempotency-Key');
    expect((await send('b')).status).toBeLessThan(300);
  });
});

/** Larger than `databytes`, or than a request in JSON may be. */
const tooLarge = (send: Send): Promise<HttpAnswer> => send('b', {}, 'x'.repeat(4_000));

/** Something that must not happen. */
async function fault(send: Send): Promise<HttpAnswer> {
  server.stores.open = () => {
    throw new Error('broken on purpose');
  };
  return send('b', key('fault'));
}

test('every reference leads somewhere', () => {
  const references = [...JSON.stringify(description).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
  expect(references.length).toBeGreaterThan(3);
  for (const [, name] of references) expect(description.components.schemas).toHaveProperty(name!);
  expect(description.openapi).toBe('3.1.0');
});

test('the document names what the listener offers, and nothing else', async () => {
  await server.close();
  server = await InjectingServer.start([judge], {}, 'inject=raw');
  const { body } = await server.ask('/openapi.json', { method: 'GET' });
  const { paths } = body as unknown as Description;
  expect(Object.keys(paths)).toEqual(['/messages']);
  expect(Object.keys(paths['/messages']!.post.requestBody.content)).toEqual(['message/rfc822']);
  const names = paths['/messages']!.post.parameters.filter(({ required }) => required).map(
    ({ name }) => name,
  );
  expect(names).toEqual(['from', 'to']);
});

test.each([
  [{ from: '', to: ['b'], raw: '' }, true],
  [{ from: '', to: [], raw: '' }, false],
  [{ from: '', to: ['b'], raw: '', more: 1 }, false],
  [{ from: 'a>', to: ['b'], raw: '' }, false],
  [{ from: 'a', to: ['b'], raw: '', options: { notify: ['success'], ret: 'full' } }, true],
  [{ from: 'a', to: ['b'], raw: '', options: { ret: 'all' } }, false],
])('what the schema of a message says of %j, the server says as well', async (body, isFine) => {
  expect(schemas.validate('description#/components/schemas/Message', body)).toBe(isFine);
  expect((await server.json(body)).status === 400).toBe(!isFine);
});
