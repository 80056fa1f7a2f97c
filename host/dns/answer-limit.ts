/** How long an answer is waited for, and the answers that no server gave. */

import type { DnsAnswer, DnsOptions } from '../../bindings/plugin/resolver.ts';

/** The answer to a question that could not be answered; nothing is known of aliases then. */
export const failedAnswer = (canonicalName: string, reason: string): DnsAnswer<never> =>
  Object.freeze({ status: 'failed', reason, isSecure: false, canonicalName });

/** The answer for what no name can be, and so can't be there. */
export const noSuchName = (canonicalName: string): DnsAnswer<never> =>
  Object.freeze({ status: 'no such name', isSecure: false, canonicalName });

/**
 * Resolves with the answer to `ask`, or with a failure when `timeoutMs` are over or the signal is aborted. The question itself
 * goes on, as others may wait for the same answer; it has limits of its own. `ask` must not reject.
 */
export function answerWithin<T>(
  name: string,
  { timeoutMs, signal }: DnsOptions,
  ask: () => Promise<DnsAnswer<T>>,
): Promise<DnsAnswer<T>> {
  if (signal?.aborted === true) return Promise.resolve(failedAnswer(name, 'aborted'));
  const asked = ask();
  if (timeoutMs === undefined && signal === undefined) return asked;
  return new Promise((resolve) => {
    const settle = (answer: DnsAnswer<T>): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      resolve(answer);
    };
    const abort = (): void => settle(failedAnswer(name, 'aborted'));
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => settle(failedAnswer(name, 'timeout')), timeoutMs);
    signal?.addEventListener('abort', abort);
    void asked.then(settle);
  });
}
