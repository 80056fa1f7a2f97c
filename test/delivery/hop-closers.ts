/** Hops and outlets that end with the test that started them. */

import { onTestFinished } from 'vitest';
import type { HopOptions, HopOutlet } from '../../plugins/queue/smtp/hop-options.ts';
import { outletTo } from './mail-object.ts';
import { ScriptedHop, type Script } from './scripted-hop.ts';

export const closeLater = (close: () => Promise<void> | void): void => onTestFinished(close);

export async function hopWith(script: Script = {}, where: { path?: string } = {}): Promise<ScriptedHop> {
  const hop = await ScriptedHop.start(script, where);
  closeLater(() => hop.close());
  return hop;
}

export function outlet(
  hops: readonly ScriptedHop[],
  options: Partial<HopOptions> = {},
): HopOutlet & { readonly log: string[] } {
  const made = outletTo(hops, options);
  closeLater(() => made.close());
  return made;
}
