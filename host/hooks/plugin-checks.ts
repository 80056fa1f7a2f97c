/** What plugins look for when `qpsmtpd check` has started them without making anything. */

import { setTimeout as pause } from 'node:timers/promises';
import type { Place } from '../../bindings/plugin/index.ts';
import type { CheckFinding } from '../../bindings/plugin/context.ts';
import { ConfigError, printPlace } from '../errors/error-classes.ts';
import { maskControls } from '../message/field-text.ts';
import { showThrown } from './answer.ts';
import { callInScope } from './plugin-scope.ts';

export type CheckFunction = () => CheckFinding | undefined | Promise<CheckFinding | undefined>;

/** All checks together: an operator waits for them. */
const WITHIN_MS = 60_000;
/** Items of one list that are named. */
const MAX_ITEMS = 100;

interface Check {
  readonly plugin: string;
  readonly place: Place;
  readonly isBuiltIn: boolean;
  readonly check: CheckFunction;
}

/** A headline, what stands below it, and what to do about it. */
export interface CheckNotice {
  readonly headline: string;
  readonly items: readonly string[];
  readonly remedy: string | undefined;
}

export class PluginChecks {
  readonly #checks: Check[] = [];

  add(check: Check): void {
    this.#checks.push(check);
  }

  /** Asks all of them, in the order of their registration. Throws a `ConfigError`, or several, for those that fail or are late. */
  async run(): Promise<readonly CheckNotice[]> {
    const notices = new Map<string, Collected>();
    const problems: ConfigError[] = [];
    const waiting = new AbortController();
    const late = pause(WITHIN_MS, undefined, { signal: waiting.signal }).then(
      () => Promise.reject(new Error(`its check has not ended within ${WITHIN_MS / 1_000} seconds`)),
      () => undefined,
    );
    for (const each of this.#checks) {
      await Promise.race([collect(each, notices), late]).catch((thrown: unknown) => {
        const problem = `${each.plugin}: could not look around: ${showThrown(thrown)}`;
        problems.push(new ConfigError(each.place, problem, undefined, 'Q_PLUGIN_LOAD'));
      });
    }
    waiting.abort();
    if (problems.length > 0) throw new AggregateError(problems, problems[0]!.message);
    return [...notices.values()].map(({ headline, items, remedy }) => ({
      headline,
      items: items.size > MAX_ITEMS ? [...[...items].slice(0, MAX_ITEMS), 'and more'] : [...items],
      remedy,
    }));
  }
}

interface Collected {
  readonly headline: string;
  /** One more than are named, at most. */
  readonly items: Set<string>;
  readonly remedy: string | undefined;
}

/** Lists with the same headline are one, whichever line of `plugins` they come from. */
async function collect(
  { plugin, place, isBuiltIn, check }: Check,
  notices: Map<string, Collected>,
): Promise<void> {
  const call = async (): Promise<void> => {
    const finding = await check();
    if (finding === undefined) return;
    const { headline, items, remedy } =
      typeof finding === 'string'
        ? { headline: 'what plugins have found:', items: [`${printPlace(place)}: ${plugin}: ${finding}`] }
        : finding;
    const key = `${headline}\n${remedy ?? ''}`;
    const collected = notices.get(key) ?? { headline, items: new Set<string>(), remedy };
    for await (const item of items) {
      if (collected.items.size > MAX_ITEMS) break;
      collected.items.add(maskControls(item));
      notices.set(key, collected);
    }
  };
  const blame = (): void => undefined;
  await (isBuiltIn ? call() : callInScope({ plugin, hook: undefined, blame }, call));
}
