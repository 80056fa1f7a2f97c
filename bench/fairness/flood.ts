/** What the flooding process is told: how many clients send what, and how fast. */

/**
 * Input that costs more than it weighs. `bdat`: chunks of one octet. `commands`: verbs that ask plugins or make and drop
 * transactions. `refused-recipients`: recipients of other hosts. `header-lines`: messages whose header has as many fields
 * as the host examines, of two octets each. `dots`: messages of which every line is dot-stuffed.
 */
export const FLOOD_KINDS = ['bdat', 'commands', 'refused-recipients', 'header-lines', 'dots'] as const;
export type FloodKind = (typeof FLOOD_KINDS)[number];

export interface Flood {
  readonly kind: FloodKind;
  readonly port: number;
  readonly clients: number;
  /** Of each client; undefined: as fast as the server reads. */
  readonly octetsPerSecond: number | undefined;
}
