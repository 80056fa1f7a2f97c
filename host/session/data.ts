/** DATA: asks the plugins, checks the order, and lets the content come. RFC 5321 section 4.1.1.4. */

import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { hasBegun } from './chunk.ts';
import { IncomingData } from './data-reader.ts';
import { refuse } from './refusal.ts';
import { replies } from '../replies/replies.ts';
import type { Session } from './session.ts';
import { answer, asking, NEXT, settled, STOP, type Progress, type Settle, type Step } from './steps.ts';

/** qpsmtpd asks its plugins before it checks the order; earlytalker counts on it. */
const settle: Settle = (session, verdict) => {
  const refused = refuse(session, 'data', verdict);
  if (refused !== undefined) return refused;
  return verdict.code === ReturnCode.DONE ? STOP : NEXT;
};

/** A message comes by DATA or by BDAT, and a binary one only by the latter. RFC 3030 sections 2 and 3. */
function refuseMixed(session: Session): Progress {
  if (hasBegun(session)) return answer(session, replies.bdatBegun);
  if (session.openTransaction?.mailOptions.body !== 'binarymime') return NEXT;
  return answer(session, replies.binaryNeedsBdat);
}

function requireEnvelope(session: Session): Progress {
  const { openTransaction } = session;
  if (openTransaction?.reversePath === undefined) return answer(session, replies.mailFirst);
  if (openTransaction.recipients.length === 0) return answer(session, replies.recipientFirst);
  return NEXT;
}

/** Before the route is opened: whatever a next hop is told after its DATA it takes for content. */
function prepare(session: Session): Progress {
  session.incoming = IncomingData.begin(session);
  return session.incoming === undefined ? answer(session, replies.systemFull) : NEXT;
}

const open = (session: Session): Progress => settled(session, session.route.open(session), settle);

function receive(session: Session): Progress {
  session.mode = 'data';
  session.send(replies.goAhead);
  return STOP;
}

export const data: readonly Step[] = [
  refuseMixed,
  asking('data', settle),
  requireEnvelope,
  prepare,
  open,
  receive,
];
