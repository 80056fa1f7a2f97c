/**
 * One plugin's part in one chain: what is called, what stands in for it when it fails, and how it has fared.
 *
 * `Breaker` takes a plugin out of one chain after repeated failures, and lets it back in: a check whose database is down must not
 * hold up every client, nor fill the log. Failures in a row count, so one success begins anew; a client with a message
 * that the plugin chokes on takes it out only where no other client is served meanwhile.
 */

import { declined, type Answer, type Verdict } from '../../bindings/plugin/index.ts';
import type { SessionHookName } from '../../bindings/plugin/hooks.ts';
import { numberOfCall } from '../observe/flight-record.ts';
import type { PluginContext } from './context.ts';
import { internalError } from './finding-policy.ts';
import type { LoadedPlugin } from './loaded-plugin.ts';

/** So many failures in a row take the plugin out. */
export const MAX_IN_A_ROW = 10;
/** So many errors after the plugin's answers take it out, if they come within a minute. */
export const MAX_LATE = 10;
const LATE_WINDOW_MS = 60_000;
/** The first time out; each further one lasts twice as long, up to ten minutes. */
export const FIRST_PAUSE_MS = 30_000;
export const MAX_PAUSE_MS = 600_000;

export class Breaker {
  /** The plugin is not to be asked, unless `letTry` says so. */
  isOut = false;
  /** There were failures since the last success: a success must be told. */
  isTroubled = false;
  /** How often the plugin was taken out. */
  trips = 0;
  pauseMs = 0;
  #inRow = 0;
  #late = 0;
  #lateSince = 0;
  #backAt = 0;
  #inAgainAt = Number.NEGATIVE_INFINITY;
  #isTrying = false;

  /** A call failed. True if that takes the plugin out. */
  fail(now: number): boolean {
    this.isTroubled = true;
    this.#inRow++;
    const mustGo = this.isOut ? this.#isTrying : this.#inRow >= MAX_IN_A_ROW;
    if (mustGo) this.#takeOut(now);
    return mustGo;
  }

  /** Something failed after an answer. True if that takes the plugin out. */
  failLate(now: number): boolean {
    if (now - this.#lateSince > LATE_WINDOW_MS) {
      this.#lateSince = now;
      this.#late = 0;
    }
    this.#late++;
    if (this.isOut || this.#late < MAX_LATE) return false;
    this.isTroubled = true;
    this.#takeOut(now);
    return true;
  }

  /** A call succeeded. True if that lets the plugin back in. */
  succeed(now: number): boolean {
    this.#inRow = 0;
    const isBack = this.isOut && this.#isTrying;
    if (isBack) {
      this.isOut = false;
      this.#isTrying = false;
      this.#inAgainAt = now;
    }
    this.isTroubled = this.isOut;
    return isBack;
  }

  /** After the pause a single call may try whether the plugin works again. */
  letTry(now: number): boolean {
    if (this.#isTrying || now < this.#backAt) return false;
    this.#isTrying = true;
    return true;
  }

  #takeOut(now: number): void {
    // A plugin that was in for long is out for the first time again.
    if (!this.isOut && now - this.#inAgainAt > MAX_PAUSE_MS) this.pauseMs = 0;
    this.isOut = true;
    this.#isTrying = false;
    this.#inRow = 0;
    this.#late = 0;
    this.trips++;
    this.pauseMs = this.pauseMs === 0 ? FIRST_PAUSE_MS : Math.min(this.pauseMs * 2, MAX_PAUSE_MS);
    this.#backAt = now + this.pauseMs;
  }
}

/** No hook has more than two arguments besides its context. */
export type AnyHook = (context: PluginContext, a: unknown, b: unknown) => Answer | Promise<Answer>;

/**
 * Where a failure ends the chain with a refusal for now, unless plugin or operator say otherwise. Going on would let the next
 * plugin accept what the failing one might have refused: a recipient, a message, a password.
 */
const DEFERRING: ReadonlySet<SessionHookName> = new Set<SessionHookName>([
  'rcpt',
  'data_headers_end',
  'data_post',
  'queue_pre',
  'queue',
  'auth',
  'auth-plain',
  'auth-login',
  'auth-cram-md5',
  'auth_scram_salt',
  'auth-scram-sha-256',
  'auth-oauthbearer',
  'auth-xoauth2',
  // A user's list may refuse or spare: no other list can stand in for it.
  'user_config',
]);

/**
 * Hooks after the end of data, where clients wait for ten minutes (RFC 5321 section 4.5.3.2.6). To give up early on a
 * delivery that succeeds after all makes the client send the message again.
 */
const PATIENT: ReadonlySet<SessionHookName> = new Set<SessionHookName>([
  'data_post',
  'data_post_headers',
  'queue_pre',
  'queue',
]);
const PATIENT_FACTOR = 10;

/** Durations in milliseconds. */
export class Timing {
  count = 0;
  totalMs = 0;
  longestMs = 0;

  add(ms: number): void {
    this.count++;
    this.totalMs += ms;
    if (ms > this.longestMs) this.longestMs = ms;
  }
}

export class HookStep {
  readonly hook: SessionHookName;
  readonly plugin: LoadedPlugin;
  /** Position of the plugin, and of its context in a session. */
  readonly index: number;
  readonly call: AnyHook;
  /** What the plugin can begin before its turn: a step of its own, as one may work while the other fails. */
  readonly begin: HookStep | undefined;
  /** For the log: `mail`, or `begins.mail`. */
  readonly label: string;
  /** What stands in for the answer when the hook fails. */
  readonly onFailure: Verdict;
  /** Its calls are followed: see plugin-scope.ts. */
  readonly isFollowed: boolean;
  /** It is asked while another hook of the session is. */
  readonly isNested: boolean;
  /** Neither of these, nor asked about a user: calling it needs no further care. */
  readonly isPlain: boolean;
  /** For the flight record. */
  readonly number: number;
  readonly breaker = new Breaker();
  /** What the plugin needs of the configuration and cannot have, as the log has it. */
  lacks: string | undefined = undefined;
  calls = 0;
  failures = 0;
  timeouts = 0;
  /** How long one in 64 calls held up everybody. */
  readonly held = new Timing();
  /** How long each answer that came later was waited for. */
  readonly waited = new Timing();

  constructor(
    hook: SessionHookName,
    plugin: LoadedPlugin,
    index: number,
    call: AnyHook,
    label: string = hook,
  ) {
    const { on_error } = plugin.settings;
    const defers = on_error === undefined ? DEFERRING.has(hook) : on_error === 'defer';
    this.hook = hook;
    this.plugin = plugin;
    this.index = index;
    this.call = call;
    this.label = label;
    const begin = label === hook ? beginOf(plugin, hook) : undefined;
    this.begin = begin && new HookStep(hook, plugin, index, begin, `begins.${hook}`);
    this.number = numberOfCall(plugin.name, label);
    this.onFailure = defers ? internalError : declined;
    this.isFollowed = !plugin.isBuiltIn;
    this.isNested = hook === 'deny' || hook === 'ok';
    this.isPlain = !this.isFollowed && !this.isNested && hook !== 'user_config';
  }

  /** How long an answer is waited for; `defaultMs` is what `plugin_timeout` says. */
  budgetMs(defaultMs: number): number {
    return this.plugin.settings.timeoutMs ?? defaultMs * (PATIENT.has(this.hook) ? PATIENT_FACTOR : 1);
  }
}

const beginOf = ({ begins }: LoadedPlugin, hook: SessionHookName): AnyHook | undefined =>
  (begins as Partial<Record<SessionHookName, AnyHook>> | undefined)?.[hook];

/** How a plugin has fared in one hook since the configuration was read. */
export interface HookStatistics {
  readonly plugin: string;
  readonly hook: SessionHookName;
  readonly calls: number;
  readonly failures: number;
  readonly timeouts: number;
  readonly trips: number;
  readonly isOut: boolean;
  readonly held: Readonly<Pick<Timing, 'count' | 'totalMs' | 'longestMs'>>;
  readonly waited: Readonly<Pick<Timing, 'count' | 'totalMs' | 'longestMs'>>;
}
