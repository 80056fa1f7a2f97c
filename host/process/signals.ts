/**
 * What signals mean to a daemon and to a worker, in every state. None is lost: one that cannot be carried out yet is
 * remembered, one that cannot be carried out any more is answered with a line of the log.
 *
 * | signal    | starting                | serving      | reloading          | stopping                 |
 * | --------- | ----------------------- | ------------ | ------------------ | ------------------------ |
 * | TERM, INT | give the start up, 0    | stop         | stop               | exit at once             |
 * | QUIT      | exit at once, in every state                                                         |
 * | HUP       | reload after the start  | reload       | reload once more   | line of the log          |
 * | USR1, ALRM| reopen after the start  | reopen logs  | reopen logs        | reopen logs              |
 * | USR2      | restart after the start | restart      | restart            | line of the log          |
 * | PIPE      | nothing, in every state                                                              |
 */

import type { HeldSignal } from './held-signals.ts';

export interface SignalHandlers {
  /** The first TERM or INT. During the start there is nothing to drain. */
  stop(): void;
  /** Every further one, and QUIT. */
  stopNow(): void;
  /** A request during a reload is for one more. */
  reload(): void;
  reopenLogs(): void;
  /** Starts a successor, and ends once it serves. */
  restart(): void;
  /** Logs a signal that has no effect, so that the operator does not wait for one. */
  note(text: string): void;
}

export class DaemonSignals {
  readonly #handlers: SignalHandlers;
  readonly #wanted = new Set<'SIGHUP' | 'SIGUSR1' | 'SIGUSR2'>();
  #state: 'starting' | 'serving' | 'stopping' = 'starting';
  #isToldToStop = false;

  constructor(handlers: SignalHandlers) {
    this.#handlers = handlers;
  }

  /** The start is over: what was wanted meanwhile is carried out. */
  started(): void {
    if (this.#state !== 'starting') return;
    this.#state = 'serving';
    for (const signal of this.#wanted) this.receive(signal);
    this.#wanted.clear();
  }

  /** The daemon stops for reasons of its own; the first TERM is no news then. */
  stopping(): void {
    this.#state = 'stopping';
  }

  receive(sent: HeldSignal): void {
    // daemontools cannot send USR1.
    const signal = sent === 'SIGALRM' ? 'SIGUSR1' : sent;
    switch (signal) {
      case 'SIGTERM':
      case 'SIGINT':
        this.#stop();
        break;
      case 'SIGQUIT':
        this.#handlers.stopNow();
        break;
      case 'SIGHUP':
      case 'SIGUSR1':
      case 'SIGUSR2':
        if (this.#state === 'starting') this.#wanted.add(signal);
        else if (signal === 'SIGUSR1') this.#handlers.reopenLogs();
        else if (this.#state === 'stopping') this.#handlers.note(`${signal} ignored: stopping`);
        else if (signal === 'SIGHUP') this.#handlers.reload();
        else this.#handlers.restart();
        break;
      case 'SIGPIPE':
        break;
    }
  }

  #stop(): void {
    if (this.#isToldToStop) {
      this.#handlers.stopNow();
      return;
    }
    this.#isToldToStop = true;
    const isStopping = this.#state === 'stopping';
    this.#state = 'stopping';
    if (!isStopping) this.#handlers.stop();
  }
}

/**
 * Signals of a worker. INT, HUP and USR2 are for the primary, although a terminal sends the first two to every process of
 * the group, as it does with QUIT.
 */
export function receiveInWorker(
  signal: HeldSignal,
  handlers: Pick<SignalHandlers, 'stop' | 'stopNow' | 'reopenLogs'>,
): void {
  if (signal === 'SIGTERM') handlers.stop();
  else if (signal === 'SIGQUIT') handlers.stopNow();
  else if (signal === 'SIGUSR1') handlers.reopenLogs();
}
