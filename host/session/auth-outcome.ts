/** How an exchange ends: what the plugins say, what the client is told, and how long it waits for bad news. RFC 4954 section 6. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { ReturnCode, type Verdict } from '../../bindings/plugin/verdict.ts';
import { naughty, naughtyRejectType } from '../../bindings/plugin/well-known-notes.ts';
import { conceal, namesSecret } from '../observe/conceal.ts';
import type { HostCredentials } from '../auth/credentials.ts';
import { endExchange, sendChallenge } from './auth-exchange.ts';
import { replies } from '../replies/replies.ts';
import type { Template } from '../replies/reply.ts';
import type { Session } from './session.ts';
import { settled, STOP, type Progress, type Settle } from './steps.ts';

/** However often somebody guesses, no session sleeps longer. */
const LONGEST_DELAY_MS = 30_000;

/** Asks the hook of the mechanism, then `auth`. No password at all is not worth the question. */
export function judge(session: Session, credentials: HostCredentials): Progress {
  const exchange = session.exchange!;
  exchange.credentials = credentials;
  credentials.secrets.forEach((secret) => exchange.hide(secret));
  if (credentials.password === '') return refuseCredentials(session);
  const { hook, word } = exchange.mechanism;
  return settled(session, session.host.hooks.run(hook, session, word, credentials), settleOwn);
}

const settleOwn: Settle = (session, verdict) => {
  if (verdict.code !== ReturnCode.DECLINED) return settle(session, verdict);
  const { mechanism, credentials } = session.exchange!;
  return settled(session, session.host.hooks.run('auth', session, mechanism.word, credentials!), settle);
};

const settle: Settle = (session, verdict) => {
  const { machine, mechanism } = session.exchange!;
  switch (verdict.code) {
    case ReturnCode.OK:
      if (machine.isProven !== false) return accept(session, verdict);
      session.log(LogLevel.ERROR, `a plugin said OK to ${mechanism.name} without asking credentials.verify`);
      return refuseCredentials(session);
    case ReturnCode.DENYSOFT:
    case ReturnCode.DENYSOFT_DISCONNECT:
      logWords(session, verdict);
      return tellForNow(session);
    default:
      logWords(session, verdict);
      return refuseCredentials(session);
  }
};

/**
 * Why a plugin refused is for the log alone: a client that is told "no such user" for one name and "wrong password" for
 * another can find out who has an account (user enumeration).
 */
function logWords(session: Session, { lines }: Verdict): void {
  const { mechanism, secrets } = session.exchange!;
  if (lines.length === 0 || !session.host.logger.writes(LogLevel.INFO)) return;
  session.log(LogLevel.INFO, `${mechanism.name} refused: ${conceal(lines.join(' '), secrets)}`);
}

/** With a mechanism that proves us to the client, too, the client has the last word. */
function accept(session: Session, verdict: Verdict): Progress {
  const exchange = session.exchange!;
  const { user } = exchange.credentials!;
  const [words = ''] = verdict.lines;
  const isBare = words === '' || namesSecret(words, exchange.secrets);
  const about = isBare ? user : `${user} - ${words}`;
  const proof = exchange.machine.conclude?.(true);
  if (proof === undefined) return welcome(session, about);
  exchange.whenConcluded = (_, response) =>
    response.length === 0 ? welcome(session, about) : endExchange(session, replies.authMalformed);
  return sendChallenge(session, proof);
}

function welcome(session: Session, about: string): Progress {
  const { mechanism, credentials } = session.exchange!;
  const { facts } = session;
  facts.auth = { user: credentials!.user, mechanism: mechanism.word };
  facts.relayClient = true;
  if (facts.notes.get(naughty) !== undefined) session.log(LogLevel.INFO, 'auth success cleared naughty');
  facts.notes.delete(naughty);
  facts.notes.delete(naughtyRejectType);
  return endExchange(session, replies.authSuccess, mechanism.name, about);
}

/** The credentials are wrong: unknown user or wrong password, the client is told the same. */
function refuseCredentials(session: Session): Progress {
  const { mechanism, credentials } = session.exchange!;
  const about = `${credentials!.user} from ${session.facts.remoteIp}`;
  return refuseAttempt(session, replies.authFailed, mechanism.name, about);
}

/**
 * Answers a failed attempt, later and later: guessing becomes slow. The time runs from the client's last word, so that
 * it does not show how long the plugins took, which differs between users that exist and users that do not.
 */
export function refuseAttempt(session: Session, reply: Template, first: string, second?: string): Progress {
  const { tally, host, exchange } = session;
  const { authDelayMs } = host.settings;
  tally.authFailures++;
  const whole = Math.min(authDelayMs * 2 ** (tally.authFailures - 1), LONGEST_DELAY_MS);
  const left = exchange!.respondedAt + whole - performance.now();
  const tell = (): Progress => tellRefusal(session, reply, first, second);
  return left > 0 ? pause(left).then(tell) : tell();
}

/** The session holds its place and nothing else meanwhile; the process may end before. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

function tellRefusal(session: Session, reply: Template, first: string, second?: string): Progress {
  return session.isOpen ? concludeWith(session, () => endExchange(session, reply, first, second)) : STOP;
}

/** Nobody could judge: the client may come back with the same credentials. */
export function tellForNow(session: Session): Progress {
  const { name } = session.exchange!.mechanism;
  return concludeWith(session, () => endExchange(session, replies.authTemporary, name));
}

/** A mechanism that tells refusals by itself does so before the reply. */
function concludeWith(session: Session, end: () => Progress): Progress {
  const exchange = session.exchange!;
  const last = exchange.credentials === undefined ? undefined : exchange.machine.conclude?.(false);
  if (last === undefined) return end();
  exchange.whenConcluded = end;
  return sendChallenge(session, last);
}
