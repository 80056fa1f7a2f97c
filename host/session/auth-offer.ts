/** Which mechanisms a client is offered: those that some plugin can judge, and only where the site allows AUTH. */

import { mechanisms, type Mechanism } from '../auth/mechanisms.ts';
import type { Session } from './session.ts';

const NONE: readonly Mechanism[] = [];

/** True if passwords may not be asked for yet, because everybody on the way could read them. */
export const needsTls = ({ facts, host }: Session): boolean =>
  host.settings.tlsBeforeAuth && facts.tls === undefined;

export function offeredMechanisms(session: Session): readonly Mechanism[] {
  if (needsTls(session)) return NONE;
  const { hooks } = session.host;
  const hasAuth = hooks.has('auth');
  return mechanisms.filter(({ hook, isCoveredByAuth }) => hooks.has(hook) || (hasAuth && isCoveredByAuth));
}

/** The words behind AUTH in EHLO; undefined if nothing is offered. */
export function mechanismNames(session: Session): string | undefined {
  const offered = offeredMechanisms(session);
  return offered.length === 0 ? undefined : offered.map(({ name }) => name).join(' ');
}
