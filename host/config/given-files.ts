/** Configuration files that are given in memory, in place of a directory. */

import { eachLine } from './config-reader.ts';

/** The text of a file, comments and all; its lines; or the number that is all of it. */
export type ConfigFile = string | number | readonly string[];

/** Files by name: `badmailfrom`, `plugins`, `me`. */
export type ConfigFiles = Readonly<Record<string, ConfigFile>>;

/** The lines that count of each file. Throws a `ConfigError` for a text that cannot be read. */
export function linesOfFiles(files: ConfigFiles): Map<string, readonly string[]> {
  return new Map(Object.entries(files).map(([name, file]) => [name, linesOf(name, file)]));
}

function linesOf(name: string, file: ConfigFile): readonly string[] {
  if (typeof file === 'object') return file;
  const lines: string[] = [];
  eachLine(name, Buffer.from(String(file)), (text) => lines.push(text));
  return lines;
}
