/** The trace the daemon leaves in the header: Received and Authentication-Results. RFC 5321 section 4.4, RFC 8601. */

import { ReturnCode, type Verdict } from '../../bindings/plugin/verdict.ts';
import {
  authenticationResults,
  renameForeignResults,
  type AuthenticationOutcome,
} from '../message/authentication-results.ts';
import { authenticationNote, cipherNote, protocolOf, receivedValue } from '../message/received.ts';
import type { Session } from './session.ts';
import { NEXT, settled, type Progress } from './steps.ts';

/** Puts both fields on top; the hook `received_line` may write the first. */
export function addTrace(session: Session): Progress {
  const { hooks } = session.host;
  if (!hooks.has('received_line')) return settle(session, undefined);
  const { facts } = session;
  const parts = {
    protocol: protocolOf(facts, session.transaction.mailOptions.isUtf8),
    authentication: authenticationNote(facts),
    cipher: cipherNote(facts),
  };
  return settled(session, hooks.run('received_line', session, parts), settle);
}

function settle(session: Session, verdict: Verdict | undefined): Progress {
  const { header } = session.incoming.message;
  const { facts, host } = session;
  const { settings } = host;
  const isWorded = verdict?.code === ReturnCode.OK && verdict.lines.length > 0;
  const received = isWorded
    ? verdict.lines.join('\n')
    : receivedValue(
        facts,
        { name: settings.me, version: host.version },
        host.date(),
        session.transaction.mailOptions.isUtf8,
      );
  header.prepend('Received', received);
  const results = facts.takeAuthenticationResults();
  const authority = settings.authservId;
  if (authority === undefined) return NEXT;
  renameForeignResults(header, authority);
  header.prepend('Authentication-Results', authenticationResults(authority, authOutcome(session), results));
  return NEXT;
}

/** A failed attempt is told, even if the client went on without authentication. */
function authOutcome({ facts, counters }: Session): AuthenticationOutcome {
  return facts.auth ?? (counters.authFailures > 0 ? 'fail' : 'none');
}
