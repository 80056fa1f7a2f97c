/** What the hop says, as a verdict for the client. */

import {
  deny,
  denySoft,
  type HopReply,
  ok,
  type Verdict,
  withoutClass,
  withReplyCode,
} from '../../../bindings/plugin/index.ts';

/**
 * Code, status and words of the hop; if it has none, what our reply to RCPT says by itself would be wrong. 421 announces the end of the connection to the hop, not of that to the client, who
 * would close his; what makes no sense as an answer leaves the matter open.
 */
export function verdictOfReply({ code, status, lines }: HopReply): Verdict {
  const rest = withoutClass(status);
  if (code >= 200 && code < 300) return withReplyCode(ok(lines, rest), code);
  const hasWords = lines.some((line) => line !== '');
  if (code >= 500) return withReplyCode(deny(hasWords ? lines : 'refused by the next hop', rest), code);
  return withReplyCode(
    denySoft(hasWords ? lines : 'put off by the next hop', rest),
    code >= 400 && code !== 421 ? code : 451,
  );
}
