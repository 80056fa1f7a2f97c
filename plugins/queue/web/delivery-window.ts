/**
 * The longest a message may take at all of its requests together. Below the answer of a queue plugin is given up (ten
 * times `plugin_timeout`, 300 s) and a client stops waiting for the reply to its final dot (RFC 5321 section 4.5.3.2.6).
 */
const WINDOW_MS = 240_000;

/** Runs `work` with a signal that fires at the end of the window, or together with the caller's own. */
export async function withinWindow<T>(
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  const timer = setTimeout(stop, WINDOW_MS);
  timer.unref();
  if (signal?.aborted === true) stop();
  else signal?.addEventListener('abort', stop, { once: true });
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

/** Calls `work` for each item, at most `width` at a time, and keeps the order of the results. `work` must not reject. */
export async function mapAtMost<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}
