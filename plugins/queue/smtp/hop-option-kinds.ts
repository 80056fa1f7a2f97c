/** The options of every plugin that hands mail to next hops, and the hops as they are written there. */

import { flag, type Log, oneOf, type Setup, wholeNumber, z } from '../../../bindings/plugin/index.ts';
import { ClientIntroduction } from './client-introduction.ts';
import type { CutThroughOptions, HopHost, HopOptions, TlsDemand } from './hop-options.ts';

const SECOND_MS = 1_000;
const path = () => z.string().regex(/^\//, 'must be a path that begins with /');

/** How plugins talk to next hops. Add them to the plugin's own: `z.object({ ...hopTalkOptions, host: hopList() })`. */
export const hopTalkOptions = {
  helo: z
    .string()
    .regex(/^[A-Za-z0-9._:[\]-]{1,255}$/, 'must be a host name or an address in brackets')
    .optional(),
  tls: oneOf(['none', 'opportunistic', 'required', 'verified', 'implicit', 'implicit-verified']).optional(),
  tls_ca: path().optional(),
  tls_cert: path().optional(),
  tls_key: path().optional(),
  tls_name: z.string().optional(),
  tls_min: oneOf(['1.2', '1.3']).default('1.2'),
  auth: path().optional(),
  auth_clear: flag().default(false),
  eightbit: oneOf(['refuse', 'send']).default('refuse'),
  idle: wholeNumber(0, 3_600).default(15),
  connect_timeout: wholeNumber(1, 600).default(15),
  reply_timeout: wholeNumber(1, 1_800).default(60),
  end_timeout: wholeNumber(1, 3_600).default(240),
  /** What the hop is told about the client. */
  xclient: flag().default(false),
  xforward: flag().default(false),
  proxy: oneOf(['none', 'v2']).default('none'),
} as const;

/** Those and what outlets need besides, whose connections are shared. */
export const hopOptions = {
  ...hopTalkOptions,
  connections: wholeNumber(1, 1_000).default(10),
  messages: wholeNumber(1, 100_000).default(1_000),
  waiting: wholeNumber(0, 100_000).default(1_000),
  within: wholeNumber(1, 3_600).default(270),
} as const;

type HopTalkLine = z.output<z.ZodObject<typeof hopTalkOptions>>;
type HopLine = z.output<z.ZodObject<typeof hopOptions>>;
type Given<W> = Pick<Setup<W>, 'options' | 'config' | 'log'>;

/** What `openHops` needs, but for the hosts and the protocol. */
export function hopOptionsOf(given: Given<HopLine>): Omit<HopOptions, 'hosts' | 'protocol'> {
  const { within, connections, messages, waiting } = given.options;
  return { ...hopTalkOptionsOf(given), withinMs: within * SECOND_MS, connections, messages, waiting };
}

/** What talking to hops needs, but for the hosts and the limits. */
export function hopTalkOptionsOf({
  options,
  config,
  log,
}: Given<HopTalkLine>): Omit<CutThroughOptions, 'hosts' | 'withinMs' | 'connections'> {
  const connectMs = options.connect_timeout * SECOND_MS;
  const replyMs = options.reply_timeout * SECOND_MS;
  return {
    helloName: options.helo ?? config.me,
    tls: demandOf(options),
    tlsFiles: { authorities: options.tls_ca, certificate: options.tls_cert, key: options.tls_key },
    loginFile: options.auth,
    allowsClearLogin: options.auth_clear,
    timeouts: {
      connectMs,
      greetingMs: replyMs,
      helloMs: replyMs,
      mailMs: replyMs,
      rcptMs: replyMs,
      dataMs: replyMs,
      blockMs: replyMs,
      endMs: options.end_timeout * SECOND_MS,
    },
    idleMs: options.idle * SECOND_MS,
    eightBit: options.eightbit,
    introduction: introductionOf(options, log),
    log,
  };
}

function introductionOf({ xclient, xforward, proxy }: HopTalkLine, log: Log): ClientIntroduction | undefined {
  const wanted = { xclient, xforward, proxy: proxy === 'v2' };
  return Object.values(wanted).includes(true) ? new ClientIntroduction(wanted, log) : undefined;
}

/** A login says a password: with nothing said of TLS it goes to a hop with a good certificate alone. */
function demandOf({ tls, auth, auth_clear, tls_name, tls_min }: HopTalkLine): TlsDemand {
  const wanted = tls ?? (auth !== undefined && !auth_clear ? 'verified' : 'opportunistic');
  const [isImplicit, level] =
    wanted === 'implicit' || wanted === 'implicit-verified'
      ? [true, wanted === 'implicit' ? ('required' as const) : ('verified' as const)]
      : [false, wanted];
  return {
    level,
    isImplicit,
    minimumVersion: `TLSv${tls_min}`,
    ...(tls_name !== undefined && { names: [tls_name], serverName: tls_name }),
  };
}

const MAX_PORT = 65_535;
const MAX_HOPS = 64;
const UNIX = /^unix:(\/[^\s*]+)$/;
const PLACE =
  /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?))(?::(\d{1,5}))?(?:\*(\d{1,4}))?$/;

const RULE = 'must be hosts such as mx1.example:25*3,[2001:db8::1],unix:/run/lmtp.sock';

/**
 * `HOST[:PORT][*WEIGHT]` with commas between, IPv6 addresses in brackets; `unix:PATH` for a Unix socket. The greater its
 * weight, the more of the mail a host gets.
 */
export const hopList = () =>
  z.string().transform((text, context): readonly HopHost[] => {
    const hosts = text.split(',').map(parseHop);
    const known = hosts.filter((host) => host !== undefined);
    if (known.length === hosts.length && hosts.length <= MAX_HOPS) return known;
    context.addIssue({ code: 'custom', message: RULE });
    return z.NEVER;
  });

function parseHop(text: string): HopHost | undefined {
  const path = UNIX.exec(text)?.[1];
  if (path !== undefined) return { name: path, path };
  const [, address6, name, portText, weightText = '1'] = PLACE.exec(text) ?? [];
  const host = address6 ?? name;
  const port = portText === undefined ? undefined : Number(portText);
  const weight = Number(weightText);
  if (host === undefined || weight === 0 || port === 0 || (port ?? 1) > MAX_PORT) return undefined;
  if (address6?.includes(':') === false) return undefined;
  return { name: host, ...(port !== undefined && { port }), ...(weight !== 1 && { weight }) };
}
