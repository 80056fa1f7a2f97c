/**
 * The memory budget where none is set, and what counts against it. Octets are estimates, rounded up from measurements of Node 20;
 * text is counted as it came: one octet a character. The formulas stand in docs/reference/limits.md.
 */

import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import type { Parameters } from '../../bindings/plugin/connection.ts';
import type { Address } from '../../bindings/wire/address.ts';

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

/** Octets of the heap that are the program's, and those of V8's young objects, which its limit includes. */
const PROGRAM_OCTETS = 67_108_864;
/** Envelopes are kept in the heap; the other half is for what the collector has not come to yet. */
const SHARE_OF_HEAP = 1 / 2;
/** A heap that is hardly larger than the program gives this share. */
const MIN_SHARE_OF_HEAP = 1 / 8;
/** Contents are kept outside the heap. The rest is for the heap, the system's own buffers, and other programs. */
const SHARE_OF_MACHINE = 1 / 4;
/** Connections that keep silent may use up this share: from half of the budget on, messages go to disk. */
const SHARE_OF_CONNECTIONS = 1 / 2;

export interface Room {
  /** Octets V8 may use for the heap of this process. */
  readonly heap: number;
  /** Octets of the machine, or of the container. */
  readonly machine: number;
  /** Processes that serve on it. */
  readonly workers: number;
}

export function roomOf(workers: number): Room {
  const constrained = process.constrainedMemory();
  // Without a limit some systems say 0, others more than there is.
  const machine = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  return { heap: getHeapStatistics().heap_size_limit, machine, workers };
}

/** The default budget, in octets. */
export function budgetFor({ heap, machine, workers }: Room): number {
  const ofHeap = Math.max((heap - PROGRAM_OCTETS) * SHARE_OF_HEAP, heap * MIN_SHARE_OF_HEAP);
  return Math.floor(Math.min(ofHeap, (machine * SHARE_OF_MACHINE) / workers));
}

/** Connections that fit into a budget of so many octets; `Infinity` into one without limit. */
export function connectionsWithin(budget: number): number {
  return Math.max(1, Math.floor((budget * SHARE_OF_CONNECTIONS) / CONNECTION_OCTETS));
}
