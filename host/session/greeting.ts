/**
 * How a session begins: the client's name, the connect hooks, the banner, and HELO or EHLO. RFC 5321 sections 3.1, 4.1.1.1 and
 * 4.1.4.
 */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { replies } from '../replies/replies.ts';
import { endTransaction, refuse } from './closing.ts';
import { extensionLines, isLmtp } from './extensions.ts';
import type { Session } from './session.ts';
import { describeTls } from './trace.ts';
import {
  answer,
  askHook,
  COMMAND,
  NEXT,
  settled,
  STOP,
  type Progress,
  type Settle,
  type Step,
} from './steps.ts';

const settlePreConnection: Settle = (session, verdict) => refuse(session, 'pre-connection', verdict) ?? NEXT;

/** Looks up the client's name, for plugins and the Received field, unless it is known already. */
function nameClient(session: Session): Progress {
  const { facts, host } = session;
  const found = session.intake.host === undefined ? host.reverseLookup.nameOf(facts.remoteIp) : undefined;
  if (!(found instanceof Promise)) return announce(session, found);
  return found.then((name) => announce(session, name));
}

function announce(session: Session, name: string | undefined): Progress {
  const { facts } = session;
  if (name !== undefined) facts.remoteHost = name;
  if (session.host.logger.writes(LogLevel.NOTICE)) {
    session.log(LogLevel.NOTICE, `Connection from ${facts.remoteInfo} [${facts.remoteIp}]`);
  }
  if (facts.service !== undefined && session.host.logger.writes(LogLevel.INFO))
    session.log(LogLevel.INFO, `service ${facts.service}`);
  announceProxy(session);
  return NEXT;
}

/** What the proxy knows of the connection, for whoever compares its log with ours. */
function announceProxy(session: Session): void {
  const { facts, intake, host } = session;
  const { proxyId } = intake;
  if (!host.logger.writes(LogLevel.INFO)) return;
  if (proxyId !== undefined)
    session.log(LogLevel.INFO, `by proxy ${facts.peerIp}, its connection ${proxyId}`);
  if (facts.tls?.by === 'proxy') session.log(LogLevel.INFO, `by proxy ${describeTls(facts.tls)}`);
}

const settleConnect: Settle = (session, verdict) => {
  const refused = refuse(session, 'connect', verdict);
  if (refused !== undefined) return refused;
  session.mode = COMMAND;
  if (verdict.code !== ReturnCode.DONE) session.send(replies.greeting, banner(session));
  return STOP;
};

/** `smtpgreeting` if it is set, with ESMTP in it: clients look for that before they try EHLO. */
function banner(session: Session): string {
  const { settings, version } = session.host;
  const own = settings.smtpGreeting;
  const protocol = isLmtp(session) ? 'LMTP' : 'ESMTP';
  if (own === undefined) {
    return `${settings.me} ${protocol} qpsmtpd ${version} ready; send us your mail, but not your spam.`;
  }
  return /\bESMTP\b/.test(own) ? own.replace(/\bESMTP\b/, protocol) : `${own} ${protocol}`;
}

export const greet: readonly Step[] = [
  askHook('pre-connection', settlePreConnection),
  nameClient,
  askHook('connect', settleConnect),
];

type Kind = 'helo' | 'ehlo' | 'lhlo';

/** Plugins are asked about LHLO as about EHLO: it has the same meaning. RFC 2033 section 4.1. */
const hookOf = (kind: Kind): 'helo' | 'ehlo' => (kind === 'lhlo' ? 'ehlo' : kind);

/** A client may say hello again at any time, unless the site wants qpsmtpd's 503. */
function refuseRepeated(session: Session): Progress {
  if (session.facts.hello === undefined || session.host.settings.helloAgain === 'reset') return NEXT;
  return answer(session, replies.helloAgain);
}

/** A plugin may read the line in its own way; its answer takes the place of the line. */
const askParser = (kind: Kind): Step => {
  const hook = `${hookOf(kind)}_parse` as const;
  const settleParse: Settle = (session, verdict) => {
    const refused = refuse(session, hook, verdict, kind);
    if (refused !== undefined) return refused;
    if (verdict.code === ReturnCode.OK && verdict.lines.length > 0) {
      session.command.rewrite(verdict.lines.join(' '));
    }
    return NEXT;
  };
  return (session) => {
    const { hooks } = session.host;
    if (!hooks.has(hook)) return NEXT;
    return settled(session, hooks.run(hook, session, session.command.text), settleParse);
  };
};

const requireHost =
  (kind: Kind): Step =>
  (session) => {
    if (session.command.hasArgument) return NEXT;
    return answer(session, replies.helloNeedsHost, kind);
  };

const ask =
  (kind: Kind, settle: Settle): Step =>
  (session) => {
    const { hooks } = session.host;
    const hook = hookOf(kind);
    if (!hooks.has(hook)) return NEXT;
    const [host = '', ...rest] = session.command.text.split(/[ \t]+/);
    return settled(session, hooks.run(hook, session, host, rest), settle);
  };

const settle =
  (kind: Kind): Settle =>
  (session, verdict) => {
    const refused = refuse(session, hookOf(kind), verdict);
    if (refused !== undefined) {
      session.facts.forgetResults('hello');
      return refused;
    }
    return verdict.code === ReturnCode.DONE ? STOP : NEXT;
  };

/** Results of the name that the client gave before say nothing about this one. */
function forgetHello(session: Session): Progress {
  session.facts.forgetResults('hello');
  return NEXT;
}

function accept(kind: Kind): Step {
  return (session) => {
    const { facts, host } = session;
    facts.hello = kind;
    facts.forwarded = undefined;
    facts.helloHost = firstWord(session.command.text);
    const { me } = host.settings;
    const client = `${facts.remoteInfo} [${facts.remoteIp}]`;
    if (kind === 'helo') session.send(replies.helo, me, client);
    else session.reply(greetingWithExtensions(session, me, client));
    return STOP;
  };
}

const firstWord = (argument: string): string => /^[^ \t]+/.exec(argument)?.[0] ?? '';

function greetingWithExtensions(session: Session, me: string, client: string): string {
  const { printer } = session.host;
  const first = replies.ehlo[printer.style].map((line) =>
    line.replace('%1', () => me).replace('%2', () => client),
  );
  return printer.lines(replies.ehlo.code, '', [...first, ...extensionLines(session)]);
}

const hello = (kind: Kind): readonly Step[] => [
  askParser(kind),
  requireHost(kind),
  refuseRepeated,
  forgetHello,
  ask(kind, settle(kind)),
  endTransaction,
  accept(kind),
];

export const helo = hello('helo');
export const ehlo = hello('ehlo');
export const lhlo = hello('lhlo');
