import type { Connection, Transaction } from '../../bindings/plugin/index.ts';
import type { PluginContext } from './context.ts';

/** What hooks need of a session. */
export interface HookSession {
  readonly connection: Connection;
  /** The transaction of the moment; a new object after each reset. */
  readonly transaction: Transaction;
  readonly connectionId: string;
  /** Belongs to the hook runner: starts empty, and is filled with one context for each plugin that was asked. */
  readonly contexts: (PluginContext | undefined)[];
  /** Adds to the connection's karma and returns the new total. */
  adjustKarma(points: number): number;
}
