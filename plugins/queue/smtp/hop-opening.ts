/** From the first octet to a hop that is ready for MAIL. RFC 5321 sections 3.1 and 3.2, RFC 3207. */

import type { HopReply, Log, Services } from '../../../bindings/plugin/index.ts';
import type { HopHost, HopIntroduction, HopTalk, HopTimeouts, Introduced, TlsDemand } from './hop-options.ts';
import type { Deadlines } from '../../../bindings/timing/deadlines.ts';
import type { Attempt } from './attempt.ts';
import { extensionsOf, NO_EXTENSIONS } from './extensions.ts';
import { HopConnection } from './hop-connection.ts';
import { logIn, type LoginOptions } from './hop-login.ts';
import { HopFault, hopReplies, type HopStage, isGood, printReply } from './hop-replies.ts';

const PORTS = { smtp: 25, lmtp: 24 } as const;

export interface OpeningOptions {
  readonly protocol: 'smtp' | 'lmtp';
  readonly helloName: string;
  readonly timeouts: HopTimeouts;
  /** For hosts without a demand of their own. */
  readonly tls: TlsDemand;
  readonly login: LoginOptions | undefined;
  readonly introduction: HopIntroduction | undefined;
  readonly connect: Services['connect'];
  readonly deadlines: Deadlines;
  readonly log: Log;
}

/** Rejects with a `HopFault`; nothing was said of the mail object's envelope then. */
export async function openHop(
  host: HopHost,
  mail: Introduced,
  attempt: Attempt,
  options: OpeningOptions,
): Promise<HopConnection> {
  const demand = demandFor(host, options.tls);
  try {
    return await open(host, mail, attempt, options, demand);
  } catch (cause) {
    const isHandshake =
      cause instanceof HopFault && cause.stage === 'tls' && demand.level === 'opportunistic';
    if (!isHandshake || demand.isImplicit === true) throw cause;
    // RFC 7435 section 3: a demand for no more than what can be had is met in the clear rather than not at all.
    options.log.notice(`${host.name}: ${cause.message}: going on without TLS`);
    return open(host, mail, attempt, options, { level: 'none' });
  }
}

async function open(
  host: HopHost,
  mail: Introduced,
  attempt: Attempt,
  options: OpeningOptions,
  demand: TlsDemand,
): Promise<HopConnection> {
  const { timeouts, introduction } = options;
  const connection = new HopConnection(
    host,
    host.port ?? PORTS[options.protocol],
    options.connect,
    options.deadlines,
  );
  attempt.follow(connection);
  try {
    await connection.connected(timeouts.connectMs);
    const prelude = introduction?.beforeGreeting?.(mail);
    if (prelude !== undefined) connection.write(prelude);
    if (demand.isImplicit === true) await connection.upgrade(demand, timeouts.helloMs);
    await greet(connection, options);
    await startTls(connection, demand, options);
    if (options.login !== undefined) await logIn(connection, options.login);
    await introduction?.afterHello?.(talkTo(connection, options), mail);
    return connection;
  } catch (cause) {
    const fault =
      cause instanceof HopFault
        ? cause
        : new HopFault('introduction', hopReplies.notIntroduced, String(cause));
    // A hop that can still be talked to is owed a QUIT. RFC 5321 section 4.1.1.10.
    if (connection.isOpen) connection.quit();
    throw fault;
  }
}

/** On a Unix socket nobody listens in: TLS has to be asked for. */
function demandFor(host: HopHost, usual: TlsDemand): TlsDemand {
  if (host.tls !== undefined) return host.tls;
  return host.path !== undefined && usual.level === 'opportunistic' ? { level: 'none' } : usual;
}

/** What `HopIntroduction` may do with a connection. */
export const talkTo = (connection: HopConnection, options: OpeningOptions): HopTalk => ({
  get extensions() {
    return connection.extensions;
  },
  say: (line) => connection.say(line, 'introduction', options.timeouts.helloMs),
  hello: () => hello(connection, options),
});

async function greet(connection: HopConnection, options: OpeningOptions): Promise<void> {
  connection.owe(1);
  const greeting = await connection.reply('greeting', options.timeouts.greetingMs);
  if (greeting.code !== 220) throw refusedAt('greeting', greeting);
  await hello(connection, options);
}

async function hello(
  connection: HopConnection,
  { protocol, helloName, timeouts }: OpeningOptions,
): Promise<void> {
  const verb = protocol === 'lmtp' ? 'LHLO' : 'EHLO';
  const reply = await connection.say(`${verb} ${helloName}`, 'hello', timeouts.helloMs);
  if (isGood(reply)) {
    connection.extensions = extensionsOf(reply);
    return;
  }
  // RFC 5321 section 3.2: hops from before ESMTP. LMTP has no other verb.
  if (reply.code < 500 || protocol === 'lmtp') throw refusedAt('hello', reply);
  const older = await connection.say(`HELO ${helloName}`, 'hello', timeouts.helloMs);
  if (!isGood(older)) throw refusedAt('hello', older);
  connection.extensions = NO_EXTENSIONS;
}

async function startTls(
  connection: HopConnection,
  demand: TlsDemand,
  options: OpeningOptions,
): Promise<void> {
  if (connection.isSecure || demand.level === 'none') return;
  const isDemanded = demand.level !== 'opportunistic';
  if (!connection.extensions.has('STARTTLS')) {
    if (isDemanded) throw new HopFault('tls', hopReplies.noTls);
    return;
  }
  const reply = await connection.say('STARTTLS', 'tls', options.timeouts.helloMs);
  if (reply.code !== 220) {
    const meaning = reply.code < 500 ? hopReplies.tlsNotNow : hopReplies.noTls;
    if (isDemanded) throw new HopFault('tls', meaning, `STARTTLS: ${printReply(reply)}`);
    return;
  }
  await connection.upgrade(demand, options.timeouts.helloMs);
  // RFC 3207 section 4.2: what was said in the clear counts no more.
  await hello(connection, options);
}

const refusedAt = (stage: HopStage, reply: HopReply): HopFault =>
  new HopFault(stage, reply, `${stage}: ${printReply(reply)}`);
