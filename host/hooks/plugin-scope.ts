/**
 * Finds the plugin that caused an uncaught error: calls of plugins run inside a scope that follows their timers,
 * promises and event emitters, so that what fails there later belongs to the plugin, its hook and its session.
 *
 * Following costs a hook call some 15 ns, and every promise of the process some 90 ns from the first scope on. Plugins
 * that come with the server have neither timers nor emitters, and their promises are awaited: they run without a scope.
 *
 * The scope also keeps plugins from ending the process: what would end it is an error of the plugin instead.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { HookName } from '../../bindings/plugin/index.ts';

/** A call of a plugin, as long as anything it began goes on. */
export interface PluginCall {
  readonly plugin: string;
  /** Undefined while the plugin is loaded. */
  readonly hook: HookName | undefined;
  /** Takes an error that was thrown, rejected or emitted without a handler. Never throws. */
  blame(thrown: unknown): void;
}

const scopes = new AsyncLocalStorage<PluginCall>();
/** What to do about errors whose scope is lost, by the file of the plugin as it stands in stacks. */
const byFile = new Map<string, (thrown: unknown) => void>();

/** Calls `call`; whatever it leaves behind belongs to `owner`. */
export function callInScope<A extends unknown[], R>(
  owner: PluginCall,
  call: (...args: A) => R,
  ...args: A
): R {
  return scopes.run(owner, call, ...args);
}

/** The call of a plugin that is running now, or whose timer, promise or emitter is. */
export const runningCall = (): PluginCall | undefined => scopes.getStore();

/** Errors whose stack leads through `url` go to `blame`, where no scope says more. A later call replaces the first. */
export function blameFile(url: string, blame: (thrown: unknown) => void): void {
  byFile.set(url, blame);
}

/**
 * Attributes an uncaught error to the plugin it came from; false if it came from none. Node loses the scope of
 * microtasks, so the stack is asked where there is none.
 */
export function attributeError(thrown: unknown): boolean {
  const owner = scopes.getStore();
  if (owner !== undefined) {
    owner.blame(thrown);
    return true;
  }
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  if (typeof stack !== 'string') return false;
  for (const [url, blame] of byFile) {
    if (!stack.includes(url)) continue;
    blame(thrown);
    return true;
  }
  return false;
}

type Ending = 'exit' | 'reallyExit' | 'abort';
const ENDINGS: readonly Ending[] = ['exit', 'reallyExit', 'abort'];

let isGuarded = false;

/** From the first call on, ways to end the process work for the server and throw for plugins. */
export function guardExits(): void {
  if (isGuarded) return;
  isGuarded = true;
  for (const ending of ENDINGS) guard(process as unknown as Record<string, unknown>, ending);
  guard(
    process as unknown as Record<string, unknown>,
    'kill',
    (pid) => pid === 0 || Math.abs(Number(pid)) === process.pid,
  );
}

function guard(
  owner: Record<string, unknown>,
  name: string,
  ends: (argument: unknown) => boolean = () => true,
): void {
  const original = owner[name] as (...args: unknown[]) => unknown;
  owner[name] = (...args: unknown[]): unknown => {
    if (runningCall() === undefined || !ends(args[0])) return Reflect.apply(original, owner, args);
    throw new Error(`a plugin must not end the process: process.${name}(${args.map(String).join(', ')})`);
  };
}
