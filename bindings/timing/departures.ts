/**
 * What goes out leaves once all events that are at hand have been dealt with. Sockets written to one after the other wake a
 * daemon on this host, or the network's driver, once and not once each.
 */

interface Departing {
  depart(): void;
}

let waiting: Departing[] = [];

/** Calls `depart` before the process waits for events again. */
export function departSoon(departing: Departing): void {
  if (waiting.push(departing) === 1) setImmediate(departAll);
}

function departAll(): void {
  const departing = waiting;
  waiting = [];
  for (const each of departing) each.depart();
}
