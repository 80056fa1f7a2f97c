/** The hooks that run outside any session: `config` and `post-fork`. */

import { LogLevel, type Answer, type HookName } from '../../bindings/plugin/index.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import { SourceSilent, type ConfigSource } from '../config/consulted-lists.ts';
import type { Logger } from '../observe/logger.ts';
import { flightRecord, LAST_CALL, LAST_SEAT, NO_SEAT, numberOfCall } from '../observe/flight-record.ts';
import { isPromise, isVerdict, showThrown } from './answer.ts';
import type { HookLimits } from './hook-caller.ts';
import type { LoadedPlugin } from './loaded-plugin.ts';
import { PendingAnswer } from './pending-answer.ts';
import { callInScope, type PluginCall } from './plugin-scope.ts';

/**
 * Asks the hook `config` of each plugin until one says OK; the lines of its verdict stand for the file. One that fails or
 * puts off may have lines that only it knows: unless another has some, the name is unknown. A plugin that reads configuration inside its own `config` hook gets the file, not itself again. Undefined if no plugin has
 * the hook.
 */
export function configSource(plugins: readonly LoadedPlugin[], logger: Logger): ConfigSource | undefined {
  const sources = plugins.filter(({ hooks }) => hooks.config !== undefined);
  if (sources.length === 0) return undefined;
  const running = new Set<LoadedPlugin>();
  const complaints = new Set<string>();
  const ask = (plugin: LoadedPlugin, name: string): readonly string[] | SourceSilent | undefined => {
    if (running.has(plugin)) return undefined;
    running.add(plugin);
    const about = `${plugin.name} ${name}`;
    try {
      const answer = askForConfig(plugin, name, logger);
      complaints.delete(about);
      if (!isVerdict(answer)) return undefined;
      if (answer.code === ReturnCode.OK) return answer.lines;
      return answer.code === ReturnCode.DENYSOFT
        ? new SourceSilent(name, `plugin ${plugin.name}: ${answer.lines.join(' ') || "can't tell now"}`)
        : undefined;
    } catch (thrown) {
      // Asked every second, a plugin that fails would fill the log.
      if (!complaints.has(about)) report(logger, plugin, 'config', thrown);
      complaints.add(about);
      return new SourceSilent(name, `plugin ${plugin.name} has failed`);
    } finally {
      running.delete(plugin);
    }
  };
  return (name) => {
    let silent: SourceSilent | undefined;
    for (const plugin of sources) {
      const answer = ask(plugin, name);
      if (answer instanceof SourceSilent) silent ??= answer;
      else if (answer !== undefined) return answer;
    }
    if (silent !== undefined) throw silent;
    return undefined;
  };
}

function askForConfig(plugin: LoadedPlugin, name: string, logger: Logger): Answer {
  const answer = following(plugin, 'config', logger, () => plugin.hooks.config!(plugin, name));
  if (!isPromise(answer)) return answer;
  answer.then(undefined, (thrown: unknown) => report(logger, plugin, 'config', thrown));
  throw new TypeError('the hook must answer at once, not with a promise');
}

/**
 * Tells every plugin that clients are about to come: this process has started, or has read its configuration anew. Resolves
 * when the last is done or has used up its time; never rejects.
 */
export async function runPostFork(
  plugins: readonly LoadedPlugin[],
  logger: Logger,
  { deadlines, budgetMs }: HookLimits,
): Promise<void> {
  for (const plugin of plugins) {
    const hook = plugin.hooks['post-fork'];
    if (hook === undefined) continue;
    try {
      const answer = following(plugin, 'post-fork', logger, async () => hook(plugin));
      const budget = plugin.settings.timeoutMs ?? budgetMs();
      await new PendingAnswer(answer, deadlines, budget, {
        answered: () => undefined,
        failed: (thrown) => report(logger, plugin, 'post-fork', thrown),
        late: () => undefined,
      }).settled;
    } catch (thrown) {
      report(logger, plugin, 'post-fork', thrown);
    }
  }
}

/** Errors after the call are reported as those of the hook. */
function following<R>(plugin: LoadedPlugin, hook: HookName, logger: Logger, call: () => R): R {
  flightRecord[LAST_CALL] = numberOfCall(plugin.name, hook);
  flightRecord[LAST_SEAT] = NO_SEAT;
  if (plugin.isBuiltIn) return call();
  const owner: PluginCall = {
    plugin: plugin.name,
    hook,
    blame: (thrown) => report(logger, plugin, hook, thrown),
  };
  return callInScope(owner, call);
}

function report(logger: Logger, { name }: LoadedPlugin, hook: HookName, thrown: unknown): void {
  logger.log(LogLevel.CRIT, `FATAL PLUGIN ERROR [${name}]: hook ${hook}: ${showThrown(thrown)}`, {
    plugin: name,
    hook,
  });
}
