import type { LogEvent } from './hooks.ts';

/**
 * A line of the log in qpsmtpd's form: `PID (hook) plugin: text`. One process serves many connections, so the
 * connection stands after the process id where there is one.
 */
export function formatLogLine(event: LogEvent, processId: number): string {
  const { text, plugin, hook, connectionId } = event;
  const session = connectionId === undefined ? '' : ` [${connectionId}]`;
  return `${processId}${session}${source(plugin, hook)} ${text}`;
}

function source(plugin: string | undefined, hook: string | undefined): string {
  if (plugin === undefined) return hook === undefined ? '' : ` (${hook}) running plugin:`;
  return hook === undefined ? ` ${plugin}:` : ` (${hook}) ${plugin}:`;
}

/**
 * A line as qpsmtpd's other logging plugins write it, with something else than the process in front: `NAME plugin
 * plugin: text`.
 */
export function formatNamedLine(name: string, { text, plugin, hook }: LogEvent): string {
  if (plugin !== undefined) return `${name} ${plugin} plugin: ${text}`;
  return hook === undefined ? `${name} ${text}` : `${name} running plugin (${hook}): ${text}`;
}
