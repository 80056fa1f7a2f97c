/** The hooks that run outside any session: `config` and `post-fork`. */

import { LogLevel, ReturnCode, type HookName } from '../../bindings/plugin/index.ts';
import type { Logger } from '../observe/logger.ts';
import { isPromise, isVerdict, showThrown } from './answer.ts';
import type { LoadedPlugin } from './loaded-plugin.ts';

/** The lines that plugins have for a configuration file, or undefined: then the file itself is read. */
export type ConfigSource = (name: string) => readonly string[] | undefined;

/**
 * Asks the hook `config` of each plugin until one says OK; the lines of its verdict stand for the file. A plugin
 * that reads configuration inside its own `config` hook gets the file, not itself again.
 */
export function configSource(plugins: readonly LoadedPlugin[], logger: Logger): ConfigSource {
  const sources = plugins.filter(({ hooks }) => hooks.config !== undefined);
  const running = new Set<LoadedPlugin>();
  const ask = (plugin: LoadedPlugin, name: string): readonly string[] | undefined => {
    if (running.has(plugin)) return undefined;
    running.add(plugin);
    try {
      const answer = plugin.hooks.config!(plugin, name);
      if (isPromise(answer)) {
        answer.then(undefined, (thrown: unknown) => report(logger, plugin, 'config', thrown));
        throw new TypeError('the hook must answer at once, not with a promise');
      }
      return isVerdict(answer) && answer.code === ReturnCode.OK ? answer.lines : undefined;
    } catch (thrown) {
      report(logger, plugin, 'config', thrown);
      return undefined;
    } finally {
      running.delete(plugin);
    }
  };
  return (name) => {
    for (const plugin of sources) {
      const lines = ask(plugin, name);
      if (lines !== undefined) return lines;
    }
    return undefined;
  };
}

/** Tells every plugin that this process has started. Resolves when the last is done; never rejects. */
export async function runPostFork(plugins: readonly LoadedPlugin[], logger: Logger): Promise<void> {
  for (const plugin of plugins) {
    try {
      await plugin.hooks['post-fork']?.(plugin);
    } catch (thrown) {
      report(logger, plugin, 'post-fork', thrown);
    }
  }
}

function report(logger: Logger, { name }: LoadedPlugin, hook: HookName, thrown: unknown): void {
  logger.log(LogLevel.CRIT, `FATAL PLUGIN ERROR [${name}]: hook ${hook}: ${showThrown(thrown)}`, {
    plugin: name,
    hook,
  });
}
