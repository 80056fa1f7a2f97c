/**
 * Asks the plugins, in the order of `config/plugins`, until one has an opinion.
 *
 * As long as hooks answer at once, so does the runner, without a promise, a closure or an array; from the first
 * hook that answers later, the rest of the chain runs asynchronously. Before it is waited for, the plugins after it begin what they
 * can (`begins`), so that several that ask the DNS or a daemon cost the longest of their waits and not the sum.
 */

import { declined, isDenial, LogLevel, type Answer, type Verdict } from '../../bindings/plugin/index.ts';
import { nameOf, ReturnCode } from '../../bindings/plugin/verdict.ts';
import type { AwaitedHookName, HookArguments, SessionHookName } from '../../bindings/plugin/hooks.ts';
import { conceal } from '../observe/log-text.ts';
import type { Logger } from '../observe/logger.ts';
import { isFinding, isPromise, isVerdict, show } from './answer.ts';
import { judgeFinding } from './finding-policy.ts';
import { HookCaller, type HookLimits } from './hook-caller.ts';
import { HookStep, type AnyHook, type HookStatistics } from './hook-step.ts';
import type { LoadedPlugin } from './loaded-plugin.ts';
import { userConfigOver, type HookSession } from './context.ts';

export class HookRunner {
  readonly #chains = Object.create(null) as Partial<Record<SessionHookName, readonly HookStep[]>>;
  readonly #logger: Logger;
  readonly #caller: HookCaller;

  /** Without `limits` an answer is waited for 30 seconds. */
  constructor(plugins: readonly LoadedPlugin[], logger: Logger, limits?: HookLimits) {
    this.#logger = logger;
    this.#caller = new HookCaller(logger, userConfigOver(this), limits);
    const chains = this.#chains as Record<string, HookStep[]>;
    plugins.forEach((plugin, index) => {
      for (const [name, call] of Object.entries(plugin.hooks) as [SessionHookName, AnyHook | undefined][]) {
        if (call !== undefined) (chains[name] ??= []).push(new HookStep(name, plugin, index, call));
      }
    });
  }

  /** How the plugins have fared, one entry for each plugin and hook. */
  statistics(): HookStatistics[] {
    return Object.values(this.#chains)
      .flat()
      .map(({ plugin, hook, calls, failures, timeouts, breaker, held, waited, begin }) => ({
        plugin: plugin.name,
        hook,
        calls,
        failures: failures + (begin?.failures ?? 0),
        timeouts: timeouts + (begin?.timeouts ?? 0),
        trips: breaker.trips + (begin?.breaker.trips ?? 0),
        isOut: breaker.isOut || begin?.breaker.isOut === true,
        held: { ...held },
        waited: { ...waited },
      }));
  }

  /** True if any plugin has the hook. */
  has(hook: SessionHookName): boolean {
    return this.#chains[hook] !== undefined;
  }

  /**
   * The first verdict other than DECLINED. If there is none: DECLINED, with the text of the last plugin that had
   * some. Never throws and never rejects.
   */
  run<N extends SessionHookName>(
    hook: N,
    session: HookSession,
    ...args: HookArguments[N]
  ): Verdict | Promise<Verdict>;
  run(hook: SessionHookName, session: HookSession, a?: unknown, b?: unknown): Verdict | Promise<Verdict> {
    const chain = this.#chains[hook];
    return chain === undefined ? declined : this.#from(chain, 0, declined, session, a, b);
  }

  /**
   * Every plugin is told, whatever the others return: for hooks that only announce something (`reset_transaction`,
   * `disconnect`, `post-connection`). Never throws and never rejects.
   */
  runAll<N extends SessionHookName>(
    hook: N,
    session: HookSession,
    ...args: HookArguments[N]
  ): void | Promise<void>;
  runAll(hook: SessionHookName, session: HookSession, a?: unknown, b?: unknown): void | Promise<void> {
    const chain = this.#chains[hook];
    return chain === undefined ? undefined : this.#allFrom(chain, 0, session, a, b);
  }

  /** Every plugin begins what it can before its turn, as those do that stand after one which has to be waited for. */
  begin<N extends AwaitedHookName>(hook: N, session: HookSession, ...args: HookArguments[N]): void;
  begin(hook: AwaitedHookName, session: HookSession, a?: unknown, b?: unknown): void {
    this.#beginFrom(this.#chains[hook] ?? [], 0, session, a, b);
  }

  #beginFrom(chain: readonly HookStep[], start: number, session: HookSession, a: unknown, b: unknown): void {
    for (let position = start; position < chain.length; position++) {
      const { begin, breaker } = chain[position]!;
      // A plugin that is out is not asked: nobody would come for its work.
      if (begin !== undefined && !breaker.isOut) void this.#caller.ask(begin, session, a, b);
    }
  }

  #from(
    chain: readonly HookStep[],
    start: number,
    fallback: Verdict,
    session: HookSession,
    a: unknown,
    b: unknown,
  ): Verdict | Promise<Verdict> {
    let last = fallback;
    for (let position = start; position < chain.length; position++) {
      const step = chain[position]!;
      const answer = this.#caller.ask(step, session, a, b);
      if (isPromise(answer)) {
        // The first one that is waited for. Those after it have begun by the second.
        if (start === 0) this.#beginFrom(chain, position + 1, session, a, b);
        return this.#later(chain, position, last, session, a, b, answer);
      }
      const verdict = this.#settle(step, session, answer);
      const told = this.#tell(step, session, verdict);
      if (told !== undefined) {
        if (start === 0 && verdict.code === ReturnCode.DECLINED)
          this.#beginFrom(chain, position + 1, session, a, b);
        const settled = told.then(() => verdict);
        return this.#later(chain, position, last, session, a, b, settled, true);
      }
      if (verdict.code !== ReturnCode.DECLINED) return verdict;
      if (verdict.lines.length > 0) last = verdict;
    }
    return last;
  }

  /** Waits for the answer of the step at `position`, and goes on after it. */
  async #later(
    chain: readonly HookStep[],
    position: number,
    fallback: Verdict,
    session: HookSession,
    a: unknown,
    b: unknown,
    answer: PromiseLike<Answer>,
    isTold = false,
  ): Promise<Verdict> {
    const step = chain[position]!;
    const verdict = this.#settle(step, session, await answer);
    const told = isTold ? undefined : this.#tell(step, session, verdict);
    if (told !== undefined) await told;
    if (verdict.code !== ReturnCode.DECLINED) return verdict;
    const last = verdict.lines.length > 0 ? verdict : fallback;
    // The client has left meanwhile: the other plugins need not be asked.
    return session.isOpen || step.isNested ? this.#from(chain, position + 1, last, session, a, b) : last;
  }

  #allFrom(
    chain: readonly HookStep[],
    start: number,
    session: HookSession,
    a: unknown,
    b: unknown,
  ): void | Promise<void> {
    for (let position = start; position < chain.length; position++) {
      const step = chain[position]!;
      const answer = this.#caller.ask(step, session, a, b);
      const told = isPromise(answer)
        ? this.#settleLater(step, session, answer)
        : this.#tell(step, session, this.#settle(step, session, answer));
      if (told !== undefined) return told.then(() => this.#allFrom(chain, position + 1, session, a, b));
    }
  }

  async #settleLater(step: HookStep, session: HookSession, answer: PromiseLike<Answer>): Promise<void> {
    await this.#tell(step, session, this.#settle(step, session, await answer));
  }

  #settle(step: HookStep, session: HookSession, answer: unknown): Verdict {
    if (answer === undefined) return declined;
    try {
      if (isVerdict(answer)) return answer;
      if (isFinding(answer))
        return judgeFinding(
          answer,
          step.plugin.settings,
          this.#caller.contextOf(step, session),
          step.onFailure,
        );
    } catch (thrown) {
      return this.#caller.failed(step, session, thrown);
    }
    const text = `Plugin ${step.plugin.name}, hook ${step.hook} returned ${conceal(show(answer), session.secrets)}`;
    this.#caller.log(LogLevel.ERROR, text, step, session);
    // Without `on_error` garbage counts as no opinion, as in qpsmtpd.
    return step.plugin.settings.on_error === undefined ? declined : step.onFailure;
  }

  /** The hooks `deny` and `ok` learn of every verdict but their own. */
  #tell(step: HookStep, session: HookSession, verdict: Verdict): Promise<unknown> | undefined {
    if (this.#logger.writes(LogLevel.DEBUG)) this.#logVerdict(step, session, verdict);
    const isDenied = isDenial(verdict.code);
    if (!step.isNested && (isDenied || (step.hook === 'queue' && verdict.code === ReturnCode.OK)))
      session.decidedBy = step.plugin.name;
    const chain = isDenied ? this.#chains.deny : this.#chains.ok;
    if (chain === undefined || step.hook === 'deny' || step.hook === 'ok') return undefined;
    const told = this.#from(chain, 0, declined, session, step.plugin.name, verdict);
    return isPromise(told) ? (told as Promise<unknown>) : undefined;
  }

  #logVerdict(step: HookStep, session: HookSession, { code, lines }: Verdict): void {
    // What auth_parse puts in the place of the line holds the client's secret, too.
    const said =
      lines.length === 0 || step.hook === 'auth_parse'
        ? ''
        : `, ${conceal(lines.join(' '), session.secrets)}`;
    const text = `Plugin ${step.plugin.name}, hook ${step.hook} returned ${nameOf(code)}${said}`;
    this.#caller.log(LogLevel.DEBUG, text, step, session);
  }
}
