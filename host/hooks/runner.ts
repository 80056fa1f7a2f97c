/**
 * Asks the plugins, in the order of `config/plugins`, until one has an opinion.
 *
 * As long as hooks answer at once, so does the runner, without a promise, a closure or an array; from the first
 * hook that answers later, the rest of the chain runs asynchronously.
 */

import {
  declined,
  isDenial,
  LogLevel,
  nameOf,
  ReturnCode,
  type Answer,
  type HookArguments,
  type SessionHookName,
  type Verdict,
} from '../../bindings/plugin/index.ts';
import type { Logger } from '../observe/logger.ts';
import { isFinding, isPromise, isVerdict, show, showThrown } from './answer.ts';
import { PluginContext } from './context.ts';
import { internalError, judgeFinding } from './finding-policy.ts';
import type { LoadedPlugin } from './loaded-plugin.ts';
import type { HookSession } from './session.ts';

/** One plugin's part in one chain. */
interface Step {
  readonly hook: SessionHookName;
  readonly plugin: LoadedPlugin;
  /** Position of the plugin, and of its context in a session. */
  readonly index: number;
  readonly call: AnyHook;
  /** What stands in for the answer when the hook fails. */
  readonly onFailure: Verdict;
}

/** Two words are as many as any hook is told besides its context. */
type AnyHook = (context: PluginContext, a: unknown, b: unknown) => Answer | Promise<Answer>;

/**
 * Where an exception ends the chain with a refusal for now. Going on would let the next plugin accept what the
 * failing one might have refused: a recipient, a message, a password.
 */
const DEFERRING: ReadonlySet<SessionHookName> = new Set<SessionHookName>([
  'rcpt',
  'queue',
  'auth',
  'auth-plain',
  'auth-login',
  'auth-cram-md5',
]);

export class HookRunner {
  readonly #chains = Object.create(null) as Partial<Record<SessionHookName, readonly Step[]>>;
  readonly #logger: Logger;

  constructor(plugins: readonly LoadedPlugin[], logger: Logger) {
    this.#logger = logger;
    const chains = this.#chains as Record<string, Step[]>;
    plugins.forEach((plugin, index) => {
      for (const [name, call] of Object.entries(plugin.hooks) as [SessionHookName, AnyHook | undefined][]) {
        if (call === undefined) continue;
        const defers =
          plugin.settings.on_error === undefined ? DEFERRING.has(name) : plugin.settings.on_error === 'defer';
        (chains[name] ??= []).push({
          hook: name,
          plugin,
          index,
          call,
          onFailure: defers ? internalError : declined,
        });
      }
    });
  }

  /** True if any plugin has the hook. */
  has(hook: SessionHookName): boolean {
    return this.#chains[hook] !== undefined;
  }

  /**
   * The first verdict other than DECLINED. If there is none: DECLINED, with the words of the last plugin that had
   * some. Never throws and never rejects.
   */
  run<N extends SessionHookName>(
    hook: N,
    session: HookSession,
    ...words: HookArguments[N]
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
    ...words: HookArguments[N]
  ): void | Promise<void>;
  runAll(hook: SessionHookName, session: HookSession, a?: unknown, b?: unknown): void | Promise<void> {
    const chain = this.#chains[hook];
    return chain === undefined ? undefined : this.#allFrom(chain, 0, session, a, b);
  }

  #from(
    chain: readonly Step[],
    start: number,
    fallback: Verdict,
    session: HookSession,
    a: unknown,
    b: unknown,
  ): Verdict | Promise<Verdict> {
    let last = fallback;
    for (let position = start; position < chain.length; position++) {
      const step = chain[position]!;
      const answer = this.#ask(step, session, a, b);
      if (isPromise(answer)) return this.#later(chain, position, last, session, a, b, answer);
      const verdict = this.#settle(step, session, answer);
      const told = this.#tell(step, session, verdict);
      if (told !== undefined) {
        const settled = told.then(() => verdict);
        return this.#later(chain, position, last, session, a, b, settled, true);
      }
      if (verdict.code !== ReturnCode.DECLINED) return verdict;
      if (verdict.lines.length > 0) last = verdict;
    }
    return last;
  }

  /** Waits for the answer of the step at `position`, and goes on behind it. */
  async #later(
    chain: readonly Step[],
    position: number,
    fallback: Verdict,
    session: HookSession,
    a: unknown,
    b: unknown,
    answer: PromiseLike<Answer>,
    isTold = false,
  ): Promise<Verdict> {
    const step = chain[position]!;
    const verdict = this.#settle(step, session, await this.#wait(step, session, answer));
    if (!isTold) await this.#tell(step, session, verdict);
    if (verdict.code !== ReturnCode.DECLINED) return verdict;
    return this.#from(chain, position + 1, verdict.lines.length > 0 ? verdict : fallback, session, a, b);
  }

  #allFrom(
    chain: readonly Step[],
    start: number,
    session: HookSession,
    a: unknown,
    b: unknown,
  ): void | Promise<void> {
    for (let position = start; position < chain.length; position++) {
      const step = chain[position]!;
      const answer = this.#ask(step, session, a, b);
      const told = isPromise(answer)
        ? this.#settleLater(step, session, answer)
        : this.#tell(step, session, this.#settle(step, session, answer));
      if (told !== undefined) return told.then(() => this.#allFrom(chain, position + 1, session, a, b));
    }
  }

  async #settleLater(step: Step, session: HookSession, answer: PromiseLike<Answer>): Promise<void> {
    await this.#tell(step, session, this.#settle(step, session, await this.#wait(step, session, answer)));
  }

  #ask(step: Step, session: HookSession, a: unknown, b: unknown): Answer | Promise<Answer> {
    const context = (session.contexts[step.index] ??= new PluginContext(step.plugin, session));
    context.hook = step.hook;
    try {
      return step.call(context, a, b);
    } catch (thrown) {
      return this.#failed(step, session, thrown);
    }
  }

  async #wait(step: Step, session: HookSession, answer: PromiseLike<Answer>): Promise<Answer> {
    try {
      return await answer;
    } catch (thrown) {
      return this.#failed(step, session, thrown);
    }
  }

  #failed(step: Step, session: HookSession, thrown: unknown): Verdict {
    const text = `FATAL PLUGIN ERROR [${step.plugin.name}]: hook ${step.hook}: ${showThrown(thrown)}`;
    this.#log(LogLevel.CRIT, text, step, session);
    return step.onFailure;
  }

  #settle(step: Step, session: HookSession, answer: unknown): Verdict {
    if (answer === undefined) return declined;
    try {
      if (isVerdict(answer)) return answer;
      if (isFinding(answer)) return judgeFinding(answer, step.plugin.settings, session.contexts[step.index]!);
    } catch (thrown) {
      return this.#failed(step, session, thrown);
    }
    const text = `Plugin ${step.plugin.name}, hook ${step.hook} returned ${show(answer)}`;
    this.#log(LogLevel.ERROR, text, step, session);
    return declined;
  }

  /** The hooks `deny` and `ok` learn of every verdict but their own. */
  #tell(step: Step, session: HookSession, verdict: Verdict): Promise<unknown> | undefined {
    if (this.#logger.writes(LogLevel.DEBUG)) this.#logVerdict(step, session, verdict);
    const chain = isDenial(verdict.code) ? this.#chains.deny : this.#chains.ok;
    if (chain === undefined || step.hook === 'deny' || step.hook === 'ok') return undefined;
    const told = this.#from(chain, 0, declined, session, step.plugin.name, verdict);
    return isPromise(told) ? (told as Promise<unknown>) : undefined;
  }

  #logVerdict(step: Step, session: HookSession, { code, lines }: Verdict): void {
    const words = lines.length === 0 ? '' : `, ${lines.join(' ')}`;
    const text = `Plugin ${step.plugin.name}, hook ${step.hook} returned ${nameOf(code)}${words}`;
    this.#log(LogLevel.DEBUG, text, step, session);
  }

  #log(level: LogLevel, text: string, { plugin, hook }: Step, { connectionId }: HookSession): void {
    this.#logger.log(level, text, { plugin: plugin.name, hook, connectionId });
  }
}
