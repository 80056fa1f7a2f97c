/** The help texts, made from the option specs. */

import type { OptionSpec } from './option-spec.ts';

/** Usage line, a paragraph, and the options in two columns. */
export function printHelp(usage: string, about: string, specs: readonly OptionSpec[]): string {
  const names = specs.map(nameOf);
  const width = Math.max(...names.map((name) => name.length)) + 2;
  const rows = specs.map((spec, index) => `  ${(names[index] ?? '').padEnd(width)}${spec.help}`);
  return [`usage: ${usage}`, '', about, '', 'options:', ...rows].join('\n');
}

function nameOf({ name, short, value, isRepeatable }: OptionSpec): string {
  const letter = short === undefined ? '    ' : `-${short}, `;
  const placeholder = value === undefined ? '' : ` ${value}`;
  return `${letter}--${name}${placeholder}${isRepeatable === true ? ' ...' : ''}`;
}
