/** What the attacking process is told, and what it says. */

/**
 * `slow`: one octet a second, half of the clients in commands and half in DATA. `endless-commands`: a command line that
 * does not end. `endless-lines`: a line of a message that does not end. `endless-messages`: a message of short lines
 * that does not end.
 */
export type AttackKind = 'slow' | 'endless-commands' | 'endless-lines' | 'endless-messages';

export interface Attack {
  readonly kind: AttackKind;
  readonly port: number;
  readonly clients: number;
  /** Where all clients together stop sending, for the sake of the disk; they stay connected. */
  readonly maxOctets: number;
}

/** Sent to the parent when all clients are in place, and again at the end. */
export interface AttackReport {
  readonly state: 'begun' | 'over';
  readonly octets: number;
  /** Clients that the server has closed the connection of. */
  readonly closed: number;
}
