import { addressOctets, compilePattern, isIpAddress } from '../../../bindings/lists/index.ts';
import {
  connectionNote,
  definePlugin,
  deny,
  fingerprint,
  oneOf,
  z,
  type Fingerprint,
  type HookContext,
} from '../../../bindings/plugin/index.ts';
import { askDaemon } from './daemon-query.ts';

/** The system of the client does not matter: set by a plugin that knows the client. */
export const fingerprintExclude = connectionNote<boolean>('p0f_exclude');

const pattern = z.string().transform((source, context) => {
  try {
    return compilePattern(source, { ignoreCase: true });
  } catch (cause) {
    context.addIssue({ code: 'custom', message: (cause as Error).message });
    return z.NEVER;
  }
});

const options = z.object({
  socket: z.string(),
  version: oneOf(['2', '3']).default('3'),
  /** This server's address in the packets p0f 2 sees, if that is not the one it listens on. */
  local_ip: z.string().refine(isIpAddress, 'must be an IP address').optional(),
  /** A system this matches costs the client a point of karma. */
  smite_os: pattern.optional(),
  add_headers: z
    .string()
    .default('true')
    .transform((text) => !/false/i.test(text)),
});
type Options = z.output<typeof options>;
type Context = HookContext<Options>;

/** p0f answers at once or not at all. */
const TIMEOUT_MS = 2_000;

/** Asks the p0f daemon what the client's packets tell of its system. */
export default definePlugin({
  name: 'ident/p0f',
  about: "Asks p0f for the client's operating system and link.",
  options,
  positional: ['socket'],
  onError: 'skip',
  hooks({ config, options: { add_headers: addsFields } }) {
    const blocked = config.list('p0f_blocked_operating_systems', compileSystems);
    return {
      connect: identify,
      ...(addsFields && { data_post: addFields }),
      ...(blocked.current !== undefined && {
        rcpt: (context) => refuseBlocked(context, blocked.current),
      }),
    };
  },
});

async function identify(context: Context): Promise<void> {
  const { adjustKarma, connection, log, options } = context;
  const found = options.version === '3' ? await askVersion3(context) : await askVersion2(context);
  if (typeof found === 'string') {
    log.info(`skip, ${found}`);
    return;
  }
  connection.notes.set(fingerprint, found);
  if (options.version === '3' && options.smite_os?.test(found.genre) === true) adjustKarma(-1);
  log.info(found.detail === undefined ? found.genre : `${found.genre} (${found.detail})`);
}

function refuseBlocked(
  { connection: { notes }, immunity }: Context,
  isBlocked: ((genre: string) => boolean) | undefined,
) {
  const genre = notes.get(fingerprint)?.genre ?? '';
  if (notes.get(fingerprintExclude) === undefined) notes.set(fingerprintExclude, immunity !== undefined);
  if (genre === '' || notes.get(fingerprintExclude) === true) return undefined;
  return isBlocked?.(genre) === true ? deny('OS Blocked') : undefined;
}

function addFields({ connection, transaction }: Context): void {
  const found = connection.notes.get(fingerprint);
  if (found === undefined) return;
  const { header } = transaction.message;
  const fields = {
    'X-P0F-Genre': found.genre,
    'X-P0F-Link-Type': found.detail === undefined ? found.link : '',
  };
  for (const [name, value] of Object.entries(fields)) {
    if (value === '') continue;
    header.remove(name);
    header.prepend(name, value);
  }
}

/** Names, or patterns between slashes without regard to case; undefined for an empty list. */
function compileSystems(lines: readonly string[]): ((genre: string) => boolean) | undefined {
  if (lines.length === 0) return undefined;
  const rules = lines.map((line) => {
    const source = /^\/(.*)\/$/.exec(line)?.[1];
    if (source === undefined) return (genre: string) => genre === line;
    const matcher = compilePattern(source, { ignoreCase: true });
    return (genre: string) => matcher.test(genre);
  });
  return (genre) => rules.some((rule) => rule(genre));
}

/** A fingerprint, or why there is none. */
type Found = Fingerprint | string;

const VERSION_3 = { question: 0x50304601, answer: 0x50304602, octets: 232, found: 0x10, unknown: 0x20 };

async function askVersion3({ connection, options, services }: Context): Promise<Found> {
  const address = addressOctets(connection.remoteIp);
  if (address === undefined) return 'unable to determine remote IP';
  const question = Buffer.alloc(21);
  question.writeUInt32LE(VERSION_3.question);
  question[4] = address.length === 4 ? 4 : 6;
  question.set(address, 5);
  const expected = { octets: VERSION_3.octets, timeoutMs: TIMEOUT_MS };
  const answer = await ask(askDaemon(services.connect, options.socket, question, expected));
  if (typeof answer === 'string') return answer;
  if (answer.length < VERSION_3.octets || answer.readUInt32LE(0) !== VERSION_3.answer)
    return 'Bad response magic.';
  const status = answer.readUInt32LE(4);
  if (status === VERSION_3.unknown) return 'no match';
  return status === VERSION_3.found ? readVersion3(answer) : 'bad query';
}

const NUMBERS_3 = [
  'first_seen',
  'last_seen',
  'total_conn',
  'uptime_min',
  'up_mod_days',
  'last_nat',
  'last_chg',
];
const TEXTS_3 = ['os_name', 'os_flavor', 'http_name', 'http_flavor', 'link_type', 'language'];

function readVersion3(answer: Buffer): Fingerprint {
  const numbers = NUMBERS_3.map((name, index) => [name, answer.readUInt32LE(8 + 4 * index)] as const);
  const texts = TEXTS_3.map((name, index) => [name, readText(answer, 40 + 32 * index, 32)] as const);
  const named = Object.fromEntries(texts) as Record<string, string>;
  return {
    genre: named['os_name'] === '' ? '' : `${named['os_name']} ${named['os_flavor']}`.trimEnd(),
    link: named['link_type']!,
    distance: answer.readInt16LE(36),
    uptime: answer.readUInt32LE(20),
    fields: { ...Object.fromEntries(numbers), bad_sw: answer[38]!, os_match_q: answer[39]!, ...named },
  };
}

const VERSION_2 = { magic: 0x0defaced, octets: 141 };

async function askVersion2({ connection, options, services }: Context): Promise<Found> {
  const [client, server] = [connection.remoteIp, options.local_ip ?? connection.localIp].map(addressOctets);
  if (client?.length !== 4 || server?.length !== 4) return 'p0f 2 knows IPv4 only';
  const question = Buffer.alloc(24);
  question.writeUInt32LE(VERSION_2.magic);
  question.writeUInt32LE(1, 4);
  question.writeUInt32LE(Math.floor(services.random() * 0xffffffff), 8);
  question.set([...client, ...server], 12);
  question.writeUInt16LE(connection.remotePort, 20);
  question.writeUInt16LE(connection.localPort, 22);
  const expected = { octets: VERSION_2.octets, timeoutMs: TIMEOUT_MS };
  const answer = await ask(askDaemon(services.connect, options.socket, question, expected));
  if (typeof answer === 'string') return answer;
  if (answer.length < VERSION_2.octets || answer.readUInt32LE(0) !== VERSION_2.magic)
    return 'Bad response magic.';
  if (answer[8] === 1) return 'p0f did not honor our query';
  return answer[8] === 2 ? 'connection not in the cache' : readVersion2(answer);
}

const readVersion2 = (answer: Buffer): Fingerprint => ({
  genre: readText(answer, 9, 20),
  detail: readText(answer, 29, 40),
  distance: answer.readInt8(69),
  link: readText(answer, 70, 30),
  uptime: answer.readUInt32BE(137),
});

/** The answer of the daemon, or what is wrong with it. */
async function ask(answer: Promise<Buffer>): Promise<Buffer | string> {
  try {
    return await answer;
  } catch (cause) {
    return (cause as Error).message;
  }
}

/** Up to the first NUL; what is not printable has no place in a header field. */
function readText(answer: Buffer, from: number, octets: number): string {
  const text = answer.toString('latin1', from, from + octets);
  const end = text.indexOf('\0');
  return (end < 0 ? text : text.slice(0, end)).replace(/[^ -~]/g, '').trim();
}
