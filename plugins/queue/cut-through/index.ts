import { type CutThrough, definePlugin, wholeNumber, z } from '../../../bindings/plugin/index.ts';
import { hopList, hopTalkOptions, hopTalkOptionsOf } from '../smtp/hop-option-kinds.ts';
import type { CutThroughOptions } from '../smtp/hop-options.ts';
import { connectionOptions, type HopSetup } from '../smtp/hops.ts';
import { HopFinder } from './hop-finder.ts';
import { SmtpCutThroughTransaction } from './smtp-cut-through-transaction.ts';

const SECOND_MS = 1_000;

/** Has the next hop decide while the client speaks, and keeps nothing. RFC 5321 section 3.7. */
export default definePlugin({
  name: 'queue/cut-through',
  about: 'Takes transactions to a next hop while they happen; the client hears what the hop says.',
  options: z.object({
    host: hopList(),
    port: wholeNumber(1, 65_535).optional(),
    ...hopTalkOptions,
    /** One for each client that has a recipient. */
    connections: wholeNumber(1, 100_000).default(100),
    /** Until a host is found. */
    within: wholeNumber(1, 3_600).default(60),
  }),
  positional: ['host', 'port'],
  switches: ['xclient', 'xforward'],
  cutThrough(setup) {
    const { host, port, connections, within } = setup.options;
    const hosts = host.map((each) => ({ port, ...each }));
    const options = { ...hopTalkOptionsOf(setup), hosts, connections, withinMs: within * SECOND_MS };
    return openCutThrough(options, setup.services);
  },
  hooks: {},
});

/** Takes transactions to next hops while they happen. Throws as `openHops` does. */
export function openCutThrough(options: CutThroughOptions, services: HopSetup['services']): CutThrough {
  const talk = connectionOptions(options, 'smtp', services);
  const { hosts, withinMs = 120_000, connections = 100 } = options;
  const finder = new HopFinder({ ...talk, hosts, withinMs, connections });
  return { begin: () => new SmtpCutThroughTransaction(finder, talk) };
}
