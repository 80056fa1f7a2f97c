/**
 * Tells the supervisor how the daemon is: systemd by sd_notify(3), for units with `Type=notify`; s6 and others by a line end on a
 * descriptor that is closed then. What the environment says of it is taken out, so that no program we start speaks for us.
 *
 * systemd listens on a socket for whole messages, which Node cannot open: the program `systemd-notify` is run for each message. It takes some
 * milliseconds; see docs/decisions/0014.
 */

import { execFile } from 'node:child_process';
import { closeSync, fstatSync, writeSync } from 'node:fs';
import { QpsmtpdError } from '../errors/error-classes.ts';

/** Runs `systemd-notify` with these assignments. */
export type Notify = (assignments: readonly string[], socket: string) => Promise<void>;

export interface NotifierOptions {
  readonly environment: NodeJS.ProcessEnv;
  readonly pid: number;
  /** Gets a line end once the daemon listens: s6's notification-fd. */
  readonly readyDescriptor?: number | undefined;
  /** Told once that the supervisor cannot be reached. */
  complain(problem: string): void;
  readonly notify?: Notify;
}

/** systemd acts when it has heard nothing for its whole time. */
const BEATS_IN_TIME = 2;

export class ServiceNotifier {
  #socket: string | undefined;
  #watchdogMs = 0;
  #pid = 0;
  #readyDescriptor: number | undefined;
  #notify: Notify = runSystemdNotify;
  #complain: ((problem: string) => void) | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  /** Messages go out one after the other, or a READY=1 might overtake its RELOADING=1. */
  #last: Promise<void> = Promise.resolve();
  #isBeatWaiting = false;
  /** What the daemon does, as `ready` was told. */
  #status = '';

  /** Reads and removes the variables. Throws `Q_USAGE` if the descriptor is not open. */
  begin({ environment, pid, readyDescriptor, complain, notify = runSystemdNotify }: NotifierOptions): void {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: watchdog, WATCHDOG_PID: watched } = environment;
    for (const name of SUPERVISOR_VARIABLES) Reflect.deleteProperty(environment, name);
    this.#pid = pid;
    this.#notify = notify;
    this.#complain = complain;
    this.#socket = socket === undefined || socket === '' ? undefined : socket;
    const isForUs = watched === undefined || Number(watched) === pid;
    this.#watchdogMs = isForUs && /^\d{1,15}$/.test(watchdog ?? '') ? Number(watchdog) / 1_000 : 0;
    this.#readyDescriptor = readyDescriptor;
    if (readyDescriptor !== undefined) requireOpen(readyDescriptor);
  }

  /** What a successor of this process needs in its environment to speak to the same supervisor. */
  forSuccessor(): Readonly<Record<string, string>> {
    if (this.#socket === undefined) return {};
    const watchdog = this.#watchdogMs > 0 ? { WATCHDOG_USEC: String(this.#watchdogMs * 1_000) } : {};
    return { NOTIFY_SOCKET: this.#socket, ...watchdog };
  }

  /**
   * The daemon listens. From now on the watchdog is fed as long as `isAlive` says so. The pid goes along: where a successor says it,
   * the supervisor follows it.
   */
  ready(status: string, isAlive: () => boolean = () => true): void {
    this.#status = status;
    this.#send(['READY=1', `MAINPID=${this.#pid}`, statusOf(status)]);
    this.#tellDescriptor();
    if (this.#socket === undefined || this.#watchdogMs === 0) return;
    clearInterval(this.#watchdog);
    this.#watchdog = setInterval(() => this.#beat(isAlive), this.#watchdogMs / BEATS_IN_TIME).unref();
  }

  reloading(): void {
    // systemd wants CLOCK_MONOTONIC, which is what Node has here.
    const now = process.hrtime.bigint() / 1_000n;
    this.#send(['RELOADING=1', `MONOTONIC_USEC=${now}`, statusOf('reading the configuration again')]);
  }

  reloaded(): void {
    this.#send(['READY=1', statusOf(this.#status)]);
  }

  /** The watchdog is fed on: the sessions may take their time. */
  stopping(status: string): void {
    this.#send(['STOPPING=1', statusOf(status)]);
  }

  /** A successor speaks from now on. */
  cease(): void {
    clearInterval(this.#watchdog);
    this.#socket = undefined;
  }

  /** Resolves when all that was said has been handed over. */
  flushed(): Promise<void> {
    return this.#last;
  }

  #beat(isAlive: () => boolean): void {
    // One that waits is as good as two.
    if (this.#isBeatWaiting || !isAlive()) return;
    this.#isBeatWaiting = true;
    this.#send(['WATCHDOG=1']);
    void this.#last.then(() => (this.#isBeatWaiting = false));
  }

  #send(assignments: readonly string[]): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#last = this.#last
      .then(() => this.#notify(assignments, socket))
      .catch((error: unknown) => {
        this.#complain?.(
          `systemd cannot be told how the daemon is: ${(error as Error).message.trim()} (install the program systemd-notify, or use Type=exec)`,
        );
        this.#complain = undefined;
      });
  }

  #tellDescriptor(): void {
    const descriptor = this.#readyDescriptor;
    if (descriptor === undefined) return;
    this.#readyDescriptor = undefined;
    try {
      writeSync(descriptor, '\n');
      closeSync(descriptor);
    } catch (error) {
      this.#complain?.(`--ready-fd ${descriptor}: ${(error as Error).message}`);
    }
  }
}

/** What systemd tells a process of how to speak to it. */
export const SUPERVISOR_VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

/** A message has a line for each assignment. */
const statusOf = (status: string): string => `STATUS=${status.replaceAll(/\s+/g, ' ')}`;

function requireOpen(descriptor: number): void {
  try {
    fstatSync(descriptor);
  } catch (cause) {
    const remedy = 'the supervisor has to pass it: for s6 the file notification-fd says its number';
    throw new QpsmtpdError('Q_USAGE', `--ready-fd ${descriptor}: it is not open (${remedy})`, { cause });
  }
}

function runSystemdNotify(assignments: readonly string[], socket: string): Promise<void> {
  const options = {
    env: { PATH: process.env['PATH'] ?? '/usr/bin', NOTIFY_SOCKET: socket },
    timeout: 10_000,
  };
  return new Promise((resolve, reject) => {
    execFile('systemd-notify', ['--no-block', ...assignments], options, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

/** That of this process. */
export const serviceNotifier = new ServiceNotifier();
