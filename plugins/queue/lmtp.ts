import {
  defineOutlet,
  hopList,
  hopOptions,
  hopOptionsOf,
  wholeNumber,
  z,
} from '../../bindings/plugin/index.ts';

/** Hands mail to a mail store by LMTP, which answers for each recipient. RFC 2033. */
export default defineOutlet({
  name: 'queue/lmtp',
  about: 'Hands mail to a mail store by LMTP, over TCP or a Unix socket.',
  isLocal: true,
  options: z.object({ host: hopList(), port: wholeNumber(1, 65_535).optional(), ...hopOptions }),
  positional: ['host', 'port'],
  switches: ['xclient', 'xforward'],
  outlet: ({ options, config, log, services }) =>
    services.hops.open({
      ...hopOptionsOf({ options, config, log, services }),
      protocol: 'lmtp',
      hosts: options.host.map((host) => ({ port: options.port, ...host })),
    }),
});
