import type { Address } from '../wire/address.ts';
import type { Config } from './config.ts';
import type { Connection, Transaction } from './connection.ts';
import type { Log } from './log-level.ts';
import type { Services } from './services.ts';
import type { Tasks } from './tasks.ts';

/** A plugin's own side. */
export interface PluginSide<O> {
  /** The name in the log: `badmailfrom`, or `badmailfrom:2` for a second instance. */
  readonly name: string;
  readonly options: O;
  readonly config: Config;
  readonly log: Log;
  readonly services: Services;
}

/** What a plugin is given outside any session. */
export interface Setup<O> extends PluginSide<O> {
  /**
   * `close` is run once, when the last session of this reading of the configuration has ended: after a reload, at the end of
   * the process, or because the configuration turned out to be wrong. For timers, connections and files of the plugin's own.
   * What was registered last is run first. A promise is waited for, up to a second; what it throws is logged.
   */
  readonly onClose: (close: () => void | Promise<void>) => void;
  /**
   * `look` is called by `qpsmtpd check`, after a start that made nothing, and never by a daemon. It looks for what keeps no
   * daemon from starting and an operator may want to know all the same; its findings are printed. What it throws is an error
   * of the configuration, with the line of the plugin.
   */
  readonly onCheck: (look: () => CheckFinding | undefined | Promise<CheckFinding | undefined>) => void;
}

/** A sentence, which is printed with the place of the plugin's line; or things of one kind, which are listed. */
export type CheckFinding = string | CheckList;

/** Lists with the same headline and remedy are printed as one; so are equal items. */
export interface CheckList {
  /** Ends in a colon. */
  readonly headline: string;
  /** Asked for a hundred at most. Without any, nothing is printed. */
  readonly items: Iterable<string> | AsyncIterable<string>;
  /** What the operator can do about them. */
  readonly remedy?: string;
}

/** Why checks are to be skipped. A sender's name can be forged, so `whitelisted sender` must never open a relay. */
export type Immunity = 'relay client' | 'whitelisted host' | 'whitelisted sender';

/** What a hook knows: the plugin's own side, and the session it is asked about. */
export interface HookContext<O = unknown> extends PluginSide<O> {
  readonly connection: Connection;
  /** Made on demand, so there is always one; empty between transactions. */
  readonly transaction: Transaction;
  /** Work that goes on from one hook to the next. */
  readonly tasks: Tasks;
  /**
   * The lines of the configuration file `name` for one user: what the hook `user_config` of some plugin has for the
   * address, else the file itself. Rejects while the list is unknown.
   */
  readonly linesFor: (address: Address, name: string) => Promise<readonly string[]>;
  /** Undefined for a client that is to be checked like any other. */
  readonly immunity: Immunity | undefined;
  /** Adds to the connection's karma and returns the new total. */
  readonly adjustKarma: (points: number) => number;
  /**
   * True as soon as the client has sent something before its turn, false after `withinMs` milliseconds or once it is
   * gone. Input waits meanwhile, this session's alone.
   */
  readonly talksWithin: (withinMs: number) => Promise<boolean>;
}
