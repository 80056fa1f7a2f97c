/**
 * The exchange after AUTH, from the first challenge to the last reply: the responses of the client, the verdicts of the
 * plugins, and the delay of refusals. RFC 4954 sections 4 and 6.
 */

import { randomBytes } from 'node:crypto';
import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { ReturnCode, type Verdict } from '../../bindings/plugin/verdict.ts';
import { naughty, naughtyRejectType } from '../../bindings/plugin/well-known-notes.ts';
import { decodeBase64 } from '../../bindings/wire/base64.ts';
import { parseSalt, type Salt } from '../../bindings/wire/scram-keys.ts';
import type { HostCredentials } from '../auth/credentials.ts';
import type { Failure, SaslServer, Turn } from '../auth/mechanism.ts';
import type { Mechanism } from '../auth/mechanisms.ts';
import { conceal, namesSecret } from '../observe/log-text.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import { readLine } from './line-input.ts';
import { answer, COMMAND, settled, STOP, type Progress, type Step } from './steps.ts';
import type { Session } from './session.ts';

const EMPTY = Buffer.alloc(0);
const NONCE_OCTETS = 18;
/** Octets of a response line with its CRLF: what RFC 4954 section 4 calls sufficient for all mechanisms in use. */
const MAX_RESPONSE_LINE = 12_288;
/** No session sleeps longer, however many guesses failed. */
const MAX_DELAY_MS = 30_000;

/** One attempt to authenticate, from the AUTH line to the last reply. */
export class AuthAttempt {
  /** Secrets of the client, which must not be shown: as sent, decoded, and as the mechanism gives them. */
  readonly secrets: string[] = [];
  /** About what is kept of them. */
  octets = 0;
  /** When the client's last line came, on the clock of `performance.now`. */
  respondedAt = performance.now();

  /** Keeps texts that hold `text` out of the log for the rest of the attempt. */
  hide(text: string): void {
    if (text === '' || text === '=' || text === '*') return;
    this.secrets.push(text);
    this.octets += 3 * text.length;
  }
}

/** An attempt by one mechanism. While the client's response is waited for it is the input mode. */
export class AuthExchange {
  readonly kind = 'sasl';
  readonly attempt: AuthAttempt;
  readonly mechanism: Mechanism;
  readonly machine: SaslServer;
  /** The client has said all that the plugins are asked about. */
  isComplete = false;
  /** Set once the verdict stands and only the client's answer to a last challenge is missing. */
  whenConcluded: ((response: Buffer) => Progress) | undefined = undefined;

  constructor(attempt: AuthAttempt, mechanism: Mechanism, machine: SaslServer) {
    this.attempt = attempt;
    this.mechanism = mechanism;
    this.machine = machine;
  }
}

const contextOf = ({ host }: Session) => ({
  me: host.settings.me,
  seconds: Math.floor(Date.now() / 1_000),
  nonce: () => randomBytes(NONCE_OCTETS).toString('hex'),
});

/** `initial` is the argument after the mechanism, if there is one. */
export function beginExchange(
  session: Session,
  attempt: AuthAttempt,
  mechanism: Mechanism,
  initial: string | undefined,
): Progress {
  if (initial !== undefined) attempt.hide(initial);
  const machine = mechanism.begin(contextOf(session));
  const exchange = new AuthExchange(attempt, mechanism, machine);
  if (initial === undefined) return take(session, exchange, machine.start(undefined));
  const octets = initial === '=' ? EMPTY : decodeBase64(initial);
  if (octets === undefined) return endExchange(session, replies.authUndecodable);
  return take(session, exchange, machine.start(octets));
}

/** The steps of a response longer than any mechanism needs. */
const refuseLength: readonly Step[] = [(session) => endExchange(session, replies.lineTooLong)];

/** Takes one response out of `chunk`, from `from` on, however it was cut, and returns where it stopped. */
export const readResponses = (
  session: Session,
  exchange: AuthExchange,
  chunk: Buffer,
  from: number,
): number =>
  readLine(session, chunk, from, {
    maxOctets: MAX_RESPONSE_LINE,
    take: (line) => {
      const response = line.latin1Slice();
      session.run([() => respond(session, exchange, response)]);
    },
    refuse: () => session.run(refuseLength),
  });

function respond(session: Session, exchange: AuthExchange, response: string): Progress {
  const { attempt, machine, whenConcluded } = exchange;
  attempt.respondedAt = performance.now();
  attempt.hide(response);
  if (response === '*') return endExchange(session, replies.authCanceled);
  const octets = decodeBase64(response);
  if (octets === undefined) return endExchange(session, replies.authUndecodable);
  if (whenConcluded !== undefined) return whenConcluded(octets);
  return take(session, exchange, machine.next(octets));
}

function take(session: Session, exchange: AuthExchange, turn: Turn): Progress {
  switch (turn.kind) {
    case 'challenge':
      return sendChallenge(session, exchange, turn.octets);
    case 'salt':
      return askSalt(session, exchange, turn);
    case 'credentials':
      return judge(session, exchange, turn.credentials);
    case 'failure':
      return failed(session, exchange, turn.why, turn.about);
  }
}

/** The reply to each failure. */
export const failureReplies: Readonly<Record<Failure, Template>> = {
  invalid: replies.authInvalid,
  'nobody acts': replies.authInvalidAs,
  'acts for another': replies.authInvalidFor,
  malformed: replies.authMalformed,
  'initial response': replies.noInitialResponse,
};

/** Only failures that are answered like a wrong password count as one, and are delayed as long. */
function failed(session: Session, exchange: AuthExchange, why: Failure, about: string): Progress {
  const reply = failureReplies[why];
  return reply.code === 535 ? refuseAttempt(session, exchange, reply, about) : endExchange(session, reply);
}

function sendChallenge(session: Session, exchange: AuthExchange, octets: Buffer): Progress {
  if (!session.isOpen) return STOP;
  if (octets.length === 0) session.send(replies.emptyChallenge);
  else session.send(replies.challenge, octets.toString('base64'));
  session.mode = exchange;
  return STOP;
}

function askSalt(
  session: Session,
  exchange: AuthExchange,
  { user, salted }: Extract<Turn, { kind: 'salt' }>,
): Progress {
  const { hooks } = session.host;
  const goOn = (salt: Salt | undefined): Progress => take(session, exchange, salted(salt));
  if (!hooks.has('auth_scram_salt')) return goOn(undefined);
  return settled(session, hooks.run('auth_scram_salt', session, user), (_, { code, lines }) => {
    // A plugin that could not look must not make the client believe that its password is wrong.
    if (code === ReturnCode.DENYSOFT || code === ReturnCode.DENYSOFT_DISCONNECT)
      return tellForNow(session, exchange);
    return goOn(code === ReturnCode.OK ? parseSalt(lines[0] ?? '') : undefined);
  });
}

/** Asks the hook of the mechanism, then `auth`. An empty password is refused without asking. */
function judge(session: Session, exchange: AuthExchange, credentials: HostCredentials): Progress {
  exchange.isComplete = true;
  credentials.secrets.forEach((secret) => exchange.attempt.hide(secret));
  const { hooks } = session.host;
  const { hook, lowerName } = exchange.mechanism;
  if (credentials.password === '') return refuseCredentials(session, exchange, credentials);
  return settled(session, hooks.run(hook, session, lowerName, credentials), (_, own) =>
    own.code === ReturnCode.DECLINED
      ? settled(session, hooks.run('auth', session, lowerName, credentials), (__, general) =>
          settle(session, exchange, credentials, general),
        )
      : settle(session, exchange, credentials, own),
  );
}

function settle(
  session: Session,
  exchange: AuthExchange,
  credentials: HostCredentials,
  verdict: Verdict,
): Progress {
  const { machine, mechanism } = exchange;
  switch (verdict.code) {
    case ReturnCode.OK:
      if (machine.isProven !== false) return accept(session, exchange, credentials, verdict);
      session.log(LogLevel.ERROR, `a plugin said OK to ${mechanism.name} without asking credentials.verify`);
      return refuseCredentials(session, exchange, credentials);
    case ReturnCode.DENYSOFT:
    case ReturnCode.DENYSOFT_DISCONNECT:
      logReason(session, exchange, verdict);
      return tellForNow(session, exchange);
    default:
      logReason(session, exchange, verdict);
      return refuseCredentials(session, exchange, credentials);
  }
}

/**
 * Why a plugin refused is for the log alone: a client that is told "no such user" for one name and "wrong password" for
 * another can find out who has an account (user enumeration).
 */
function logReason(session: Session, { mechanism, attempt }: AuthExchange, { lines }: Verdict): void {
  if (lines.length === 0 || !session.host.logger.writes(LogLevel.INFO)) return;
  session.log(LogLevel.INFO, `${mechanism.name} refused: ${conceal(lines.join(' '), attempt.secrets)}`);
}

/** With a mechanism that proves us to the client, too, the client answers last. */
function accept(
  session: Session,
  exchange: AuthExchange,
  { user }: HostCredentials,
  { lines: [said = ''] }: Verdict,
): Progress {
  const isBare = said === '' || namesSecret(said, exchange.attempt.secrets);
  const about = isBare ? user : `${user} - ${said}`;
  const proof = exchange.machine.conclude?.(true);
  if (proof === undefined) return welcome(session, exchange.mechanism, user, about);
  exchange.whenConcluded = (response) =>
    response.length === 0
      ? welcome(session, exchange.mechanism, user, about)
      : endExchange(session, replies.authMalformed);
  return sendChallenge(session, exchange, proof);
}

function welcome(session: Session, { name, lowerName }: Mechanism, user: string, about: string): Progress {
  const { facts } = session;
  facts.auth = { user, mechanism: lowerName };
  facts.relayClient = true;
  if (facts.notes.get(naughty) !== undefined) session.log(LogLevel.INFO, 'auth success cleared naughty');
  facts.notes.delete(naughty);
  facts.notes.delete(naughtyRejectType);
  return endExchange(session, replies.authSuccess, name, about);
}

/** The credentials are wrong: unknown user or wrong password, the client is told the same. */
function refuseCredentials(session: Session, exchange: AuthExchange, { user }: HostCredentials): Progress {
  const about = `${user} from ${session.facts.remoteIp}`;
  return refuseAttempt(session, exchange, replies.authFailed, exchange.mechanism.name, about);
}

/**
 * Answers a failed attempt, later and later: guessing becomes slow. The time runs from the client's last line, so that
 * it does not show how long the plugins took, which differs between users that exist and users that do not.
 */
function refuseAttempt(
  session: Session,
  exchange: AuthExchange,
  reply: Template,
  first: string,
  second?: string,
): Progress {
  const { counters, host } = session;
  const { authDelayMs } = host.settings;
  counters.authFailures++;
  const whole = Math.min(authDelayMs * 2 ** (counters.authFailures - 1), MAX_DELAY_MS);
  const left = exchange.attempt.respondedAt + whole - performance.now();
  const tell = (): Progress =>
    session.isOpen ? concludeWith(session, exchange, () => endExchange(session, reply, first, second)) : STOP;
  return left > 0 ? pause(left).then(tell) : tell();
}

/** The session keeps its place meanwhile; the process may end before. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

/** No plugin could judge: the client may come back with the same credentials. */
function tellForNow(session: Session, exchange: AuthExchange): Progress {
  const { name } = exchange.mechanism;
  return concludeWith(session, exchange, () => endExchange(session, replies.authTemporary, name));
}

/** A mechanism that tells refusals by itself does so before the reply. */
function concludeWith(session: Session, exchange: AuthExchange, end: () => Progress): Progress {
  const last = exchange.isComplete ? exchange.machine.conclude?.(false) : undefined;
  if (last === undefined) return end();
  exchange.whenConcluded = end;
  return sendChallenge(session, exchange, last);
}

/** Back to commands, with a last reply. */
function endExchange(session: Session, reply: Template, first?: string, second?: string): Progress {
  session.authAttempt = undefined;
  if (!session.isOpen) return STOP;
  session.mode = COMMAND;
  if (second === undefined) return answer(session, reply, first);
  session.send(reply, first, second);
  return STOP;
}
