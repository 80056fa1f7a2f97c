/** The questions of one message to the DNS: each asked once, all of them together for so long and no longer. */

import { mailauthResolver, type MailauthLookups, type MailauthResolver } from '../mailauth/dns-resolver.ts';

/** A question that nobody comes for is no unhandled rejection. */
export function questionsTo(
  services: Parameters<typeof mailauthResolver>[0],
  lookups: MailauthLookups,
): MailauthResolver {
  const resolve = mailauthResolver(services, lookups);
  const answers = new Map<string, ReturnType<MailauthResolver>>();
  return (name, type) => {
    const question = `${type} ${name}`;
    const known = answers.get(question);
    if (known !== undefined) return known;
    const answer = resolve(name, type).catch((cause: Error & { readonly code?: string }) => {
      // What went wrong is logged, and by then nobody knows any more what it was about.
      throw Object.assign(new Error(`${question}: ${cause.message}`, { cause }), { code: cause.code });
    });
    answer.catch(() => undefined);
    answers.set(question, answer);
    return answer;
  };
}
