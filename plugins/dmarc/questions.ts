/** The questions of one message to the DNS: each asked once, all of them together for so long and no longer. */

import type { Clock, Resolver } from '../../bindings/plugin/index.ts';

/** Answers as mailauth wants them; rejects with a code of `dns.promises`, such as `ENOTFOUND`. */
export type Questions = (name: string, type: string) => Promise<string[] | string[][]>;

export interface QuestionOptions {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** What all questions together may take, from now on. */
  readonly timeoutMs: number;
}

/** A question that nobody comes for is no unhandled rejection. */
export function questionsTo(dns: Resolver, { signal, clock, timeoutMs }: QuestionOptions): Questions {
  const deadline = clock.now() + timeoutMs;
  const answers = new Map<string, ReturnType<Questions>>();
  return (name, type) => {
    const key = `${type} ${name}`;
    const known = answers.get(key);
    if (known !== undefined) return known;
    const answer = ask(dns, name, type, { signal, timeoutMs: Math.max(1, deadline - clock.now()) });
    answer.catch(() => undefined);
    answers.set(key, answer);
    return answer;
  };
}

async function ask(
  dns: Resolver,
  name: string,
  type: string,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
): ReturnType<Questions> {
  const answer = await answerTo(dns, name, type, options);
  if (answer.status === 'found')
    return answer.records.map((record) => (type === 'TXT' ? [record] : record)) as string[];
  throw Object.assign(
    new Error(answer.status === 'failed' ? `${type} ${name}: ${answer.reason}` : answer.status),
    {
      code: CODES[answer.status],
    },
  );
}

/** What mailauth tells apart. */
const CODES = { 'no such name': 'ENOTFOUND', 'no such record': 'ENODATA', failed: 'ETIMEOUT' } as const;

function answerTo(
  dns: Resolver,
  name: string,
  type: string,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
): ReturnType<Resolver['txt']> {
  if (type === 'TXT') return dns.txt(name, options);
  if (type === 'A') return dns.resolve4(name, options);
  if (type === 'CNAME') return dns.cname(name, options);
  throw new TypeError(`DMARC has no questions of type ${type}`);
}
