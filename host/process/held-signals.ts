/**
 * Signals from the first moment on: kept until they can be carried out, and then passed on. Programs that are to run on
 * hold them before they load anything else, because the default action of most signals is to die.
 */

export const SIGNALS = [
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
  'SIGHUP',
  'SIGUSR1',
  'SIGALRM',
  'SIGUSR2',
  'SIGPIPE',
] as const;
export type HeldSignal = (typeof SIGNALS)[number];

export interface SignalSource {
  on(signal: HeldSignal, listener: () => void): unknown;
}

export class HeldSignals {
  #isHolding = false;
  #receive: ((signal: HeldSignal) => void) | undefined = undefined;
  #kept: HeldSignal[] = [];

  hold(source: SignalSource): void {
    if (this.#isHolding) return;
    this.#isHolding = true;
    for (const signal of SIGNALS) {
      source.on(signal, () => {
        if (this.#receive === undefined) this.#kept.push(signal);
        else this.#receive(signal);
      });
    }
  }

  /** From now on `receive` gets the signals; first those that were kept, in their order. */
  deliverTo(receive: (signal: HeldSignal) => void): void {
    const kept = this.#kept;
    this.#kept = [];
    this.#receive = receive;
    kept.forEach(receive);
  }
}

/** Those of this process. */
export const heldSignals = new HeldSignals();

/**
 * For programs that end by themselves: they die of signals as any program, but do not open the inspector. Node does
 * that on USR1 without a listener, and anybody who reaches the port may run code in the process.
 */
export function keepInspectorShut(source: SignalSource): void {
  source.on('SIGUSR1', () => undefined);
}
