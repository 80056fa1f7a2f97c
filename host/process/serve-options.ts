import type { PidFile } from './pid-file.ts';

/** How the daemon is run, whichever program's command line said so. */
export interface ServeOptions {
  readonly configDir?: string | undefined;
  readonly listen: readonly string[];
  /** Nobody has said where to listen: sockets that the starter has passed come first. */
  readonly isListenTacit?: boolean | undefined;
  /** 1: this process serves. More: this process watches over so many workers. */
  readonly workers: number;
  /** Absolute path. */
  readonly pidFile?: string | undefined;
  /** How long sessions may go on after TERM. */
  readonly graceMs: number;
  /** How long after TERM clients are still let in, while health checks are told that it stops. */
  readonly drainDelayMs?: number | undefined;
  /** Connections at a time, all workers together; 0: no limit; undefined: as many as each has memory for. */
  readonly maxConnections?: number | undefined;
  /** Connections of one address at a time, all workers together; undefined: no limit. */
  readonly maxFromIp?: number | undefined;
  /** The user to run as. */
  readonly user?: string | undefined;
  readonly settings?: ReadonlyMap<string, readonly string[]> | undefined;
  /** The program that is called ends as soon as the daemon is ready. */
  readonly isDetached?: boolean | undefined;
  /** A descriptor of the supervisor that gets a line end once the daemon listens. */
  readonly readyDescriptor?: number | undefined;
  /** No ready line on the standard output. */
  readonly isQuiet?: boolean | undefined;
}

/** The daemon among the processes of its host. */
export interface Standing {
  readonly pidFile: PidFile | undefined;
  /** What other processes of this daemon need in their environment, workers and successors. */
  readonly environment: Readonly<Record<string, string>>;
  /** It serves: whoever waits for that is told. `isAlive`: whether its workers are, for a watchdog. */
  ready(addresses: readonly string[], isAlive?: () => boolean): Promise<void>;
}

/** Where lines for the operator go. */
export interface Terminal {
  out(line: string): void;
  err(line: string): void;
}

/** The ready line: `listening on tcp://127.0.0.1:2525, 2 workers`. */
export function readyLine(addresses: readonly string[], workers: number): string {
  return `listening on ${addresses.join(' ')}, ${workers} ${workers === 1 ? 'worker' : 'workers'}`;
}
