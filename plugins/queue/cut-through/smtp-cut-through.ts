import type { CutThrough } from '../../../bindings/plugin/index.ts';
import type { CutThroughOptions } from '../smtp/hop-options.ts';
import { connectionOptions, type HopSetup } from '../smtp/hops.ts';
import { HopFinder } from './hop-finder.ts';
import { SmtpCutThroughTransaction } from './smtp-cut-through-transaction.ts';

/** Takes transactions to next hops while they happen. Throws as `openHops` does. */
export function openCutThrough(options: CutThroughOptions, services: HopSetup['services']): CutThrough {
  const talk = connectionOptions(options, 'smtp', services);
  const { hosts, withinMs = 120_000, connections = 100 } = options;
  const finder = new HopFinder({ ...talk, hosts, withinMs, connections });
  return { begin: () => new SmtpCutThroughTransaction(finder, talk) };
}
