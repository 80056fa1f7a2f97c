/** The plugins with a `logging` hook, as the sinks of the log. */

import { formatLogLine, type LogEvent, type Setup } from '../../bindings/plugin/index.ts';
import { flightRecord, LAST_CALL, numberOfCall } from '../observe/flight-record.ts';
import { silence, type LogSink } from '../observe/logger.ts';
import { isPromise, showThrown } from './answer.ts';
import type { LoadedPlugin } from './loaded-plugin.ts';
import { callInScope, type PluginCall } from './plugin-scope.ts';

/**
 * One sink for each logging plugin, in their order. What can't go through them goes to `writeError`, which must not
 * lead back into the log: a sink that fails, and lines that would feed the log with itself for ever. Those are lines
 * written while a logging hook runs, and lines a logging plugin writes outside any hook, such as after an `await`.
 */
export function loggingSinks(
  plugins: readonly LoadedPlugin[],
  writeError: (line: string) => void,
): LogSink[] {
  const sources = plugins.filter(({ hooks }) => hooks.logging !== undefined);
  const names: ReadonlySet<string | undefined> = new Set(sources.map(({ name }) => name));
  let isRunning = false;
  return sources.map((plugin, index) => {
    const hand = handTo(plugin, writeError);
    const write = (event: LogEvent): void => {
      if (isRunning || (event.hook === undefined && names.has(event.plugin))) {
        if (index === 0) writeError(formatLogLine(event, plugin.services.system.processId));
        return;
      }
      isRunning = true;
      hand(event);
      isRunning = false;
    };
    return { upTo: plugin.logsUpTo, write };
  });
}

/** Gives a line to the plugin, whose own log is silent meanwhile. Never throws. */
function handTo(plugin: LoadedPlugin, writeError: (line: string) => void): LogSink['write'] {
  const { name, options, config, services, onClose, onCheck } = plugin;
  const setup: Setup<unknown> = { name, options, config, services, log: silence, onClose, onCheck };
  const logging = plugin.hooks.logging!;
  const failed = (thrown: unknown): void =>
    writeError(`logging plugin ${name} failed: ${showThrown(thrown)}`);
  const owner: PluginCall = { plugin: name, hook: 'logging', blame: failed };
  const number = numberOfCall(name, 'logging');
  return (event) => {
    // A line is written in the middle of another plugin's hook, and the record must go on naming that one.
    const outer = flightRecord[LAST_CALL]!;
    flightRecord[LAST_CALL] = number;
    try {
      const answer = plugin.isBuiltIn ? logging(setup, event) : callInScope(owner, logging, setup, event);
      if (isPromise(answer)) answer.then(undefined, failed);
    } catch (thrown) {
      failed(thrown);
    }
    flightRecord[LAST_CALL] = outer;
  };
}
