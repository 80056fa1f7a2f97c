import type { Connection, Transaction } from '../../bindings/plugin/index.ts';
import type { PluginContext } from './context.ts';
import type { SessionTasks } from './session-tasks.ts';

/** What hooks need of a session. */
export interface HookSession {
  readonly connection: Connection;
  /** The transaction of the moment; a new object after each reset. */
  readonly transaction: Transaction;
  readonly connectionId: string;
  /** Its seat in the flight record. */
  readonly seat?: number;
  /** Belongs to the hook runner: starts empty, and is filled with one context for each plugin that was asked. */
  readonly contexts: (PluginContext | undefined)[];
  /** Work that hooks have begun; it ends with the session. */
  readonly tasks: SessionTasks;
  /** False once the client is gone: nobody needs further opinions then. */
  readonly isOpen: boolean;
  /** For the log: the transaction, unique as the connection is. Undefined between transactions. */
  readonly transactionId: string | undefined;
  /** What the client has just entrusted to AUTH: none of it may be read in the log. */
  readonly secrets?: readonly string[] | undefined;
  /** Input that came before its turn. */
  readonly unread: { within(withinMs: number): Promise<boolean> };
  /** The plugin that refused what is being asked about, or took the message. Set by the hook runner, for the log. */
  decidedBy?: string | undefined;
  /** Adds to the connection's karma and returns the new total. */
  adjustKarma(points: number): number;
}
