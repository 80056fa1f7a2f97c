/** One of each for everything that waits: `qpsmtpd/timing`, for plugins that keep connections of their own. */
export { BoundedCache } from './bounded-cache.ts';
export { Deadlines, type Expiring } from './deadlines.ts';
export { DenseSet, NOT_IN_SET } from './dense-set.ts';
export { departSoon } from './departures.ts';
export { Semaphore, SemaphoreFullError, type SemaphoreOptions } from './semaphore.ts';
export { reasonOf, Timer, withDeadline } from './time-limit.ts';
