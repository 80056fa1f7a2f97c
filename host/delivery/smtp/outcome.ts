import type { HopReply, RecipientOutcome } from '../../../bindings/plugin/delivery.ts';

/** What a reply of the hop `hop` means for a recipient. Codes that make no sense here leave the matter open. */
export function outcomeOf(reply: HopReply, hop: string | undefined): RecipientOutcome {
  const { code } = reply;
  const kind = code >= 500 ? 'refused' : code >= 200 && code < 300 ? 'delivered' : 'deferred';
  return { kind, reply, hop };
}

/** It may work out another time, whatever the reply says. */
export const deferral = (reply: HopReply, hop: string | undefined): RecipientOutcome => ({
  kind: 'deferred',
  reply,
  hop,
});
