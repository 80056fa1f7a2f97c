/**
 * Which plugin is to blame for an error that reached nobody: calls of plugins run inside a scope that follows their timers,
 * promises and event emitters, so that what fails there later is charged to the plugin, its hook and its session.
 *
 * Following costs a hook call some 15 ns, and every promise of the process some 90 ns from the first scope on. Plugins that
 * come with the server have neither timers nor emitters, and their promises are awaited: they run without a scope.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { HookName } from '../../bindings/plugin/index.ts';

/** A call of a plugin, as long as anything it began goes on. */
export interface Charge {
  readonly plugin: string;
  /** Undefined while the plugin is loaded. */
  readonly hook: HookName | undefined;
  /** Takes an error that was thrown, rejected or emitted where nobody was listening. Never throws. */
  blame(thrown: unknown): void;
}

const charges = new AsyncLocalStorage<Charge>();
/** What to do about errors whose scope is lost, by the file of the plugin as it stands in stacks. */
const byFile = new Map<string, (thrown: unknown) => void>();

/** Calls `call`; whatever it leaves behind belongs to `charge`. */
export function callInScope<A extends unknown[], R>(
  charge: Charge,
  call: (...words: A) => R,
  ...words: A
): R {
  return charges.run(charge, call, ...words);
}

/** The call of a plugin that is running now, or whose timer, promise or emitter is. */
export const runningCharge = (): Charge | undefined => charges.getStore();

/** Errors whose stack leads through `url` go to `blame`, where no scope says more. A later call replaces the first. */
export function blameFile(url: string, blame: (thrown: unknown) => void): void {
  byFile.set(url, blame);
}

/**
 * Charges an error that nobody caught to the plugin it came from; false if it came from none. Node loses the scope of
 * microtasks, so the stack is asked where there is none.
 */
export function chargeError(thrown: unknown): boolean {
  const charge = charges.getStore();
  if (charge !== undefined) {
    charge.blame(thrown);
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
