/** Shared by all sessions that began under one reading of the configuration: everything that was built from it. */

import type { Core } from '../../bindings/core/contract.ts';
import type { HookRunner } from '../hooks/runner.ts';
import type { SettingValues } from '../settings/settings.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { Logger } from '../observe/logger.ts';
import type { StoredMessage } from '../message/stored-message.ts';
import type { ReverseLookup } from '../dns/reverse-lookup.ts';
import type { TlsOptions } from '../tls/tls-layer.ts';
import type { Deadlines } from '../../bindings/timing/deadlines.ts';
import type { ReplyPrinter } from '../replies/reply.ts';
import type { Dialogue } from './dialogue.ts';
import type { MessageRoute } from './message-route.ts';
import type { Session } from './session.ts';
import type { Turns } from './turns.ts';

export interface SessionHost {
  readonly core: Core;
  readonly hooks: HookRunner;
  /** The settings as they are now: a file may change while the session goes on. */
  readonly settings: SettingValues;
  readonly printer: ReplyPrinter;
  readonly logger: Logger;
  readonly deadlines: Deadlines;
  /** The memory that all sessions of the process use together. */
  readonly memory: MemoryBudget;
  readonly turns: Turns;
  readonly reverseLookup: ReverseLookup;
  /** Undefined: there is no certificate, so TLS is not offered. */
  readonly tls: TlsOptions | undefined;
  readonly version: string;
  /** The daemon is about to stop, or this process is: sessions end with their transaction. */
  readonly isDraining: boolean;
  /** Now, as a date of RFC 5322 section 3.3. */
  date(): string;
  newMessage(): StoredMessage;
  /** The route of one client's messages. */
  openRoute(): MessageRoute;
  /** What a new session says. */
  openDialogue(): Dialogue;
  /** The connection is gone. */
  leave(session: Session): void;
}
