import { decimal, definePlugin, denySoft, wholeNumber, z } from '../bindings/plugin/index.ts';

const options = z.object({
  /** The load, on average over a minute, up to which clients are served. */
  max_load: decimal(0, 1_000_000).default(7),
  /** Seconds the load is not asked for again. */
  cache_time: wholeNumber(0, 86_400).default(10),
  /** Taken from old lines. */
  uptime: z.string().optional(),
});

/** Puts clients off while the machine has too much to do. */
export default definePlugin({
  name: 'loadcheck',
  about: 'Defers clients while the load of the machine is too high.',
  options,
  hooks({ log, options: { cache_time, max_load, uptime }, services }) {
    if (uptime !== undefined) log.notice(`${uptime} is not run: the system tells its load itself`);
    let load = 0;
    let askedAt = -Infinity;
    return {
      connect(context) {
        const now = services.clock.now();
        if (now > askedAt + cache_time * 1_000 || now < askedAt) {
          load = services.system.loadAverage();
          askedAt = now;
        }
        if (load <= max_load) return undefined;
        context.log.error(`local load too high: ${load}`);
        return denySoft('Server load too high, please try again later.');
      },
    };
  },
});
