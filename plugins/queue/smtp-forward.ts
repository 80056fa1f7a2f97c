import {
  decline,
  defineOutlet,
  dsn,
  ok,
  oneOf,
  verdictOf,
  withReplyCode,
  wholeNumber,
  z,
  type Outlet,
  type Setup,
} from '../../bindings/plugin/index.ts';
import { openMailExchange } from './mx/mail-exchange.ts';
import { hopList, hopOptions, hopOptionsOf } from './smtp/hop-option-kinds.ts';
import { openHops } from './smtp/hops.ts';

const UNABLE = 'Unable to queue message';

const options = z.object({
  /** `mx` alone, without a port of its own: the hosts of each recipient's domain. */
  host: hopList(),
  port: wholeNumber(1, 65_535).optional(),
  /** Which policies of the domains are looked for. */
  policies: oneOf(['all', 'dane', 'mta-sts', 'none']).optional(),
  ...hopOptions,
});

type ForwardOptions = z.output<typeof options>;

/** Options about one hop: by MX the domains have the say, and strangers are told nothing about our clients. */
const FOR_ONE_HOP = [
  ...(['tls', 'tls_ca', 'tls_cert', 'tls_key', 'tls_name', 'auth', 'auth_clear'] as const),
  ...(['xclient', 'xforward', 'proxy'] as const),
];

/** Hands mail to a next hop by SMTP while the client waits. RFC 5321 section 3.6. */
export default defineOutlet({
  name: 'queue/smtp-forward',
  about: 'Hands mail on by SMTP, and answers what the next hop answers.',
  options,
  positional: ['host', 'port'],
  switches: ['xclient', 'xforward'],
  outlet(setup) {
    const { options } = setup;
    if (isByMx(options)) return openByMx(setup);
    if (options.policies !== undefined) throw new Error('`policies` goes with the host `mx` alone');
    const hosts = options.host.map((host) => ({ port: options.port, ...host }));
    return openHops({ ...hopOptionsOf(setup), hosts }, setup);
  },
  hooks: ({ options }) => ({
    /** Asked only where this line stands before those that accept recipients. RFC 5321 section 4.5.3.1.10. */
    rcpt({ transaction: { recipients } }, { canonicalDomain: domain }) {
      const isOther = recipients.some(({ address }) => address.canonicalDomain !== domain);
      return isOther && isByMx(options)
        ? withReplyCode(dsn.tooManyRcpts('One destination at a time.'), 452)
        : undefined;
    },
  }),
  /** As in qpsmtpd the next queue plugin is asked where no hop has heard of the message; the hop's own text counts. */
  verdict(report) {
    const verdict = verdictOf(report);
    if (report.every(({ hop, kind }) => hop === undefined && kind === 'deferred')) {
      const text = verdict.lines.join(' ');
      if (text === '') return decline(UNABLE);
      return decline(text.startsWith(UNABLE) ? text : `${UNABLE} (${text})`);
    }
    if (report.some(({ kind }) => kind !== 'delivered')) return verdict;
    const id = verdict.lines.at(-1)?.split(' ').at(-1);
    return id === undefined ? verdict : ok(`queued as ${id}`);
  },
});

/** A host of that name is written with its port: `mx:25`. */
const isByMx = ({ host: [first, ...others] }: ForwardOptions): boolean =>
  others.length === 0 && first?.name === 'mx' && first.port === undefined && first.path === undefined;

function openByMx(setup: Setup<ForwardOptions>): Outlet {
  const { options, config } = setup;
  const { policies = 'all', port } = options;
  const stray = FOR_ONE_HOP.find((name) => isGiven(options, name));
  if (stray !== undefined) {
    throw new Error(
      `\`${stray}\` is for hosts that are named; with \`mx\` each domain says which they are and how safely`,
    );
  }
  const mxOptions = {
    ...hopOptionsOf(setup),
    port,
    ownNames: [config.me],
    isDaneUsed: policies === 'all' || policies === 'dane',
    isStsUsed: policies === 'all' || policies === 'mta-sts',
  };
  return openMailExchange(mxOptions, setup);
}

function isGiven(options: ForwardOptions, name: (typeof FOR_ONE_HOP)[number]): boolean {
  const value = options[name];
  return name === 'proxy' ? value !== 'none' : value !== undefined && value !== false;
}
