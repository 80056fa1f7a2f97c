import type { RejectOptions } from './definition.ts';
import {
  deny,
  denyDisconnect,
  denySoft,
  denySoftDisconnect,
  ReturnCode,
  type EnhancedStatus,
  type Verdict,
} from './verdict.ts';

/**
 * The verdict that a list of an operator's orders: a return code by name (`DENY`, `DENYSOFT_DISCONNECT`) and a text
 * for the client. Undefined for a name that is no return code.
 */
export function verdictFor(name: string, text: string): Verdict | undefined {
  if (!Object.hasOwn(ReturnCode, name)) return undefined;
  return { ...deny(text), code: ReturnCode[name as keyof typeof ReturnCode] };
}

/** The names of all return codes, for messages. */
export const RETURN_CODE_NAMES: readonly string[] = Object.keys(ReturnCode);

const REFUSALS = {
  perm: deny,
  hard: deny,
  temp: denySoft,
  soft: denySoft,
  disconnect: denyDisconnect,
  temp_disconnect: denySoftDisconnect,
} as const satisfies Record<NonNullable<RejectOptions['reject_type']>, typeof deny>;

/** The refusal that a `reject_type` stands for. */
export const refusal = (
  type: NonNullable<RejectOptions['reject_type']>,
  text: string | readonly string[],
  status?: EnhancedStatus,
): Verdict => REFUSALS[type](text, status);
