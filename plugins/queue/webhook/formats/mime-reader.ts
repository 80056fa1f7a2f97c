/** Takes messages apart, in a thread of its own. */

import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { Email } from 'postal-mime';
import { QpsmtpdError } from '../../../../host/errors/error-classes.ts';
import { LABELS, LETTERS, withUtf8Header } from './windows-1252.ts';

/** Deeper messages are made to exhaust whoever reads them; mail that people write has a handful of levels. */
const LIMITS = { maxNestingDepth: 50, maxHeadersSize: 1_048_576, maxRfc822NestingDepth: 5 } as const;
/** Mail of the largest size that is taken apart needs about a second, and a minute if it is made of short lines. */
const TIME_MS = 20_000;
const MEMORY_MB = 256;

/**
 * As text, because a thread can't begin with a file of TypeScript in every Node that runs the tests.
 *
 * The parser decodes by `TextDecoder`, which gets other answers here where a character would be lost: lines of the headers
 * of parts (`ignoreBOM` tells them) and bodies that name no charset (`utf8`) are windows-1252 if they are no UTF-8, and what
 * names windows-1252 is that in every Node.
 */
const THREAD = `
const { isUtf8 } = require('node:buffer');
const { parentPort, workerData } = require('node:worker_threads');
const { parser, raw, options, letters } = workerData;
const labels = new Set(workerData.labels);
const decode = (octets) => {
  const view = ArrayBuffer.isView(octets) ? octets : new Uint8Array(octets);
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength).latin1Slice()
    .replace(/[\\u0080-\\u009f]/g, (octet) => letters[octet.charCodeAt(0) - 0x80]);
};
globalThis.TextDecoder = class extends TextDecoder {
  #isSingle;
  #isGuessed;
  constructor(label = 'utf-8', options = {}) {
    super(labels.has(label) ? 'utf-8' : label, options);
    this.#isSingle = labels.has(label);
    this.#isGuessed = label === 'utf8' || options.ignoreBOM === true;
  }
  decode(octets = new Uint8Array(0), options = {}) {
    const isOther = this.#isSingle || (this.#isGuessed && !isUtf8(octets));
    return isOther ? decode(octets) : super.decode(octets, options);
  }
};
require(parser).default.parse(raw, options).then(
  (email) => parentPort.postMessage({ email }),
  (error) => parentPort.postMessage({ problem: String(error) }),
);`;

/** It takes too long, or too much memory. The message may be made so, or this host may be busy. */
export class MimeReaderExhausted extends Error {
  override readonly name = 'MimeReaderExhausted';
}

/**
 * Attachments come as base64; octets that are no UTF-8 where nothing says what they are as windows-1252. Rejects with `Q_DELIVERY` for a message that can't be taken apart, and with
 * `MimeReaderExhausted`. The thread keeps a message of millions of lines from standing still all sessions of this process.
 */
export function readMime(raw: Buffer, timeMs = TIME_MS): Promise<Email> {
  const parser = createRequire(import.meta.url).resolve('postal-mime');
  const thread = new Worker(THREAD, {
    eval: true,
    workerData: {
      parser,
      raw: withUtf8Header(raw),
      options: { ...LIMITS, attachmentEncoding: 'base64' },
      letters: LETTERS,
      labels: LABELS,
    },
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
