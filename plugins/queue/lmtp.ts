import { defineOutlet, wholeNumber, z } from '../../bindings/plugin/index.ts';
import { hopList, hopOptions, hopOptionsOf } from './smtp/hop-option-kinds.ts';
import { openHops } from './smtp/hops.ts';

/** Hands mail to a mail store by LMTP, which answers for each recipient. RFC 2033. */
export default defineOutlet({
  name: 'queue/lmtp',
  about: 'Hands mail to a mail store by LMTP, over TCP or a Unix socket.',
  isLocal: true,
  options: z.object({ host: hopList(), port: wholeNumber(1, 65_535).optional(), ...hopOptions }),
  positional: ['host', 'port'],
  switches: ['xclient', 'xforward'],
  outlet(setup) {
    const { host, port } = setup.options;
    const hosts = host.map((each) => ({ port, ...each }));
    return openHops({ ...hopOptionsOf(setup), protocol: 'lmtp', hosts }, setup);
  },
});
