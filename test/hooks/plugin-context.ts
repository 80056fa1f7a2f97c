/** One plugin, set up as from its line, asked about a session that exists in memory only. */

import {
  Address,
  LogLevel,
  type Config,
  type Connection,
  type LogOutput,
  type OptionShape,
  type PluginDefinition,
  type Services,
  type Transaction,
  type Verdict,
} from '../../bindings/plugin/index.ts';
import type { Connect } from '../../bindings/plugin/connect.ts';
import { Notes } from '../../bindings/plugin/notes.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import type { HookArguments, SessionHookName } from '../../bindings/plugin/hooks.ts';
import type { Logs } from '../../bindings/plugin/log-services.ts';
import { setUpPlugin, type LoadedPlugin } from '../../host/hooks/loaded-plugin.ts';
import { parsePluginLine } from '../../host/hooks/plugin-line.ts';
import { HookRunner } from '../../host/hooks/runner.ts';
import type { HookSession } from '../../host/hooks/context.ts';
import { SessionTasks } from '../../host/hooks/session-tasks.ts';
import { MemoryStores } from '../../host/testing/memory-store.ts';
import { Logger } from '../../host/observe/logger.ts';
import { PLAIN_MAIL } from '../../host/session/envelope-parameters.ts';
import { fakeSystem } from './fake-system.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface Given {
  /** The words behind the plugin's name. */
  words?: string;
  /** Lines of configuration files. */
  files?: Record<string, readonly string[]>;
  maps?: Record<string, Record<string, string>>;
  me?: string;
  services?: Partial<Services>;
}

export const NO_PARAMETERS: ReadonlyMap<string, string | undefined> = new Map();

/** `<a@b>` and `<>` as addresses. */
export function address(path: string): Address {
  const inside = path.replace(/^<|>$/g, '');
  const at = inside.lastIndexOf('@');
  return at === -1 ? new Address(inside, '') : new Address(inside.slice(0, at), inside.slice(at + 1));
}

export function fakeConfig({ files = {}, maps = {}, me = 'mx.example' }: Given): Config {
  const lines = (name: string): readonly string[] => files[name] ?? [];
  return {
    me,
    lines,
    placeOf: (name) => ({ file: name }),
    linesWithPlaces: (name) =>
      lines(name).map((text, index) => ({ text, place: { file: name, line: index + 1 } })),
    value: (name) => lines(name)[0],
    number: (name, fallback) => Number(lines(name)[0] ?? fallback),
    flag: (name) => !['0', 'no', 'off', 'false', undefined].includes(lines(name)[0]),
    map: (name, key) => maps[name]?.[key],
    list(name, compile) {
      compile(lines(name));
      return {
        get current() {
          return compile(lines(name));
        },
      };
    },
  };
}

/** Logs that go nowhere. */
const noOutput: LogOutput = { write: () => undefined, close: () => undefined };
export const noLogs: Logs = {
  stamped: () => (line) => line,
  writeError: () => undefined,
  file: () => noOutput,
  command: () => noOutput,
  syslog: () => noOutput,
  json: () => () => '{}',
};

/** Connections nobody takes, but for those a test brings. */
export function fakeConnect(overrides: Partial<Connect> = {}): Connect {
  const refuse = (): never => {
    throw new Error('nobody listens');
  };
  const open = (): Promise<never> => Promise.reject(new Error('nobody listens'));
  return Object.assign(open, { begin: refuse, secure: open, check: () => undefined, ...overrides });
}

export function fakeServices(overrides: Partial<Services> = {}): Services {
  const clock = overrides.clock ?? { now: () => 0 };
  return {
    ...fakeSystem(),
    clock,
    store: new MemoryStores(clock),
    random: () => 0.5,
    programs: {
      isExecutable: () => false,
      run: () => Promise.reject(new Error('no such program')),
      feed: () => Promise.resolve({ kind: 'not started', problem: 'no such program' }),
    },
    connect: fakeConnect(),
    outlets: {
      open: (words) => {
        throw new Error(`no outlet ${words}`);
      },
    },
    spools: { open: () => ({ deliver: () => Promise.reject(new Error('no spool')) }) },
    tls: { offer: () => undefined },
    logs: noLogs,
    http: {
      text: () => Promise.reject(new Error('no network')),
      request: () => Promise.reject(new Error('no network')),
      client: () => ({ request: () => Promise.reject(new Error('no network')), close: () => undefined }),
    },
    workers: {
      open: () => ({ run: () => Promise.reject(new Error('no threads')), close: () => undefined }),
    },
    ...overrides,
  };
}

export class FakeSession implements HookSession {
  readonly connectionId = 'c1';
  readonly contexts: HookSession['contexts'] = [];
  readonly tasks = new SessionTasks();
  readonly transactionId = undefined;
  isOpen = true;
  /** Whether the client speaks before its turn. */
  isTalking = false;
  readonly unread = { within: (): Promise<boolean> => Promise.resolve(this.isTalking) };
  connection: Mutable<Connection> = {
    id: 'c1',
    remoteIp: '192.0.2.3',
    remotePort: 40_000,
    localIp: '192.0.2.25',
    localPort: 25,
    remoteHost: 'client.example',
    service: undefined,
    remoteInfo: 'client.example',
    fromSameAddress: 1,
    maxFromSameAddress: undefined,
    relayClient: false,
    hello: 'ehlo',
    helloHost: 'client.example',
    tls: undefined,
    auth: undefined,
    karma: 0,
    notes: new Notes<'connection'>(),
    peerIp: '192.0.2.3',
    takeClient: ({ ip, port, host }) =>
      void Object.assign(this.connection, { remoteIp: ip, remotePort: port, remoteHost: host ?? 'Unknown' }),
    forwarded: undefined,
    addAuthenticationResult: () => undefined,
  };
  transaction: Transaction = freshTransaction();

  adjustKarma(points: number): number {
    return (this.connection.karma += points);
  }
}

export function freshTransaction(fields: Record<string, string> = {}): Transaction {
  return {
    id: 'c1.1',
    reversePath: undefined,
    mailParameters: NO_PARAMETERS,
    mailOptions: PLAIN_MAIL,
    recipients: [],
    addRecipient: () => undefined,
    removeRecipient: () => undefined,
    notes: new Notes<'transaction'>(),
    message: { header: { get: (name: string) => fields[name] } },
  } as unknown as Transaction;
}

/** A log that collects its lines as `LEVEL text`. */
export function collectingLogger(level: LogLevel = LogLevel.INFO): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const logger = new Logger(level, (line) => lines.push(line.replace(/^\d+ /, '')));
  return { logger, lines };
}

/** Sets `definition` up and returns what a test needs to ask it. */
export function given<S extends OptionShape>(definition: PluginDefinition<S>, given: Given = {}) {
  const { logger, lines } = collectingLogger();
  const line = parsePluginLine({
    text: `${definition.name} ${given.words ?? ''}`,
    place: { file: 'plugins', line: 1 },
  });
  const environment = { config: fakeConfig(given), services: fakeServices(given.services), logger };
  const plugin: LoadedPlugin = setUpPlugin(definition, line, environment);
  const runner = new HookRunner([plugin], logger);
  const session = new FakeSession();
  const ask = async <N extends SessionHookName>(hook: N, ...words: HookArguments[N]): Promise<Verdict> =>
    await runner.run(hook, session, ...words);
  return { plugin, session, log: lines, ask };
}

/** A verdict as `CODE text (#status)`, to compare at a glance. */
export function words({ code, lines, status }: Verdict): string {
  const name = Object.entries(ReturnCode).find(([, number]) => number === code)![0];
  return [name, ...lines, ...(status === undefined ? [] : [`(#${status})`])].join(' ');
}
