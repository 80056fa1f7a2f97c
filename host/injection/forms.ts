/** The forms in which a message is handed in, and what is read from them. The schemas also stand in the OpenAPI document. */

import { z } from 'zod';
import { decodeBase64 } from '../../bindings/wire/base64.ts';
import { encodeXtext } from '../../bindings/wire/xtext.ts';
import type { EnvelopeOptions, InjectedEnvelope } from './injection.ts';
import { InjectionProblem } from './problems.ts';

/** Of one request. More would make answers, and what is kept of them, very large. */
export const MAX_RECIPIENTS = 1_000;
/** More characters than any path has octets. RFC 5321 section 4.5.3.1.3. */
const MAX_PATH = 256;

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Anything that stays inside the angle brackets of a command; whether it is an address is for the session to say. */
export const mailbox = z
  .string()
  .max(MAX_PATH)
  .regex(/^[^\u0000-\u001f\u007f<>]*$/)
  .refine((text) => !LONE_SURROGATE.test(text), 'a surrogate stands alone, which is no character');
const forwardPath = mailbox.min(1);

const notify = z.union([
  z.literal('never'),
  z
    .array(z.enum(['success', 'failure', 'delay']))
    .min(1)
    .max(3),
]);
const envelopeMembers = {
  smtputf8: z
    .boolean()
    .optional()
    .describe('Header fields hold UTF-8. Addresses beyond ASCII need no word. RFC 6531'),
  ret: z.enum(['full', 'hdrs']).optional().describe('What a report of failure returns. RFC 3461 section 4.3'),
  envid: z
    .string()
    .regex(/^[!-~]{1,100}$/)
    .optional()
    .describe('A name for the message in reports. RFC 3461 section 4.4'),
  notify: notify.optional().describe('When to report on the delivery. RFC 3461 section 4.1'),
};
export const envelopeOptions = z.strictObject(envelopeMembers);

/** What the session is told in the parameters of MAIL and RCPT. */
function optionsOf(given: z.output<typeof envelopeOptions> | undefined): EnvelopeOptions {
  if (given === undefined) return {};
  const { smtputf8, ret, envid, notify: events } = given;
  return {
    smtputf8,
    ret: ret?.toUpperCase(),
    envid: envid === undefined ? undefined : encodeXtext(envid),
    notify: events === undefined ? undefined : String(events).toUpperCase(),
  };
}

/** The envelope of a raw message, in the query of its request. Repeated parameters are lists. */
export const rawQuery = z.strictObject({
  from: mailbox.describe('The reverse-path; empty for the null reverse-path'),
  to: z.array(forwardPath).min(1).max(MAX_RECIPIENTS).describe('The forward-paths, a parameter for each'),
  ...envelopeMembers,
});

export function readRawQuery(query: URLSearchParams): InjectedEnvelope {
  const given: Record<string, unknown> = {};
  for (const name of new Set(query.keys())) {
    const values = query.getAll(name);
    const isList = name === 'to' || (name === 'notify' && values[0] !== 'never');
    // One of two values would be ignored; the schema refuses the list.
    given[name] = isList || values.length > 1 ? values : readScalar(name, values[0]!);
  }
  const { from, to, ...options } = check(rawQuery, given, 'query parameter');
  return { from, to, options: optionsOf(options) };
}

/**
 * The parameters of a URL. A `+` is one, as in many addresses, and no blank: a blank is `%20`. Throws a problem for an escape
 * that is none.
 */
export function readQuery(url: string): URLSearchParams {
  const start = url.indexOf('?');
  const parameters = new URLSearchParams();
  for (const pair of start < 0 ? [] : url.slice(start + 1).split('&')) {
    if (pair === '') continue;
    const equals = pair.includes('=') ? pair.indexOf('=') : pair.length;
    try {
      parameters.append(
        decodeURIComponent(pair.slice(0, equals)),
        decodeURIComponent(pair.slice(equals + 1)),
      );
    } catch {
      throw new InjectionProblem('malformed', 'the query has an escape that is no UTF-8');
    }
  }
  return parameters;
}

const readScalar = (name: string, value: string): unknown =>
  name === 'smtputf8' && (value === 'true' || value === 'false') ? value === 'true' : value;

/** A message and its envelope in one JSON object. */
export const jsonMessage = z.strictObject({
  from: mailbox.describe('The reverse-path; empty for the null reverse-path'),
  to: z.array(forwardPath).min(1).max(MAX_RECIPIENTS).describe('The forward-paths'),
  raw: z.string().optional().describe('The message, header and body; this or `rawBase64`'),
  rawBase64: z.string().optional().describe('The octets of the message in base64'),
  options: envelopeOptions.optional(),
});

export interface WholeMessage {
  readonly envelope: InjectedEnvelope;
  readonly content: Buffer;
}

export function readJsonMessage(body: unknown): WholeMessage {
  const { from, to, raw, rawBase64, options } = check(jsonMessage, body, 'member');
  return { envelope: { from, to, options: optionsOf(options) }, content: contentOf(raw, rawBase64) };
}

function contentOf(raw: string | undefined, rawBase64: string | undefined): Buffer {
  if ((raw === undefined) === (rawBase64 === undefined))
    throw new InjectionProblem(
      'malformed',
      'there has to be a member raw or rawBase64, and only one of them',
    );
  if (raw !== undefined) return octetsOf(raw, 'raw');
  const octets = decodeBase64(rawBase64!);
  if (octets === undefined) throw new InjectionProblem('malformed', 'member rawBase64: this is no base64');
  return octets;
}

function octetsOf(text: string, member: string): Buffer {
  if (!LONE_SURROGATE.test(text)) return Buffer.from(text);
  throw new InjectionProblem(
    'malformed',
    `member ${member}: a surrogate stands alone, which is no character`,
  );
}

/** Values for the gaps of a template. */
const substitutions = z.record(z.string(), z.unknown());

/** KumoMTA's request, with every member it documents, also those that are refused. */
export const kumoMessage = z.strictObject({
  envelope_sender: mailbox.describe('The reverse-path'),
  content: z
    .union([z.string(), z.record(z.string(), z.unknown())])
    .describe('The message, header and body. An object that describes one is refused with 422'),
  recipients: z
    .array(
      z.strictObject({
        email: mailbox,
        name: z.string().nullish().describe('For templates'),
        substitutions: substitutions.optional().describe('Refused with 422 unless empty'),
      }),
    )
    .min(1)
    .max(MAX_RECIPIENTS),
  substitutions: substitutions.optional().describe('Refused with 422 unless empty'),
  template_dialect: z
    .enum(['Jinja', 'Handlebars', 'Static'])
    .optional()
    .describe('`Static`: the content is no template, whatever it holds'),
  deferred_generation: z.boolean().optional().describe('Refused with 422 if true'),
  deferred_spool: z.boolean().optional().describe('Refused with 422 if true'),
  trace_headers: z.record(z.string(), z.unknown()).optional().describe('Refused with 422'),
});
type KumoMessage = z.output<typeof kumoMessage>;

/** Where a template of KumoMTA's begins something. */
const TEMPLATE = /\{[{%#]/;

export function readKumoMessage(body: unknown): WholeMessage {
  const given = check(kumoMessage, body, 'member');
  refuseUnserved(given);
  const { envelope_sender: from, recipients } = given;
  const to = recipients.map(({ email }) => email);
  return { envelope: { from, to, options: {} }, content: octetsOf(given.content as string, 'content') };
}

/** What would change the message, or what its sender may rely on, is never left out in silence. */
function refuseUnserved(given: KumoMessage): void {
  const { content, recipients, template_dialect: dialect } = given;
  const refuse = (member: string, remedy: string): never => {
    throw new InjectionProblem('unsupported', `member ${member} is not served here: ${remedy}`);
  };
  if (typeof content !== 'string')
    return refuse('content as an object', 'assemble the message and send it as a text');
  const isFilled = (values: object | undefined): boolean => Object.keys(values ?? {}).length > 0;
  const index = recipients.findIndex((recipient) => isFilled(recipient.substitutions));
  if (index >= 0) refuse(`recipients[${index}].substitutions`, 'send each recipient a message of its own');
  if (isFilled(given.substitutions)) refuse('substitutions', 'fill the template in before');
  if (dialect !== 'Static' && TEMPLATE.test(content))
    refuse('content with a template', 'fill it in before, or say "template_dialect": "Static" if it is none');
  if (given.deferred_generation === true)
    refuse('deferred_generation', 'the answer says what became of the message');
  if (given.deferred_spool === true) refuse('deferred_spool', 'what is accepted is always kept');
  if (given.trace_headers !== undefined) refuse('trace_headers', 'plugins add header fields');
}

/** The value, or a problem that names the first thing wrong with it. */
export function check<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, ...issue } = result.error.issues[0]!;
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const place = path.map((part, index) =>
    typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${String(part)}`,
  );
  const where = place.length === 0 ? 'the body' : `${what} ${place.join('')}`;
  // Names come from the client: what is quoted is not long.
  throw new InjectionProblem(
    'malformed',
    unknown === undefined
      ? `${where}: ${issue.message}`
      : `${where} has an unknown ${what} "${unknown.slice(0, 40)}"`,
  );
}
