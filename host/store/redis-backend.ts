/** The store on a Redis server, for several machines that are to know the same. */

import type { RedisClientType } from '@redis/client';
import { requirePackage } from '../package/optional-package.ts';
import type { Backend, VersionedText } from './backend.ts';

/** Other programs may use the same database. */
const PREFIX = 'qpsmtpd:';
const CONNECT_MS = 1_000;
const MAX_WAIT_MS = 2_000;
const PIECE = 500;

/**
 * Compares and stores as one command. KEYS: the key. ARGV: what it must hold ('' for nothing), what it is to hold ('' to
 * delete), its life in milliseconds ('' for no end). Records are never empty.
 */
const SWAP = `
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1])
elseif ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`;

/** Connects; rejects if the server does not answer. A connection that breaks later is made again in the background. */
export async function openRedis(url: string): Promise<Backend> {
  const { createClient } = requirePackage('@redis/client');
  let wasConnected = false;
  const client = createClient({
    url,
    // A command that can't be sent now must fail now: a client is waiting.
    disableOfflineQueue: true,
    socket: {
      connectTimeout: CONNECT_MS,
      reconnectStrategy: (tries) => (wasConnected ? Math.min(50 * 2 ** tries, MAX_WAIT_MS) : false),
    },
  }) as RedisClientType;
  // The caller is told by the failure of the command; unheard, the event would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    if (client.isOpen) client.destroy();
    throw error;
  }
  wasConnected = true;
  return new RedisBackend(client);
}

class RedisBackend implements Backend {
  readonly keepsExpired = false;
  readonly #client: RedisClientType;

  constructor(client: RedisClientType) {
    this.#client = client;
  }

  async read(key: string): Promise<VersionedText | undefined> {
    const text = await this.#client.get(PREFIX + key);
    return text === null ? undefined : { text, mark: 0 };
  }

  async swap(
    key: string,
    seen: VersionedText | undefined,
    text: string | undefined,
    expiresInMs: number | undefined,
  ): Promise<boolean> {
    const life = expiresInMs === undefined ? '' : String(Math.max(1, Math.ceil(expiresInMs)));
    const args = [seen?.text ?? '', text ?? '', life];
    return (await this.#client.eval(SWAP, { keys: [PREFIX + key], arguments: args })) === 1;
  }

  async *keys(prefix: string): AsyncGenerator<readonly string[]> {
    const seen = new Set<string>();
    const pattern = (PREFIX + prefix).replace(/[\\*?[\]]/g, '\\$&') + '*';
    for await (const found of this.#client.scanIterator({ MATCH: pattern, COUNT: PIECE })) {
      // SCAN may come by the same key twice.
      const fresh = found.map((key) => key.slice(PREFIX.length)).filter((key) => !seen.has(key));
      for (const key of fresh) seen.add(key);
      if (fresh.length > 0) yield [...new Set(fresh)];
    }
  }

  async close(): Promise<void> {
    if (this.#client.isReady) await this.#client.close();
    else this.#client.destroy();
  }
}
