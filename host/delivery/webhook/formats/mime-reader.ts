/** Takes messages apart, in a thread of its own. */

import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { Email } from 'postal-mime';
import { QpsmtpdError } from '../../../errors.ts';

/** Deeper messages are made to exhaust whoever reads them; mail that people write has a handful of levels. */
const LIMITS = { maxNestingDepth: 50, maxHeadersSize: 1_048_576, maxRfc822NestingDepth: 5 } as const;
/** Mail of the largest size that is taken apart needs about a second, and a minute if it is made of short lines. */
const TIME_MS = 20_000;
const MEMORY_MB = 256;

/** As text, because a thread can't begin with a file of TypeScript in every Node that runs the tests. */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const { parser, raw, options } = workerData;
require(parser).default.parse(raw, options).then(
  (email) => parentPort.postMessage({ email }),
  (error) => parentPort.postMessage({ problem: String(error) }),
);`;

/** It takes too long, or too much memory. The message may be made so, or this host may be busy. */
export class MimeReaderExhausted extends Error {
  override readonly name = 'MimeReaderExhausted';
}

/**
 * Attachments come as base64. Rejects with `Q_DELIVERY` for a message that can't be taken apart, and with
 * `MimeReaderExhausted`. The thread keeps a message of millions of lines from standing still all sessions of this process.
 */
export function readMime(raw: Buffer, timeMs = TIME_MS): Promise<Email> {
  const parser = createRequire(import.meta.url).resolve('postal-mime');
  const thread = new Worker(THREAD, {
    eval: true,
    workerData: { parser, raw, options: { ...LIMITS, attachmentEncoding: 'base64' } },
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
    execArgv: [],
  });
  return new Promise<Email>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new MimeReaderExhausted(`the message was not taken apart within ${timeMs} ms`));
    }, timeMs);
    thread.once('message', ({ email, problem }: { email?: Email; problem?: string }) => {
      clearTimeout(timer);
      if (email !== undefined) resolve(email);
      else reject(new QpsmtpdError('Q_DELIVERY', `the message can't be taken apart: ${problem}`));
    });
    thread.on('error', (cause) => {
      clearTimeout(timer);
      reject(new MimeReaderExhausted(cause.message));
    });
    thread.once('exit', () => {
      clearTimeout(timer);
      reject(new MimeReaderExhausted('the thread that takes messages apart ended'));
    });
  }).finally(() => void thread.terminate());
}
