/** Keeps plugins from ending the process: what would end it is an error of the plugin instead. */

import { runningCharge } from './plugin-scope.ts';

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
  const original = owner[name] as (...words: unknown[]) => unknown;
  owner[name] = (...words: unknown[]): unknown => {
    if (runningCharge() === undefined || !ends(words[0])) return Reflect.apply(original, owner, words);
    throw new Error(`a plugin must not end the process: process.${name}(${words.map(String).join(', ')})`);
  };
}
