import {
  defineOutlet,
  oneOf,
  wholeNumber,
  z,
  type Address,
  type OpenedOutlet,
  type SpoolOptions,
} from '../../bindings/plugin/index.ts';
import { canonicalDomain } from '../../bindings/wire/domain-name.ts';
import { namedReportWay, defaultReportWay, type ReportWayOptions } from './kit/report-way.ts';

const MS = 1_000;
const YEAR = 31_536_000;
/** Where all recipients go to one next hop, this is its name in the index. */
const NEXT_HOP = 'next-hop';
/** Outlets that find the next hop by the recipient's domain. */
const BY_DOMAIN = new Set(['routes', 'mx']);

const options = z
  .object({
    directory: z
      .string()
      .regex(/^\/[\w./+-]*[\w+-]$/, 'must be an absolute path of letters, digits and _ . / + -'),
    /** Whether recipients wait together for one next hop, or for that of their domain. */
    by: oneOf(['hop', 'domain']).optional(),
    /** Seconds. */
    first_retry: wholeNumber(1, YEAR).default(300),
    longest_retry: wholeNumber(1, YEAR).default(14_400),
    life: wholeNumber(1, YEAR).default(432_000),
    delay_notice: wholeNumber(0, YEAR).default(14_400),
    keep_reports: wholeNumber(0, YEAR).default(604_800),
    /** Attempts at a time, in all processes together. */
    connections: wholeNumber(1, 1_000).default(10),
    all_connections: wholeNumber(1, 1_000).default(50),
    max_messages: wholeNumber(1, 10_000_000).default(1_000_000),
    /** Octets. */
    max_octets: wholeNumber(1, 1_000_000_000_000_000).default(10_737_418_240),
    min_free: wholeNumber(0, 1_000_000_000_000_000).default(104_857_600),
    via: z
      .array(z.string())
      .refine((words) => wordsOf(words).via.length > 0, 'names no outlet: `reports via` stands behind it')
      .refine((words) => wordsOf(words).reports?.length !== 0, 'names no outlet behind `reports via`'),
  })
  .refine((given) => given.longest_retry >= given.first_retry, {
    path: ['longest_retry'],
    message: 'must not be shorter than first_retry',
  });

/** Stores messages durably, acknowledges them, and hands them on by another outlet, again and again if need be. */
export default defineOutlet({
  name: 'queue/spool',
  about: 'Stores messages durably and hands them on by another outlet, with retries and reports.',
  options,
  positional: ['directory'],
  rest: 'via',
  outlet: ({ options: given, services, config, log }) => {
    const { via, reports } = wordsOf(given.via);
    const open = (words: string): OpenedOutlet => services.outlets.open(words);
    const outlet = open(via.join(' '));
    const destinationOf = destinationsBy(given.by ?? defaultBy(via), config.me);
    const way: ReportWayOptions = { own: outlet, ownDestinationOf: destinationOf, open, log };
    const terms: SpoolOptions = {
      outlet,
      destinationOf,
      reports:
        reports === undefined
          ? defaultReportWay(way)
          : namedReportWay(reports, destinationsBy(defaultBy(reports), config.me), way),
      firstRetryMs: given.first_retry * MS,
      longestRetryMs: given.longest_retry * MS,
      lifeMs: given.life * MS,
      delayNoticeMs: given.delay_notice * MS,
      keepReportsMs: given.keep_reports * MS,
      perDestination: given.connections,
      inAll: given.all_connections,
      maxMessages: given.max_messages,
      maxOctets: given.max_octets,
      minFreeOctets: given.min_free,
      host: config.me,
      log,
      line: JSON.stringify(given),
    };
    return services.spools.open(given.directory, terms);
  },
});

/** The outlet of the messages, and that of the reports after it. */
function wordsOf(words: readonly string[]): {
  readonly via: readonly string[];
  readonly reports: readonly string[] | undefined;
} {
  const at = words.findIndex((word, index) => word === 'reports' && words[index + 1] === 'via');
  return at < 0
    ? { via: words, reports: undefined }
    : { via: words.slice(0, at), reports: words.slice(at + 2) };
}

const defaultBy = (via: readonly string[]): 'hop' | 'domain' =>
  via.some((word) => BY_DOMAIN.has(word)) ? 'domain' : 'hop';

/** `<postmaster>` without a domain is this host's. RFC 5321 section 4.5.1. */
function destinationsBy(by: 'hop' | 'domain', me: string): (address: Address) => string {
  if (by === 'hop') return () => NEXT_HOP;
  const own = canonicalDomain(me) ?? me;
  return ({ canonicalDomain: canonical, domain }) => (domain === '' ? own : (canonical ?? domain));
}
