import type { Log } from '../../bindings/plugin/log-level.ts';

const nothing = (): void => undefined;

/** A log that writes nothing: for those who report by other means, and for sinks that must not hear themselves. */
export const silence: Log = {
  writes: () => false,
  at: nothing,
  error: nothing,
  warn: nothing,
  notice: nothing,
  info: nothing,
  debug: nothing,
};
