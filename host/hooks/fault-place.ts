/** Where in a plugin's code something went wrong, for those who have to mend it. */

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesOf } from './code-version.ts';

const CHECK_WITHIN_MS = 10_000;
/** Of what the plugin imports by relative paths, the plugin itself first. */
const MAX_FILES = 20;

/**
 * ` (FILE:LINE)` for what was thrown while the plugin in `path` was loaded or set up; empty if it is unknown. An error
 * of the syntax has no place in Node, except where the program dies of it: the parser of another Node is asked.
 */
export async function placeOfLoadFault(path: string, thrown: unknown): Promise<string> {
  const place =
    thrown instanceof SyntaxError
      ? (placeOfImport(path, thrown) ?? (await placeInSyntax(path)))
      : placeInStack(path, thrown);
  return place === undefined ? '' : ` (${place})`;
}

/** The innermost call in one of the plugin's own files. */
export function placeInStack(path: string, thrown: unknown): string | undefined {
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : '';
  const own = new Set(filesOf(path));
  for (const [, url = '', line] of stack.matchAll(/(file:\/\/[^\s()]+?):(\d+):\d+\)?$/gm)) {
    const file = fileURLToPath(url.replace(/\?.*$/, ''));
    if (own.has(file)) return `${file}:${line}`;
  }
  return undefined;
}

/** Where a name is imported that the module has not: Node puts the place in front of the stack. */
function placeOfImport(path: string, { stack = '' }: SyntaxError): string | undefined {
  const [, url = '', line] = /^(file:\/\/\S+?)(?:\?\S*)?:(\d+)\n/.exec(stack) ?? [];
  if (url === '') return undefined;
  const file = fileURLToPath(url);
  return filesOf(path).includes(file) ? `${file}:${line}` : undefined;
}

async function placeInSyntax(path: string): Promise<string | undefined> {
  for (const file of filesOf(path).slice(0, MAX_FILES)) {
    const line = await lineOfSyntaxError(file);
    if (line !== undefined) return `${file}:${line}`;
  }
  return undefined;
}

/** Nothing of the file is run. Undefined if it can be parsed, or not be read. */
async function lineOfSyntaxError(file: string): Promise<string | undefined> {
  const text = await readFile(file).catch(() => undefined);
  if (text === undefined) return undefined;
  const type = extname(file) === '.ts' ? 'module-typescript' : 'module';
  return await new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['--check', `--input-type=${type}`, '-'],
      { timeout: CHECK_WITHIN_MS, env: {} },
      (error, _out, complaint) => resolve(error === null ? undefined : /^\S+:(\d+)$/m.exec(complaint)?.[1]),
    );
    child.on('error', () => undefined);
    child.stdin?.on('error', () => undefined).end(text);
  });
}
