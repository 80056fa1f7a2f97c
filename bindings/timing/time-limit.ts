/** How long something with a signal may take. */

const TIME_IS_UP = new Error('its time was up');

/** Calls `use` with a signal that is aborted after `timeoutMs`, or with `signal`. */
export async function withDeadline<T>(
  timeoutMs: number,
  signal: AbortSignal | undefined,
  use: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = setTimeout(() => controller.abort(TIME_IS_UP), timeoutMs);
  if (signal?.aborted === true) abort();
  else signal?.addEventListener('abort', abort, { once: true });
  try {
    return await use(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** True when `running`, which never rejects, has ended; false at once if the signal is aborted before. */
export function endsBefore(running: Promise<void>, signal: AbortSignal | undefined): Promise<boolean> {
  if (signal === undefined) return running.then(() => true);
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const abort = (): void => resolve(false);
    signal.addEventListener('abort', abort, { once: true });
    void running.then(() => {
      signal.removeEventListener('abort', abort);
      resolve(true);
    });
  });
}

/** Why such a signal was aborted, for the log. */
export const reasonOf = ({ reason }: AbortSignal): string =>
  reason === TIME_IS_UP ? TIME_IS_UP.message : 'the delivery was given up';

/** A timer that is set anew again and again. It keeps no process alive. */
export class Timer {
  #timer: NodeJS.Timeout | undefined = undefined;

  /** Calls `ring` once after `afterMs`, and not what was to be called before. */
  start(afterMs: number, ring: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(ring, afterMs);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
