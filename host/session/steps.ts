/**
 * A verb is a list of steps: check, ask the plugins, settle. A step that must wait returns a promise; one that need not
 * costs a function call. The session runs the list and takes no further input until it is through. The input mode, which a step
 * may set, says what is read next.
 */

import type { HookArguments, SessionHookName } from '../../bindings/plugin/hooks.ts';
import { declined, type Verdict } from '../../bindings/plugin/verdict.ts';
import type { Template } from '../replies/reply.ts';
import type { AuthExchange } from './auth-exchange.ts';
import type { Chunk } from './bdat.ts';
import type { IncomingData } from './incoming-data.ts';
import type { Session } from './session.ts';

/** NEXT goes on with the next step; STOP ends the list: the client has its answer. */
export const NEXT = 1;
export const STOP = 2;
export type Outcome = typeof NEXT | typeof STOP;

export type Progress = Outcome | Promise<Outcome>;
export type Step = (session: Session) => Progress;

/** Sends a reply of the table and ends the list. */
export function answer(session: Session, reply: Template, first?: string): Outcome {
  session.send(reply, first);
  return STOP;
}

/** Carries out a verdict. */
export type Settle = (session: Session, verdict: Verdict) => Progress;

/** Settles at once if the plugins answered synchronously, else when they have. */
export function settled(session: Session, answer: Verdict | Promise<Verdict>, settle: Settle): Progress {
  return answer instanceof Promise
    ? answer.then((verdict) => settle(session, verdict))
    : settle(session, answer);
}

type HookWithoutArguments = {
  [N in SessionHookName]: HookArguments[N] extends [] ? N : never;
}[SessionHookName];

/** A step that asks a hook without arguments. A hook without a plugin is not even asked. */
export function askHook(hook: HookWithoutArguments, settle: Settle): Step {
  return (session) => {
    const { hooks } = session.host;
    return hooks.has(hook) ? settled(session, hooks.run(hook, session), settle) : settle(session, declined);
  };
}

const next = (): Outcome => NEXT;

/** A step that tells every plugin and ignores their answers. */
export function notifyHook(hook: HookWithoutArguments): Step {
  return (session) => {
    const { hooks } = session.host;
    const told = hooks.has(hook) ? hooks.runAll(hook, session) : undefined;
    return told === undefined ? NEXT : told.then(next);
  };
}

/** A step that asks a hook whose verdict changes nothing. */
export const askAndIgnore = (hook: HookWithoutArguments): Step => askHook(hook, next);

/** `greeting` and `tls-handshake`: octets are put aside. `closed`: they are dropped. */
interface StatelessMode {
  readonly kind: 'greeting' | 'command' | 'tls-handshake' | 'closed';
}

/** Read by the code of a dialogue: lines that are no commands, or the content of a message. */
export interface DialogueMode {
  readonly kind: 'dialogue';
  /** Takes what it wants of `chunk` from `from` on, and returns where it stopped. */
  read(session: Session, chunk: Buffer, from: number): number;
}

/** What the next octets are. The value has what its reader needs; facts about the client stand apart. */
export type InputMode = StatelessMode | IncomingData | Chunk | AuthExchange | DialogueMode;

export const GREETING: StatelessMode = { kind: 'greeting' };
export const COMMAND: StatelessMode = { kind: 'command' };
export const TLS_HANDSHAKE: StatelessMode = { kind: 'tls-handshake' };
export const CLOSED: StatelessMode = { kind: 'closed' };
