/** Hops and outlets that end with the test that started them. */

import { afterEach } from 'vitest';
import type { HopOptions, HopOutlet } from '../../plugins/queue/smtp/hop-options.ts';
import { outletTo } from './mail-object.ts';
import { ScriptedHop, type Script } from './scripted-hop.ts';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

export const closeLater = (close: () => Promise<void> | void): void => void closers.push(close);

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
