/** Asks a daemon on this host something over its Unix socket. */

import type { Duplex, Services } from '../../../bindings/plugin/index.ts';
import { withDeadline } from '../../../bindings/timing/time-limit.ts';

export interface ExpectedAnswer {
  readonly octets: number;
  readonly timeoutMs: number;
}

/**
 * Resolves with the first `octets` octets of the answer, or with less if the daemon closes the connection before.
 * Rejects after `timeoutMs` or without a listener.
 */
export async function askDaemon(
  connect: Services['connect'],
  path: string,
  question: Buffer,
  { octets, timeoutMs }: ExpectedAnswer,
): Promise<Buffer> {
  const late = `no answer within ${timeoutMs} ms`;
  return withDeadline(timeoutMs, undefined, async (signal) => {
    try {
      const socket = await connect({ path }, { timeoutMs, signal });
      socket.write(question);
      return await answerOf(socket, octets, signal);
    } catch (cause) {
      throw new Error(`${path}: ${signal.aborted ? late : (cause as Error).message}`, { cause });
    }
  });
}

function answerOf(socket: Duplex, octets: number, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const blocks: Buffer[] = [];
    let received = 0;
    const finish = (): void => {
      socket.destroy();
      resolve(Buffer.concat(blocks).subarray(0, octets));
    };
    const fail = (cause: Error): void => {
      socket.destroy();
      reject(cause);
    };
    socket.on('error', fail);
    socket.on('end', finish);
    socket.on('data', (block: Buffer) => {
      blocks.push(block);
      received += block.length;
      if (received >= octets) finish();
    });
    signal.addEventListener('abort', () => fail(signal.reason as Error), { once: true });
  });
}
