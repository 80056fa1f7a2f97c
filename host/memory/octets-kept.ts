/**
 * What things cost that are kept for a client, in octets: estimates for the memory budget, rounded up from measurements
 * of Node 20. Text is counted as it came: one octet a character.
 */

import type { Address } from '../../bindings/wire/address.ts';
import type { Parameters } from '../../bindings/plugin/connection.ts';

/** A connection that keeps silent: socket, session, and what the system keeps for them in the process. */
export const CONNECTION_OCTETS = 8_192;
/** What TLS adds. */
export const TLS_OCTETS = 32_768;

/** Objects of one address in the envelope, and of the parameters that came with it. */
const ADDRESS_OCTETS = 208;
const PARAMETERS_OCTETS = 320;
const PARAMETER_OCTETS = 64;
/** A value is kept as sent and as what it says. */
const COPIES_OF_VALUE = 2;

/** A reverse-path or forward-path with its parameters. */
export function octetsOfPath({ localPart, domain }: Address, parameters: Parameters): number {
  const path = ADDRESS_OCTETS + localPart.length + domain.length;
  return parameters.size === 0 ? path : path + octetsOfParameters(parameters);
}

function octetsOfParameters(parameters: Parameters): number {
  let octets = PARAMETERS_OCTETS;
  for (const [keyword, value = ''] of parameters) {
    octets += PARAMETER_OCTETS + keyword.length + COPIES_OF_VALUE * value.length;
  }
  return octets;
}
