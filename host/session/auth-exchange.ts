/** The exchange behind AUTH: challenges and responses, until there is something to ask the plugins about. RFC 4954 section 4. */

import { randomBytes } from 'node:crypto';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { decodeBase64 } from '../../bindings/wire/base64.ts';
import type { HostCredentials } from '../auth/credentials.ts';
import type { Failure, Machine, Turn } from '../auth/mechanism.ts';
import type { Mechanism } from '../auth/mechanisms.ts';
import { parseSalt } from '../../bindings/wire/scram-keys.ts';
import { judge, refuseAttempt, tellForNow } from './auth-outcome.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import type { Session } from './session.ts';
import { answer, settled, STOP, type Progress, type Settle, type Step } from './steps.ts';

const EMPTY = Buffer.alloc(0);
const NONCE_OCTETS = 18;

/** One attempt to authenticate, from the AUTH line to the last reply. */
export class AuthExchange {
  mechanism!: Mechanism;
  machine!: Machine;
  /** What the plugins are asked about, once it is complete. */
  credentials: HostCredentials | undefined = undefined;
  /** The line that just came, without its end. */
  response = '';
  /** When it came, on the clock of `performance.now`. */
  respondedAt = performance.now();
  /** Set once the verdict stands and only the client's answer to a last challenge is missing. */
  whenConcluded: ((session: Session, response: Buffer) => Progress) | undefined = undefined;
  readonly secrets: string[] = [];
  /** About what is kept of them: as sent, decoded, and by the mechanism. */
  octets = 0;

  /** Keeps texts that hold `text` out of the log for the rest of the exchange. */
  hide(text: string): void {
    if (text === '' || text === '=' || text === '*') return;
    this.secrets.push(text);
    this.octets += 3 * text.length;
  }
}

const surroundingsOf = ({ host }: Session) => ({
  me: host.settings.me,
  seconds: Math.floor(Date.now() / 1_000),
  nonce: () => randomBytes(NONCE_OCTETS).toString('hex'),
});

/** `initial` is the word behind the mechanism, if there is one. */
export function beginExchange(session: Session, mechanism: Mechanism, initial: string | undefined): Progress {
  const exchange = session.exchange!;
  exchange.mechanism = mechanism;
  if (initial !== undefined) exchange.hide(initial);
  exchange.machine = mechanism.begin(surroundingsOf(session));
  if (initial === undefined) return take(session, exchange.machine.start(undefined));
  const octets = initial === '=' ? EMPTY : decodeBase64(initial);
  if (octets === undefined) return endExchange(session, replies.authUndecodable);
  return take(session, exchange.machine.start(octets));
}

/** The steps of a response, which stands in `exchange.response`. */
export const respond: readonly Step[] = [
  (session) => {
    const exchange = session.exchange!;
    const { response, machine, whenConcluded } = exchange;
    exchange.respondedAt = performance.now();
    exchange.hide(response);
    if (response === '*') return endExchange(session, replies.authCanceled);
    const octets = decodeBase64(response);
    if (octets === undefined) return endExchange(session, replies.authUndecodable);
    if (whenConcluded !== undefined) return whenConcluded(session, octets);
    return take(session, machine.next(octets));
  },
];

/** The steps of a response longer than any mechanism needs. */
export const respondAtLength: readonly Step[] = [(session) => endExchange(session, replies.lineTooLong)];

function take(session: Session, turn: Turn): Progress {
  switch (turn.kind) {
    case 'challenge':
      return sendChallenge(session, turn.octets);
    case 'salt':
      return askSalt(session, turn.user);
    case 'credentials':
      return judge(session, turn.credentials);
    case 'failure':
      return failed(session, turn.why, turn.about);
  }
}

/** What the client is told. */
export const failureReplies: Readonly<Record<Failure, Template>> = {
  invalid: replies.authInvalid,
  'nobody acts': replies.authInvalidAs,
  'acts for another': replies.authInvalidFor,
  malformed: replies.authMalformed,
  'initial response': replies.noInitialResponse,
};

/** Only what is told like a wrong password counts, and comes as late. */
function failed(session: Session, why: Failure, about: string): Progress {
  const reply = failureReplies[why];
  return reply.code === 535 ? refuseAttempt(session, reply, about) : endExchange(session, reply);
}

export function sendChallenge(session: Session, octets: Buffer): Progress {
  if (!session.isOpen) return STOP;
  if (octets.length === 0) session.send(replies.emptyChallenge);
  else session.send(replies.challenge, octets.toString('base64'));
  session.mode = 'sasl';
  return STOP;
}

function askSalt(session: Session, user: string): Progress {
  const { hooks } = session.host;
  if (!hooks.has('auth_scram_salt')) return take(session, session.exchange!.machine.salted!(undefined));
  return settled(session, hooks.run('auth_scram_salt', session, user), settleSalt);
}

/** A plugin that could not look must not make the client believe that its password is wrong. */
const settleSalt: Settle = (session, verdict) => {
  if (verdict.code === ReturnCode.DENYSOFT || verdict.code === ReturnCode.DENYSOFT_DISCONNECT) {
    return tellForNow(session);
  }
  const salt = verdict.code === ReturnCode.OK ? parseSalt(verdict.lines[0] ?? '') : undefined;
  return take(session, session.exchange!.machine.salted!(salt));
};

/** Back to commands, with a last reply. */
export function endExchange(session: Session, reply: Template, first?: string, second?: string): Progress {
  session.exchange = undefined;
  if (!session.isOpen) return STOP;
  session.mode = 'command';
  if (second === undefined) return answer(session, reply, first);
  session.send(reply, first, second);
  return STOP;
}
