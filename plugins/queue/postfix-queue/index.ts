import {
  definePlugin,
  queueInto,
  transactionNote,
  verdictOf,
  verdictOrDecline,
  z,
  type ConnectTarget,
  type DeliveryReport,
  type Outlet,
  type Setup,
  type Verdict,
} from '../../../bindings/plugin/index.ts';
import { outletSeconds } from '../program/program-options.ts';
import { CleanupOutlet } from './cleanup-outlet.ts';

/**
 * What queue/postfix-queue hands to cleanup: the sum of its flags and the sockets it tries. Set before, they take the
 * place of what the plugin's line says.
 */
export const postfixQueueFlags = transactionNote<number>('postfix-queue-flags');
export const postfixQueueSockets = transactionNote<readonly string[]>('postfix-queue-sockets');

const DEFAULT_SOCKET = '/var/spool/postfix/public/cleanup';

/** The words of a line without their CLEANUP_ in front. */
const FLAGS: Readonly<Record<string, number>> = {
  FLAG_NONE: 0,
  FLAG_BOUNCE: 1,
  FLAG_FILTER: 2,
  FLAG_HOLD: 4,
  FLAG_DISCARD: 8,
  FLAG_BCC_OK: 16,
  FLAG_MAP_OK: 32,
  FLAG_MILTER: 64,
  FLAG_FILTER_ALL: 66,
  FLAG_MASK_EXTERNAL: 114,
  FLAG_MASK_INTERNAL: 32,
  FLAG_MASK_EXTRA: 12,
};

const isSocket = (word: string): boolean => word.startsWith('/');

const lineOptions = z.object({
  cleanup_timeout: outletSeconds(120),
  words: z
    .array(z.string())
    .refine(
      (words) => words.every((word, index) => Object.hasOwn(FLAGS, word) || (index === 0 && isSocket(word))),
      `must be the path of a socket, or left out, then flags: ${Object.keys(FLAGS).join(', ')}`,
    )
    .default([]),
});

/** Queues messages in Postfix, past its SMTP server. */
export default definePlugin({
  name: 'queue/postfix-queue',
  about: "Hands messages to Postfix's cleanup.",
  options: lineOptions,
  rest: 'words',
  outlet(setup) {
    const { flags, names, outletTo } = prepare(setup);
    return { deliver: (mail, signal) => outletTo(names(), flags).deliver(mail, signal) };
  },
  // By itself and not around the outlet: other plugins choose sockets and flags by the transaction's notes.
  hooks(setup) {
    const { flags: defaultFlags, names: defaultNames, outletTo } = prepare(setup);
    return {
      queue(context) {
        const { notes } = context.transaction;
        const names = notes.get(postfixQueueSockets) ?? defaultNames();
        const flags = notes.get(postfixQueueFlags) ?? defaultFlags;
        notes.set(postfixQueueSockets, names);
        notes.set(postfixQueueFlags, flags);
        return queueInto(outletTo(names, flags), verdictOfCleanup)(context);
      },
    };
  },
});

/** As in qpsmtpd: a cleanup that puts off decides, one that did not say what it does leaves it to the next plugin. */
const verdictOfCleanup = (report: DeliveryReport): Verdict =>
  report.some(({ reply }) => reply.code === UNDECIDED) ? verdictOrDecline(report) : verdictOf(report);

/** What the outlet reports where there is no status of cleanup that it knows. */
const UNDECIDED = 451;

/** What the line, the environment and the configuration say; throws if that can't be used. */
function prepare({ options, services, config, log }: Setup<z.output<typeof lineOptions>>) {
  const { words, cleanup_timeout } = options;
  const fromEnvironment = services.system.environment('POSTFIXQUEUE');
  const defaultSocket = words[0] !== undefined && isSocket(words[0]) ? words[0] : DEFAULT_SOCKET;
  const usual = checked([fromEnvironment || defaultSocket]);
  const listedSockets = config.list('cleanup_sockets', checked);
  return {
    flags: words.reduce((sum, word) => sum | (FLAGS[word] ?? 0), 0),
    names(): readonly string[] {
      const listed = fromEnvironment ? [] : listedSockets.current;
      return listed.length > 0 ? listed : usual;
    },
    outletTo(names: readonly string[], flags: number): Outlet {
      const timeoutMs = cleanup_timeout * 1_000;
      return new CleanupOutlet({ sockets: names.map(socketOf), flags, timeoutMs }, services, log);
    },
  };
}

function checked(names: readonly string[]): readonly string[] {
  names.forEach(socketOf);
  return names;
}

/** `/path`, `host:port` or `[address]:port`; throws with the remedy for anything else. */
function socketOf(name: string): ConnectTarget {
  if (isSocket(name)) return { path: name };
  const [, bracketed, host = bracketed, port] = /^(?:\[([^\]]+)\]|([^:/\s]+)):(\d{1,5})$/.exec(name) ?? [];
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new Error(`\`${name}\` is no socket of cleanup: it must be an absolute path or HOST:PORT`);
  return { host, port: Number(port) };
}
