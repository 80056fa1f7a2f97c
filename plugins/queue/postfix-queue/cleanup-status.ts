/** What cleanup(8) says of a message: a sum of bits, and perhaps a reason. */

import type { RecipientOutcome } from '../../../bindings/plugin/index.ts';
import { deferred, refused, replyText } from '../kit/outcome.ts';

/**
 * By gravity: where any bit is for now the message is deferred, whatever else is wrong with it. The texts are
 * qpsmtpd's, the status stands after them in the classic style of replies.
 */
const MEANINGS = [
  { bit: 256, isPermanent: false, text: 'service unavailable', status: '4.7.1' },
  { bit: 128, isPermanent: false, text: 'queue file write error', status: '4.3.0' },
  { bit: 1, isPermanent: false, text: 'internal protocol error', status: '4.3.0' },
  { bit: 2, isPermanent: false, text: 'queue file write error', status: '4.3.0' },
  { bit: 64, isPermanent: true, text: 'no recipients specified', status: '5.1.0' },
  { bit: 16, isPermanent: true, text: 'too many hops', status: '5.4.0' },
  { bit: 4, isPermanent: true, text: 'message file too big', status: '5.3.4' },
  { bit: 8, isPermanent: true, text: 'message content rejected', status: '5.7.1' },
  { bit: 512, isPermanent: true, text: 'service denied', status: '5.7.1' },
] as const;

/** `status` is not 0. An unknown one is DECLINED by qpsmtpd, which the plugin makes of a 451. */
export function outcomeOf(hop: string, status: number, reason: string): RecipientOutcome {
  const meaning = MEANINGS.find(({ bit }) => (status & bit) !== 0);
  if (meaning === undefined) {
    return deferred(hop, replyText(reason, `Unable to queue message (${status}, )`));
  }
  const { text, status: usual, isPermanent } = meaning;
  // cleanup's reason may begin with a code and a status, as in `550 5.7.1 Not here`.
  const [, code, own, said] =
    /^(?:([45]\d\d) )?(?:([45]\.\d{1,3}\.\d{1,3}) )?(.*)$/s.exec(reason.trim()) ?? [];
  const kept = own?.[0] === usual[0] ? own : usual;
  const shown = replyText(said ?? '', text);
  return isPermanent
    ? refused(hop, shown, kept, code?.[0] === '5' ? Number(code) : 552)
    : deferred(hop, shown, kept, code?.[0] === '4' && code !== '451' ? Number(code) : 452);
}
