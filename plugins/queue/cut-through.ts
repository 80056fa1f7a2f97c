import {
  definePlugin,
  hopList,
  hopTalkOptions,
  hopTalkOptionsOf,
  wholeNumber,
  z,
} from '../../bindings/plugin/index.ts';

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
  cutThrough: ({ options, config, log, services }) =>
    services.hops.cutThrough({
      ...hopTalkOptionsOf({ options, config, log, services }),
      hosts: options.host.map((host) => ({ port: options.port, ...host })),
      connections: options.connections,
      withinMs: options.within * SECOND_MS,
    }),
  hooks: {},
});
