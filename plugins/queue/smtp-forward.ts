import {
  decline,
  defineOutlet,
  hopList,
  hopOptions,
  hopOptionsOf,
  ok,
  verdictOf,
  wholeNumber,
  z,
} from '../../bindings/plugin/index.ts';

const UNABLE = 'Unable to queue message';

/** Hands mail to a next hop by SMTP while the client waits. RFC 5321 section 3.6. */
export default defineOutlet({
  name: 'queue/smtp-forward',
  about: 'Hands mail on by SMTP, and answers what the next hop answers.',
  options: z.object({ host: hopList(), port: wholeNumber(1, 65_535).optional(), ...hopOptions }),
  positional: ['host', 'port'],
  switches: ['xclient', 'xforward'],
  outlet: ({ options, config, log, services }) =>
    services.hops.open({
      ...hopOptionsOf({ options, config, log, services }),
      hosts: options.host.map((host) => ({ port: options.port, ...host })),
    }),
  /** As in qpsmtpd the next queue plugin is asked where no hop has heard of the message; the hop's own words count. */
  verdict(report) {
    const verdict = verdictOf(report);
    if (report.every(({ hop }) => hop === undefined)) {
      const text = verdict.lines.join(' ');
      return decline(text.startsWith(UNABLE) ? text : `${UNABLE} (${text})`);
    }
    if (report.some(({ kind }) => kind !== 'delivered')) return verdict;
    return ok(`queued as ${verdict.lines.at(-1)?.split(' ').at(-1) ?? ''}`);
  },
});
