/**
 * Listening sockets that the starter has opened and passed, such as systemd for a .socket unit: sd_listen_fds(3). The variables
 * that tell of them are taken out of the environment, so that no program we start takes them for its own.
 */

import { fstatSync, readFileSync } from 'node:fs';
import { QpsmtpdError } from '../errors/error-classes.ts';
import { suggest } from '../../bindings/lists/nearest.ts';
import { parseListen } from './listen-spec.ts';

/** SD_LISTEN_FDS_START. */
const FIRST = 3;
/** More than any process may have open by default. */
const MOST = 1_024;
/** What a socket is called whose unit gives it no name. */
const NAMELESS = 'unknown';
/** From a process to its workers and its successor, which have descriptors of other numbers: a JSON array of the names. */
const FOR_OURS = 'QPSMTPD_PASSED_SOCKETS';

const NEEDS_SYSTEMD = 'a .socket unit of systemd passes them, for a trial systemd-socket-activate';

export class PassedSockets {
  /** In the order of their descriptors, which are counted from 3 on. */
  readonly names: readonly string[];
  /** Why there are none. */
  readonly #absence: string;

  private constructor(names: readonly string[], absence = '') {
    this.names = names;
    this.#absence = absence;
  }

  /** Reads what the environment says of them, and removes it from there. */
  static take(environment: NodeJS.ProcessEnv, pid = process.pid): PassedSockets {
    const count = takeFrom(environment, 'LISTEN_FDS');
    const forPid = takeFrom(environment, 'LISTEN_PID');
    const names = takeFrom(environment, 'LISTEN_FDNAMES');
    takeFrom(environment, 'LISTEN_PIDFDID');
    if (count === undefined)
      return new PassedSockets([], `nobody has passed sockets, LISTEN_FDS is not set (${NEEDS_SYSTEMD})`);
    if (Number(forPid) !== pid)
      return new PassedSockets(
        [],
        `the sockets were passed to another process, LISTEN_PID is ${forPid ?? 'not set'} and this is ${pid} (start it without a shell or npm between, with exec; or say fd:${FIRST})`,
      );
    const number = /^\d{1,4}$/.test(count) ? Number(count) : Number.NaN;
    if (!(number > 0 && number <= MOST)) return new PassedSockets([], `LISTEN_FDS is ${count}`);
    return new PassedSockets(namesOf(number, names));
  }

  /** Of the primary of this worker, or the predecessor. */
  static takeFromOurs(environment: NodeJS.ProcessEnv): PassedSockets {
    return new PassedSockets(JSON.parse(takeFrom(environment, FOR_OURS) ?? '[]') as string[]);
  }

  /** The environment in which `takeFromOurs` finds them. */
  forOurs(): Readonly<Record<string, string>> {
    return { [FOR_OURS]: JSON.stringify(this.names) };
  }

  /**
   * The listen specs with numbers in place of names. `isTacit`: nobody has said where to listen, so all that were passed
   * are meant, if any were. Throws `Q_LISTEN` for a name that no socket has, and for a socket that two specs want.
   */
  resolve(listen: readonly string[], isTacit: boolean): readonly string[] {
    const resolved =
      isTacit && this.names.length > 0
        ? this.names.map((_, index) => `fd:${FIRST + index}`)
        : listen.flatMap((spec) => this.#resolve(spec));
    const seen = new Set<number>();
    for (const fd of resolved.flatMap(descriptorOf)) {
      if (seen.has(fd)) throw refused(`fd:${fd}: two listeners cannot share it (remove one of them)`);
      seen.add(fd);
    }
    return resolved;
  }

  /** Sockets on which none of `listen` listens, printed: clients would wait there for ever. */
  unusedBy(listen: readonly string[]): readonly string[] {
    const used = new Set(listen.flatMap(descriptorOf));
    return this.names.flatMap((name, index) =>
      used.has(FIRST + index) ? [] : [`fd:${FIRST + index} (${name})`],
    );
  }

  #resolve(text: string): readonly string[] {
    const spec = parseListen(text);
    if (spec.kind !== 'fdname') return [text];
    if (this.names.length === 0) throw refused(`fdname:${spec.name}: ${this.#absence}`);
    const found = this.names.flatMap((name, index) => (name === spec.name ? [FIRST + index] : []));
    if (found.length === 0)
      throw refused(
        `fdname:${spec.name}: no such name among the sockets that were passed: ${this.names.join(', ')}${suggest(spec.name, this.names)}`,
      );
    return found.map((fd) => text.trim().replace(/^\S+/, `fd:${fd}`));
  }
}

function takeFrom(environment: NodeJS.ProcessEnv, variable: string): string | undefined {
  const value = environment[variable];
  Reflect.deleteProperty(environment, variable);
  return value;
}

/** Names that are not as many as the sockets cannot be told to belong to one. sd_listen_fds_with_names(3) refuses them. */
function namesOf(count: number, list: string | undefined): readonly string[] {
  const names = list?.split(':') ?? [];
  return names.length === count ? names : Array.from({ length: count }, () => NAMELESS);
}

function descriptorOf(text: string): readonly number[] {
  const spec = parseListen(text);
  return spec.kind === 'fd' ? [spec.fd] : [];
}

/** What is wrong with a socket that cannot be listened on. */
export const NOT_LISTENING =
  'it is no listening socket of TCP or Unix (a connection, as inetd nowait and tcpserver pass it, is "stdin:")';

/** Throws `Q_LISTEN` if the descriptor is none of a socket. Whether it listens shows when it is used. */
export function checkDescriptor(fd: number): void {
  try {
    if (fstatSync(fd).isSocket()) return;
  } catch (cause) {
    throw refused(
      `fd:${fd}: it is not open (the starter has to pass it; systemd counts from ${FIRST})`,
      cause,
    );
  }
  throw refused(`fd:${fd}: it is no socket (the starter has to pass a listening one)`);
}

/** As `checkDescriptor`, for all that the listen specs name: for a primary, whose workers cannot see them. */
export function checkDescriptors(listen: readonly string[]): void {
  listen.flatMap(descriptorOf).forEach(checkDescriptor);
}

/** The path of a Unix socket; undefined if it has none, or the system does not tell. Octets that are no UTF-8 are replaced. */
export function pathOfSocket(fd: number | undefined): string | undefined {
  if (fd === undefined) return undefined;
  try {
    const { ino } = fstatSync(fd);
    const line = new RegExp(`^(?:\\S+ +){6}${ino} (/.*)$`, 'm').exec(
      readFileSync('/proc/self/net/unix', 'utf8'),
    );
    return line?.[1];
  } catch {
    return undefined;
  }
}

function refused(message: string, cause?: unknown): QpsmtpdError {
  return new QpsmtpdError('Q_LISTEN', message, { cause });
}
