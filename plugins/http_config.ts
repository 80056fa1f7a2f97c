import { definePlugin, denySoft, ok, z, type Log, type Services } from '../bindings/plugin/index.ts';

/** How old an answer may be before the server is asked again. */
const FRESH_MS = 60_000;
/** After a failure the server is asked again sooner. */
const RETRY_MS = 10_000;
const LIMITS = { timeoutMs: 5_000, maxOctets: 4_194_304 };
/** Names that are kept: plugins may ask for files by names that clients chose. */
const MAX_NAMES = 1_000;

/** What the servers said about a name. */
interface Kept {
  lines: readonly string[] | undefined;
  /** They have answered once, if only that there is no such file. */
  isKnown: boolean;
  askAgainAt: number;
  /** Settled once they have answered. */
  asking: Promise<void> | undefined;
}

/** Takes configuration files from web servers: `URL` and the name of the file. The files on disk stand in for those. */
export default definePlugin({
  name: 'http_config',
  about: 'Takes configuration files from web servers and keeps them for a minute.',
  options: z.object({
    urls: z.array(z.string().regex(/^https?:\/\//, 'must be URLs')).min(1, 'a URL is missing'),
  }),
  positional: ['urls'],
  hooks({ options: { urls }, services, log }) {
    const kept = new Map<string, Kept>();
    const failing = new Set<string>();
    const refresh = async (name: string, entry: Kept): Promise<void> => {
      const answer = await fetchLines(urls, name, { services, log, failing });
      entry.asking = undefined;
      entry.askAgainAt = services.clock.now() + (answer === 'failed' ? RETRY_MS : FRESH_MS);
      // While no server can be reached, what was read before stays.
      if (answer === 'failed') return;
      entry.lines = answer;
      entry.isKnown = true;
    };
    return {
      config(_: unknown, name: string) {
        let entry = kept.get(name);
        if (entry === undefined) {
          if (kept.size >= MAX_NAMES) kept.clear();
          entry = { lines: undefined, isKnown: false, askAgainAt: 0, asking: undefined };
          kept.set(name, entry);
        }
        if (services.clock.now() >= entry.askAgainAt) entry.asking ??= refresh(name, entry);
        if (!entry.isKnown) return denySoft('no web server has answered yet');
        return entry.lines === undefined ? undefined : ok(entry.lines);
      },
      /** What was asked for so far is there before the first client. */
      async 'post-fork'() {
        await Promise.all([...kept.values()].map(({ asking }) => asking));
      },
    };
  },
});

interface Surroundings {
  readonly services: Services;
  readonly log: Log;
  /** URLs that are known not to answer: one line in the log is enough for all names. */
  readonly failing: Set<string>;
}

/** The first URL that has the file answers. */
async function fetchLines(
  urls: readonly string[],
  name: string,
  { services, log, failing }: Surroundings,
): Promise<readonly string[] | undefined | 'failed'> {
  // A name may hold what a client said.
  const path = name.split('/').map(encodeURIComponent).join('/');
  let hasFailed = false;
  for (const url of urls) {
    try {
      const text = await services.http.text(url + path, LIMITS);
      failing.delete(url);
      const lines = (text ?? '').split(/[\r\n]+/).map((line) => line.trim());
      const own = lines.filter((line) => line !== '' && !line.startsWith('#'));
      if (own.length > 0) return own;
    } catch (cause) {
      hasFailed = true;
      if (!failing.has(url))
        log.error(`${url}${path}: ${cause instanceof Error ? cause.message : String(cause)}`);
      failing.add(url);
    }
  }
  return hasFailed ? 'failed' : undefined;
}
