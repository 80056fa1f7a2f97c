import { definePlugin, wholeNumber, z } from '../../../bindings/plugin/index.ts';
import { hopList } from '../smtp/hop-list.ts';
import { hopTalkOptions, hopTalkOptionsOf } from '../smtp/hop-option-kinds.ts';
import { openCutThrough } from './smtp-cut-through.ts';

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
