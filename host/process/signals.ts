/** Signals of a daemon: TERM and INT stop it, twice at once; HUP reads the configuration again; PIPE means nothing. */

export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
}

export interface SignalHandlers {
  /** The first TERM or INT. */
  stop(): void;
  /** Every further one. */
  stopNow(): void;
  reload(): void;
}

export function watchSignals(source: SignalSource, handlers: SignalHandlers): void {
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) handlers.stopNow();
    else {
      isStopping = true;
      handlers.stop();
    }
  };
  source.on('SIGTERM', stop);
  source.on('SIGINT', stop);
  source.on('SIGHUP', () => {
    if (!isStopping) handlers.reload();
  });
  source.on('SIGPIPE', ignore);
}

/**
 * Signals of a worker: only TERM means something. INT and HUP are for the primary, although a terminal sends them to
 * every process of the group.
 */
export function watchWorkerSignals(source: SignalSource, stop: () => void): void {
  source.on('SIGTERM', stop);
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGPIPE'] as const) source.on(signal, ignore);
}

function ignore(): void {
  // Having a handler at all keeps off the default action, which is to die.
}
