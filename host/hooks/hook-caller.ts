/**
 * Calls the hooks of plugins and survives them: all that a plugin throws, rejects with, forgets to answer or leaves
 * behind becomes a line in the log that names plugin, hook and cause, and the answer that stands in for the plugin.
 */

import { LogLevel, type Answer, type Verdict } from '../../bindings/plugin/index.ts';
import { conceal } from '../observe/log-text.ts';
import { configErrorOf, type ConfigError } from '../errors/error-classes.ts';
import type { Logger } from '../observe/logger.ts';
import { flightRecord, LAST_CALL, LAST_SEAT, NO_SEAT } from '../observe/flight-record.ts';
import { Deadlines } from '../../bindings/timing/deadlines.ts';
import { isPromise, showThrown } from './answer.ts';
import { PluginContext, userConfigFiles, type HookSession, type UserConfig } from './context.ts';
import { internalError } from './finding-policy.ts';
import type { AnyHook, HookStep } from './hook-step.ts';
import { PendingAnswer, TimeIsUp, type AnswerTaker } from './pending-answer.ts';
import { callInScope, type PluginCall } from './plugin-scope.ts';

/** How long plugins may take. */
export interface HookLimits {
  readonly deadlines: Deadlines;
  /** What `plugin_timeout` says now. */
  readonly budgetMs: () => number;
}

export const DEFAULT_BUDGET_MS = 30_000;
/** One in 64 calls is timed: the clock costs more than most hooks. */
const SAMPLE_MASK = 63;

export class HookCaller {
  readonly #logger: Logger;
  readonly #limits: HookLimits;
  readonly #userConfig: UserConfig;

  constructor(logger: Logger, userConfig: UserConfig, limits: HookLimits | undefined) {
    this.#logger = logger;
    this.#userConfig = userConfig;
    this.#limits = limits ?? { deadlines: new Deadlines(), budgetMs: () => DEFAULT_BUDGET_MS };
  }

  /** What the plugin is handed in this session. */
  contextOf({ index, plugin }: HookStep, session: HookSession): PluginContext {
    return (session.contexts[index] ??= new PluginContext(plugin, session, this.#userConfig));
  }

  /** What the hook returns, or what stands in for it. Never throws, and what it promises never rejects. */
  ask(step: HookStep, session: HookSession, a: unknown, b: unknown): Answer | Promise<Answer> {
    flightRecord[LAST_CALL] = step.number;
    flightRecord[LAST_SEAT] = session.seat ?? NO_SEAT;
    if (!step.isPlain || step.breaker.isTroubled || (++step.calls & SAMPLE_MASK) === 0) {
      return this.#askWithCare(step, session, a, b);
    }
    const context = session.contexts[step.index] ?? this.contextOf(step, session);
    context.hook = step.hook;
    try {
      const answer = step.call(context, a, b);
      return isPromise(answer) ? this.#wait(step, session, answer, undefined) : answer;
    } catch (thrown) {
      return this.failed(step, session, thrown);
    }
  }

  /** Calls that are followed or timed, and those of a plugin that failed before. */
  #askWithCare(step: HookStep, session: HookSession, a: unknown, b: unknown): Answer | Promise<Answer> {
    const { breaker, hook } = step;
    if (breaker.isOut && !breaker.letTry(performance.now())) return step.onFailure;
    // A plain step without trouble was counted by the caller.
    if (!step.isPlain || breaker.isTroubled) step.calls++;
    // A plugin that reads a user's configuration while it is asked for it gets the files, not itself again.
    const context =
      hook === 'user_config'
        ? new PluginContext(step.plugin, session, userConfigFiles)
        : this.contextOf(step, session);
    const outer = context.hook;
    context.hook = hook;
    const owner = step.isFollowed ? new HookCall(this, step, session) : undefined;
    const startedAt = (step.calls & SAMPLE_MASK) === 0 ? performance.now() : 0;
    try {
      const answer =
        owner === undefined
          ? step.call(context, a, b)
          : callInScope(owner, callHook, step.call, context, a, b);
      if (startedAt !== 0) step.held.add(performance.now() - startedAt);
      if (isPromise(answer)) return this.#wait(step, session, answer, owner);
      if (breaker.isTroubled) this.succeeded(step, session);
      return answer;
    } catch (thrown) {
      return this.failed(step, session, thrown);
    } finally {
      if (step.isNested) context.hook = outer;
    }
  }

  /** The hook has failed: it is logged and counted, and answered for. */
  failed(step: HookStep, session: HookSession, thrown: unknown): Verdict {
    const unknown = configErrorOf(thrown);
    if (unknown !== undefined) return this.#putOff(step, session, unknown);
    step.failures++;
    this.log(LogLevel.CRIT, `${fatal(step)} ${shownTo(session, thrown)}`, step, session);
    if (step.breaker.fail(performance.now())) this.#tellTrip(step, session, 'failed again and again');
    return step.onFailure;
  }

  /**
   * A list that the plugin needs cannot be read now. That is no fault of the plugin, so it stays in the chain; and
   * without the list neither yes nor no would be right, so the client comes back, whatever `on_error` says.
   */
  #putOff(step: HookStep, session: HookSession, { message }: ConfigError): Verdict {
    const level = step.lacks === message ? LogLevel.INFO : LogLevel.ERROR;
    const { breaker, plugin } = step;
    if (breaker.isOut) this.succeeded(step, session);
    step.lacks = message;
    breaker.isTroubled = true;
    const text = `Plugin ${plugin.name}, hook ${step.label}: ${conceal(message, session.secrets)}; the client is put off`;
    this.log(level, text, step, session);
    return internalError;
  }

  /** Something the hook left behind has failed after its answer. */
  failedLate(step: HookStep, session: HookSession, thrown: unknown, secrets: HookSession['secrets']): void {
    step.failures++;
    const shown = conceal(shownTo(session, thrown), secrets);
    this.log(LogLevel.CRIT, `${fatal(step)} behind its answer: ${shown}`, step, session);
    if (step.breaker.failLate(performance.now()))
      this.#tellTrip(step, session, 'failed behind its answers again and again');
  }

  log(level: LogLevel, text: string, { plugin, hook }: HookStep, session: HookSession): void {
    const { connectionId, transactionId } = session;
    this.#logger.log(level, text, {
      plugin: plugin.name,
      hook,
      connectionId,
      transactionId,
    });
  }

  /** Resolves with the answer, or with what stands in for it. */
  #wait(
    step: HookStep,
    session: HookSession,
    answer: PromiseLike<Answer>,
    owner: HookCall | undefined,
  ): Promise<Answer> {
    const { deadlines, budgetMs } = this.#limits;
    const taker = new LateAnswer(this, step, session);
    const budget = step.budgetMs(budgetMs());
    const pending = new PendingAnswer(Promise.resolve(answer), deadlines, budget, taker);
    if (owner !== undefined) owner.pending = pending;
    return pending.settled;
  }

  /** A plugin that failed before has answered. */
  succeeded(step: HookStep, session: HookSession): void {
    step.lacks = undefined;
    if (!step.breaker.succeed(performance.now())) return;
    this.log(LogLevel.NOTICE, `Plugin ${step.plugin.name} is back in hook ${step.label}`, step, session);
  }

  #tellTrip(step: HookStep, session: HookSession, why: string): void {
    const { breaker, plugin, label, failures, calls } = step;
    const counts = `${failures} failures in ${calls} calls, out for the ${ordinal(breaker.trips)} time`;
    const text = `Plugin ${plugin.name} ${why}: out of hook ${label} for ${breaker.pauseMs / 1000} s (${counts})`;
    this.log(LogLevel.ALERT, text, step, session);
  }

  tellLate(step: HookStep, session: HookSession): void {
    const text = `Plugin ${step.plugin.name}, hook ${step.label} answered when its time was up: dropped`;
    this.log(LogLevel.NOTICE, text, step, session);
  }
}

/** Takes the answer of one call that did not come at once. */
class LateAnswer implements AnswerTaker<Answer> {
  readonly #caller: HookCaller;
  readonly #step: HookStep;
  readonly #session: HookSession;
  readonly #startedAt = performance.now();

  constructor(caller: HookCaller, step: HookStep, session: HookSession) {
    this.#caller = caller;
    this.#step = step;
    this.#session = session;
  }

  answered(value: Answer): Answer {
    this.#step.waited.add(performance.now() - this.#startedAt);
    if (this.#step.breaker.isTroubled) this.#caller.succeeded(this.#step, this.#session);
    return value;
  }

  failed(thrown: unknown): Answer {
    this.#step.waited.add(performance.now() - this.#startedAt);
    if (thrown instanceof TimeIsUp) this.#step.timeouts++;
    return this.#caller.failed(this.#step, this.#session, thrown);
  }

  late(): void {
    this.#caller.tellLate(this.#step, this.#session);
  }
}

/** Follows what one call leaves behind. */
class HookCall implements PluginCall {
  pending: PendingAnswer<Answer> | undefined = undefined;
  readonly #caller: HookCaller;
  readonly #step: HookStep;
  readonly #session: HookSession;
  /** Those of the call: when it fails after its answer, the session has forgotten them. */
  readonly #secrets: HookSession['secrets'];

  constructor(caller: HookCaller, step: HookStep, session: HookSession) {
    this.#caller = caller;
    this.#step = step;
    this.#session = session;
    this.#secrets = session.secrets;
  }

  get plugin(): string {
    return this.#step.plugin.name;
  }

  get hook(): HookStep['hook'] {
    return this.#step.hook;
  }

  /** An error beside an answer that is still awaited stands for the answer: it would hardly come any more. */
  blame(thrown: unknown): void {
    if (this.pending?.isOpen === true) this.pending.fail(thrown);
    else this.#caller.failedLate(this.#step, this.#session, thrown, this.#secrets);
  }
}

/** Something that only looks like a promise is asked for its answer inside the scope, too. */
function callHook(call: AnyHook, context: PluginContext, a: unknown, b: unknown): Answer | Promise<Answer> {
  const answer = call(context, a, b);
  return isPromise(answer) ? Promise.resolve(answer) : answer;
}

/** What was thrown, for the log, unless it names what the client entrusted to AUTH. */
const shownTo = ({ secrets }: HookSession, thrown: unknown): string => conceal(showThrown(thrown), secrets);

const fatal = ({ plugin, label }: HookStep): string => `FATAL PLUGIN ERROR [${plugin.name}]: hook ${label}:`;

function ordinal(number: number): string {
  const ending = ['th', 'st', 'nd', 'rd'][number % 10];
  return `${number}${(number % 100) - (number % 10) === 10 ? 'th' : (ending ?? 'th')}`;
}
