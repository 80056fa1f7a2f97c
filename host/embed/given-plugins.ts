/** Plugins as an embedding program gives them: lines, definitions, and definitions with their options as values. */

import {
  definePlugin,
  deny,
  denySoft,
  mailObjectOf,
  ok,
  type Address,
  type Answer,
  type Connection,
  type HookContext,
  type MailObject,
  type OptionShape,
  type PluginDefinition,
  type Verdict,
  type z,
} from '../../bindings/plugin/index.ts';
import type { LineEnds } from '../../bindings/plugin/message.ts';
import { Readable } from 'node:stream';
import { ConfigError } from '../errors/error-classes.ts';

/** Settings that every plugin takes, as they stand in its line. */
export interface LineOptions {
  readonly loglevel?: string;
  readonly on_error?: 'skip' | 'defer';
  /** Seconds an answer is waited for. */
  readonly timeout?: number;
  readonly reject?: '0' | '1' | 'naughty';
  readonly reject_type?: 'perm' | 'temp' | 'disconnect' | 'temp_disconnect';
}

/** A plugin with its options. */
export interface ConfiguredPlugin {
  readonly definition: PluginDefinition;
  readonly line: LineOptions;
}

/** A line as in `config/plugins`, a definition without options, or `withOptions(definition, options)`. */
export type GivenPlugin = string | PluginDefinition | ConfiguredPlugin;

const LINE_OPTIONS = ['loglevel', 'on_error', 'timeout', 'reject', 'reject_type'] as const;

/**
 * A plugin with options as values, which may hold what a line of `config/plugins` cannot: blanks, for one. The schema of the
 * definition reads them as it reads those of a line; what is wrong with them is thrown by `createServer`.
 */
export function withOptions<S extends OptionShape>(
  definition: PluginDefinition<S>,
  options: z.input<S> & LineOptions,
): ConfiguredPlugin {
  const given: Readonly<Record<string, unknown>> = options;
  const schema = definition.options;
  const shape: Readonly<Record<string, z.ZodType>> = schema?.shape ?? {};
  const values = Object.fromEntries(
    Object.entries(shape).flatMap(([key, kind]) => (key in given ? [[key, kind.prefault(given[key])]] : [])),
  );
  const line = Object.fromEntries(
    LINE_OPTIONS.flatMap((key) => (key in given && !(key in shape) ? [[key, given[key]]] : [])),
  ) as LineOptions;
  const unknown = Object.keys(given).find((key) => !(key in shape) && !(key in line));
  if (unknown !== undefined) {
    throw new ConfigError(
      PLACE,
      `${definition.name}: unknown option \`${unknown}\``,
      `it takes ${[...Object.keys(shape), ...LINE_OPTIONS].join(', ')}`,
      'Q_PLUGIN_OPTION',
    );
  }
  const configured = { ...definition, ...(schema && { options: schema.extend(values) }) };
  return { definition: configured as unknown as PluginDefinition, line };
}

const PLACE = { file: 'plugins' };

/** What the server loads: its lines of `plugins`, and the definitions they name. */
export interface PluginLines {
  readonly lines: readonly string[];
  readonly definitions: readonly PluginDefinition[];
}

/** Definitions that share a name get numbers, as in a second line of a file they would be the same plugin. */
export function pluginLines(plugins: readonly GivenPlugin[]): PluginLines {
  const definitions = new Map<string, PluginDefinition>();
  const lines = plugins.map((plugin) => {
    if (typeof plugin === 'string') return plugin;
    const { definition, line } = 'definition' in plugin ? plugin : { definition: plugin, line: {} };
    const name = freeName(definition, definitions);
    definitions.set(name, name === definition.name ? definition : { ...definition, name });
    const options = Object.entries(line).flatMap(([key, value]) => [key, String(value)]);
    return [name, ...options].join(' ');
  });
  return { lines, definitions: [...definitions.values()] };
}

function freeName(definition: PluginDefinition, taken: ReadonlyMap<string, PluginDefinition>): string {
  const { name } = definition;
  let candidate = name;
  for (let number = 2; ; number++) {
    const other = taken.get(candidate);
    if (other === undefined || other === definition) return candidate;
    candidate = `${name}-${number}`;
  }
}

/** A message that has come to its end, as `onMessage` gets it. Its content is there until the callback has answered. */
export interface ReceivedMail extends MailObject {
  readonly connection: Connection;
  /** The message with its Received field, from the top each time it is asked for. */
  stream(lineEnds?: LineEnds): Readable;
  /** The same in one piece: for messages whose size is known to be bounded. */
  content(lineEnds?: LineEnds): Promise<Buffer>;
}

/** Nothing: the client is told 250. A text: that, after 250. A verdict: its reply. */
export type MessageAnswer = Verdict | string | undefined | void;

/** Takes a message; once it has answered the client believes that the message is safe. */
export type OnMessage = (mail: ReceivedMail) => MessageAnswer | Promise<MessageAnswer>;

/** Says whether there is such a recipient; a verdict is the reply. */
export type JudgeRecipient = (
  address: Address,
  connection: Connection,
) => boolean | Verdict | Promise<boolean | Verdict>;

/** Recipients that are accepted where no plugin refuses them: all, those listed (`user@host`, or `@host`), or as the function says. */
export type Recipients = 'any' | readonly string[] | JudgeRecipient;

/** The last plugin of an embedded server: it accepts recipients, and hands messages to the program. */
export function programPlugin(
  recipients: Recipients | undefined,
  onMessage: OnMessage | undefined,
): PluginDefinition {
  const judge = recipients === undefined ? undefined : judgeOf(recipients);
  return definePlugin({
    name: 'program',
    about: 'Hands messages to the program that the server is part of.',
    hooks: {
      ...(judge && {
        rcpt: async ({ connection }: HookContext, address: Address) =>
          verdictOn(await judge(address, connection)),
      }),
      ...(onMessage && { queue: (context: HookContext) => handOver(context, onMessage) }),
    },
  }) as unknown as PluginDefinition;
}

const verdictOn = (judgement: boolean | Verdict): Answer =>
  typeof judgement === 'boolean' ? (judgement ? ok() : deny('no such recipient here', '1.1')) : judgement;

function judgeOf(recipients: Recipients): JudgeRecipient {
  if (typeof recipients === 'function') return recipients;
  if (recipients === 'any') return () => true;
  const known = new Set(recipients.map((recipient) => recipient.toLowerCase()));
  return ({ mailbox, domain }) => known.has(mailbox.toLowerCase()) || known.has(`@${domain.toLowerCase()}`);
}

/** A verdict that is thrown counts as one that is returned; anything else that is thrown is a fault, which defers. */
async function handOver(context: HookContext, onMessage: OnMessage): Promise<Verdict> {
  try {
    const answer = await onMessage(receivedMail(context));
    return typeof answer === 'object' ? answer : ok(typeof answer === 'string' ? answer : undefined);
  } catch (thrown) {
    if (isVerdict(thrown)) return thrown;
    context.log.error(
      `onMessage failed: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`,
    );
    return denySoft('the message could not be taken, try again later', '3.0');
  }
}

const isVerdict = (thrown: unknown): thrown is Verdict =>
  typeof thrown === 'object' && thrown !== null && (thrown as { kind?: unknown }).kind === 'verdict';

function receivedMail(context: HookContext): ReceivedMail {
  const mail = mailObjectOf(context);
  const stream = (lineEnds: LineEnds = 'crlf'): Readable =>
    Readable.from(mail.message.blocks(lineEnds), { objectMode: false });
  return {
    ...mail,
    connection: context.connection,
    stream,
    content: async (lineEnds) => {
      const blocks: Buffer[] = [];
      for await (const block of stream(lineEnds)) blocks.push(block as Buffer);
      return Buffer.concat(blocks);
    },
  };
}
