/** A session that exists in memory only: one client, as the hooks of a plugin see it. */

import { coreOfProcess } from '../../bindings/core.ts';
import type { Connection, Parameters, Recipient, TlsFacts } from '../../bindings/plugin/connection.ts';
import type { AwaitedHookName, HookArguments, SessionHookName } from '../../bindings/plugin/hooks.ts';
import type { Verdict } from '../../bindings/plugin/verdict.ts';
import { Address } from '../../bindings/wire/address.ts';
import type { HookSession, PluginContext } from '../hooks/context.ts';
import type { HookRunner } from '../hooks/runner.ts';
import { SessionTasks } from '../hooks/session-tasks.ts';
import type { Endpoint, IncomingConnection } from '../intake/incoming-connection.ts';
import { StoredMessage } from '../message/stored-message.ts';
import { ConnectionFacts, type ResultLifetime } from '../session/connection-facts.ts';
import { PLAIN_MAIL } from '../session/envelope-parameters.ts';
import { MailTransaction } from '../session/mail-transaction.ts';

export const NO_PARAMETERS: Parameters = new Map();

/** `<a@b>`, `a@b` and `<>` as addresses. */
export function address(path: string | Address): Address {
  if (path instanceof Address) return path;
  const inside = path.replace(/^<|>$/g, '');
  const at = inside.lastIndexOf('@');
  return at === -1 ? new Address(inside, '') : new Address(inside.slice(0, at), inside.slice(at + 1));
}

/** What a test says of the client. What is left out: `client.example`, 192.0.2.3 port 40000, which has said EHLO to port 25. */
export interface ClientFacts {
  readonly id?: string;
  readonly remoteIp?: string;
  readonly remotePort?: number;
  readonly remoteHost?: string;
  /** The other end of the socket; undefined: `remoteIp`. */
  readonly peerIp?: string;
  readonly localIp?: string;
  readonly localPort?: number;
  readonly hello?: Connection['hello'];
  readonly helloHost?: string | undefined;
  readonly relayClient?: boolean;
  readonly tls?: TlsFacts | undefined;
  readonly auth?: { readonly user: string; readonly mechanism: string } | undefined;
  readonly karma?: number;
  readonly fromSameAddress?: number;
  readonly maxFromSameAddress?: number | undefined;
}

type Ends = {
  -readonly [K in 'peer' | 'remote' | 'local']: { -readonly [F in keyof Endpoint]: Endpoint[F] };
} & {
  hops: readonly string[];
  tls: TlsFacts | undefined;
};

const LIFETIMES: { readonly [N in SessionHookName]?: ResultLifetime } = {
  'pre-connection': 'connection',
  connect: 'connection',
  helo: 'hello',
  ehlo: 'hello',
};

/** The facts of the server's own sessions, which a test may change at any time. */
export class TestConnection extends ConnectionFacts {
  readonly #ends: Ends;
  readonly #times: { resultLifetime: ResultLifetime };

  constructor(facts: ClientFacts = {}) {
    const { remoteIp = '192.0.2.3', remotePort = 40_000, localIp = '192.0.2.25', localPort = 25 } = facts;
    const ends: Ends = {
      peer: { address: facts.peerIp ?? remoteIp, port: remotePort },
      remote: { address: remoteIp, port: remotePort },
      local: { address: localIp, port: localPort },
      hops: ['tcp'],
      tls: facts.tls,
    };
    const times = { resultLifetime: 'transaction' as ResultLifetime };
    super(facts.id ?? 'c1', ends as unknown as IncomingConnection, times);
    this.#ends = ends;
    this.#times = times;
    this.remoteHost = facts.remoteHost ?? 'client.example';
    this.hello = 'hello' in facts ? facts.hello : 'ehlo';
    this.helloHost = 'helloHost' in facts ? facts.helloHost : 'client.example';
    this.relayClient = facts.relayClient ?? false;
    this.auth = facts.auth;
    this.karma = facts.karma ?? 0;
    this.fromSameAddress = facts.fromSameAddress ?? 1;
    this.maxFromSameAddress = facts.maxFromSameAddress;
  }

  /** Results that are added from now on are those of the hook. */
  enter(hook: SessionHookName): void {
    this.#times.resultLifetime = LIFETIMES[hook] ?? (hook.startsWith('auth') ? 'login' : 'transaction');
  }

  override get remoteIp(): string {
    return super.remoteIp;
  }
  override set remoteIp(ip: string) {
    this.#ends.remote.address = ip;
  }

  override get remotePort(): number {
    return super.remotePort;
  }
  override set remotePort(port: number) {
    this.#ends.remote.port = port;
  }

  override get localPort(): number {
    return super.localPort;
  }
  override set localPort(port: number) {
    this.#ends.local.port = port;
  }

  override get peerIp(): string {
    return super.peerIp;
  }
  override set peerIp(ip: string) {
    this.#ends.peer.address = ip;
  }

  override get tls(): TlsFacts | undefined {
    return super.tls;
  }
  override set tls(facts: TlsFacts | undefined) {
    this.#ends.tls = facts;
  }
}

/** A transaction as a test describes it. */
export interface TestMail {
  /** The reverse-path; undefined: MAIL was not accepted yet. */
  readonly from?: string | Address | undefined;
  readonly to?: readonly (string | Address | Recipient)[] | undefined;
  /** The whole content, with CRLF line ends; undefined: it has not come yet. */
  readonly message?: string | Buffer | undefined;
}

/** What a hook is told, in the form a test writes it: addresses as text, parameters and names only where there are any. */
export type AskArguments<N extends SessionHookName> = N extends 'mail' | 'rcpt'
  ? [path: string | Address, parameters?: Parameters]
  : N extends 'helo' | 'ehlo'
    ? [host: string, words?: readonly string[]]
    : N extends 'user_config'
      ? [address: string | Address, name: string]
      : HookArguments[N];

export class TestSession implements HookSession {
  readonly contexts: (PluginContext | undefined)[] = [];
  readonly tasks = new SessionTasks();
  readonly transactionId = undefined;
  /** False once the client is gone. */
  isOpen = true;
  /** The client speaks before its turn. */
  isTalking = false;
  /** How long plugins have listened for that, in milliseconds. */
  readonly listened: number[] = [];
  readonly unread = {
    within: (withinMs: number): Promise<boolean> => {
      this.listened.push(withinMs);
      return Promise.resolve(this.isTalking);
    },
  };
  /** May be that of another session: then both plugins see the same client. */
  connection: TestConnection;
  transaction: MailTransaction;
  readonly #runner: HookRunner;
  #transactions = 0;

  constructor(runner: HookRunner, facts: ClientFacts = {}) {
    this.#runner = runner;
    this.connection = new TestConnection(facts);
    this.transaction = this.begin();
  }

  get connectionId(): string {
    return this.connection.id;
  }

  adjustKarma(points: number): number {
    return (this.connection.karma += points);
  }

  /** Ends the transaction, and begins another. */
  begin({ from, to = [], message }: TestMail = {}): MailTransaction {
    this.tasks.endTransaction();
    this.connection.forgetResults('transaction');
    const transaction = new MailTransaction(`${this.connection.id}.${++this.#transactions}`);
    if (from !== undefined) transaction.begin(address(from), NO_PARAMETERS, PLAIN_MAIL);
    for (const recipient of to)
      if (typeof recipient === 'string' || recipient instanceof Address)
        transaction.addRecipient(address(recipient));
      else transaction.acceptRecipient(recipient);
    if (message !== undefined) transaction.content = storedMessage(message);
    return (this.transaction = transaction);
  }

  /** Asks the plugin, and resolves with its verdict: DECLINED if it has no opinion. Never rejects. */
  readonly ask = async <N extends SessionHookName>(hook: N, ...given: AskArguments<N>): Promise<Verdict> => {
    this.connection.enter(hook);
    return await this.#runner.run(hook, this, ...hookArguments(hook, given));
  };

  /** Has the plugin begin what it can before its turn in the hook, as where one before it has to be waited for. To be asked after it. */
  readonly beginEarly = <N extends AwaitedHookName>(hook: N, ...given: AskArguments<N>): void => {
    this.connection.enter(hook);
    this.#runner.begin(hook, this, ...hookArguments(hook, given));
  };

  /** The header of the message, as it would be delivered now. Without the empty line. */
  get header(): string {
    const { content } = this;
    return content.slice(0, content.indexOf('\r\n\r\n') + 2);
  }

  /** The message as it would be delivered now, one character an octet. */
  get content(): string {
    const blocks = [...(this.transaction.message.blocks('crlf') as Iterable<Buffer>)];
    return Buffer.concat(blocks).toString('latin1');
  }

  /** The client leaves: tasks end. */
  leave(): void {
    this.isOpen = false;
    this.tasks.close();
  }
}

function hookArguments<N extends SessionHookName>(hook: N, given: AskArguments<N>): HookArguments[N] {
  const [first, second] = given as readonly unknown[];
  if (hook === 'mail' || hook === 'rcpt')
    return [address(first as string), second ?? NO_PARAMETERS] as unknown as HookArguments[N];
  if (hook === 'helo' || hook === 'ehlo') return [first, second ?? []] as unknown as HookArguments[N];
  if (hook === 'user_config') return [address(first as string), second] as unknown as HookArguments[N];
  return given as unknown as HookArguments[N];
}

/** Kept in memory, whole, as at the end of data. */
export function storedMessage(content: string | Buffer): StoredMessage {
  const message = new StoredMessage(coreOfProcess().core, {
    sizeThreshold: Number.POSITIVE_INFINITY,
    spool: undefined,
  });
  message.content.append(typeof content === 'string' ? Buffer.from(content, 'latin1') : content);
  void message.complete(0, 0);
  return message;
}
