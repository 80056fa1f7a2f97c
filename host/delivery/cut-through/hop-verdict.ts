/** What the hop says, as a verdict for the client. */

import type { HopReply } from '../../../bindings/plugin/delivery.ts';
import { deny, denySoft, ok, withReplyCode, type Verdict } from '../../../bindings/plugin/verdict.ts';

/**
 * Code, status and words of the hop. 421 announces the end of the connection to the hop, not of that to the client, who
 * would close his; what makes no sense as an answer leaves the matter open.
 */
export function verdictOfReply({ code, status, lines }: HopReply): Verdict {
  const rest = status?.replace(/^[245]\./, '');
  if (code >= 200 && code < 300) return withReplyCode(ok(lines, rest), code);
  if (code >= 500) return withReplyCode(deny(lines, rest), code);
  return withReplyCode(denySoft(lines, rest), code >= 400 && code !== 421 ? code : 451);
}
