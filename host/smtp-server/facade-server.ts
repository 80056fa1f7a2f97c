/** What a connection of the facade needs of its server. */

import type { Logger } from './logging.ts';
import type { SMTPConnection } from './connection.ts';
import type { SMTPServerConnectionInfo, SMTPServerHandlers, SMTPServerOptions } from './types.ts';

export type ResolvedOptions = SMTPServerOptions & {
  disabledCommands: string[];
  authMethods: string[];
};

export interface FacadeServer extends SMTPServerHandlers {
  readonly options: ResolvedOptions;
  readonly logger: Logger;
  /** Connections whose session has begun, TLS included. */
  readonly connections: Set<SMTPConnection>;
  /** `close` has been called. */
  readonly isClosing: boolean;
  /** The names of an address; rejects if they cannot be found out. */
  namesOf(address: string): Promise<readonly string[]>;
  /** A client is about to shake hands; false if there are too many of them. */
  addPending(connection: SMTPConnection): boolean;
  removePending(connection: SMTPConnection): void;
  /** The event `connect`. */
  announce(info: SMTPServerConnectionInfo): void;
  /** The event `error`, if anybody listens: a client must not be able to end the process. */
  report(error: Error): void;
}
