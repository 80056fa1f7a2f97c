/** What a session costs that does nothing: memory before, after some, and after many sessions. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import type { Peer } from '../peers/peer.ts';
import { COMPILED } from '../places.ts';
import type { IdleCell } from '../results.ts';
import { LoadError } from './generator.ts';
import { memoryOf, type Memory } from './process-tree.ts';
import type { Stage } from './stage.ts';

/** Time for garbage collectors and forked children to come to rest. */
const REST_MS = 2_000;
/** The earlier look: the first sessions pay for the growth of heaps and tables. */
const EARLY_SHARE = 0.2;

/** Measures one peer in a process of its own, with as many sessions as it stands. */
export async function measureIdle(stage: Stage, peer: Peer, wanted: number): Promise<IdleCell> {
  const most = Math.min(wanted, peer.maxIdle ?? wanted);
  const early = Math.max(1, Math.round(most * EARLY_SHARE));
  const server = await stage.startFresh(peer, 'plain');
  const sessions = new IdleSessions(server.port, peer.maxSessions);
  try {
    await wait(REST_MS);
    const before = memoryOf(server.pid);
    await sessions.open(early);
    await wait(REST_MS);
    const middle = memoryOf(server.pid);
    await sessions.open(most);
    await wait(REST_MS);
    const looks: readonly [Memory, Memory, Memory] = [before, middle, memoryOf(server.pid)];
    return {
      server: peer.name,
      sessions: [early, most],
      rssKiB: [looks[0].rssKiB, looks[1].rssKiB, looks[2].rssKiB],
      pssKiB: [looks[0].pssKiB, looks[1].pssKiB, looks[2].pssKiB],
    };
  } finally {
    await sessions.close();
    await server.stop();
  }
}

/** Sessions held open by a process of their own. */
export class IdleSessions {
  readonly #child;
  readonly #answers;

  /** `atOnce`: connections under way at a time; the generator's own choice if undefined. */
  constructor(port: number, atOnce?: number) {
    const args = ['-c', 'ulimit -n "$(ulimit -Hn)"; exec "$@"', 'sh', process.execPath];
    this.#child = spawn(
      'sh',
      [
        ...args,
        join(COMPILED, 'load', 'idle.js'),
        String(port),
        ...(atOnce === undefined ? [] : [String(atOnce)]),
      ],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Resolves once `count` sessions are open in all. */
  async open(count: number): Promise<void> {
    this.#child.stdin.write(`${count}\n`);
    const { value } = (await this.#answers.next()) as { readonly value?: string };
    if (value !== String(count))
      throw new LoadError(`${count} idle sessions: ${value ?? 'the generator ended'}`);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.stdin.end();
    await gone;
  }
}
