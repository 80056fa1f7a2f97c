/**
 * A restart without interruption: this process starts its successor, which gets the listening sockets and reads everything anew, code
 * included. Only when that one is ready this one stops accepting. See docs/decisions/0016.
 */

import type { ChildProcess } from 'node:child_process';
import { environmentOf, type HeldSocket } from '../intake/inherited-sockets.ts';
import type { HeldSignal } from './held-signals.ts';
import { awaitReady, launch, type FailedStart } from './launch.ts';
import type { Standing } from './serve-options.ts';
import { serviceNotifier } from './service-notifier.ts';

export interface SuccessionOptions {
  /** Undefined: they cannot be passed on. */
  sockets(): readonly HeldSocket[] | undefined;
  readonly standing: Standing;
  note(text: string): void;
  complain(text: string): void;
  /** The successor serves: this process is to let its sessions end. */
  onReady(): void;
  /** Carries out a signal that was meant for the successor, which there is not. */
  carryOut(signal: HeldSignal): void;
}

export class Succession {
  readonly #options: SuccessionOptions;
  #successor: ChildProcess | undefined = undefined;
  readonly #wanted = new Set<HeldSignal>();

  constructor(options: SuccessionOptions) {
    this.#options = options;
  }

  /** A successor is being started. */
  get isUnderWay(): boolean {
    return this.#successor !== undefined;
  }

  begin(): void {
    const { note, complain, standing, sockets } = this.#options;
    if (this.#successor !== undefined) {
      note(`SIGUSR2 ignored: process ${this.#successor.pid} is just starting`);
      return;
    }
    const passed = sockets();
    if (passed === undefined) {
      complain('SIGUSR2 refused: this version of Node does not let listening sockets be passed on');
      return;
    }
    const obstacle = standing.pidFile?.whyNotReplaceable();
    if (obstacle !== undefined) {
      complain(`SIGUSR2 refused: ${obstacle}`);
      return;
    }
    const { stdio, environment } = inheritance(passed);
    const successor = launch('successor', {
      stdio,
      environment: { ...environment, ...standing.environment, ...serviceNotifier.forSuccessor() },
    });
    this.#successor = successor;
    note(`SIGUSR2: process ${successor.pid} is being started to take the place of this one`);
    void awaitReady(successor).then((failure) => this.#settle(successor, failure));
  }

  /** Of what comes while the successor starts: it is for the one that will serve. */
  remember(signal: HeldSignal): void {
    this.#wanted.add(signal);
  }

  /** Ends a successor that is still starting. */
  cancel(signal: HeldSignal): void {
    this.#successor?.kill(signal);
  }

  #settle(successor: ChildProcess, failure: FailedStart | undefined): void {
    const { note, complain, standing, onReady, carryOut } = this.#options;
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    this.#successor = undefined;
    if (failure === undefined) {
      for (const signal of wanted) successor.kill(signal);
      successor.unref();
      note(`process ${successor.pid} has taken the place of this one`);
      onReady();
      return;
    }
    standing.pidFile?.restore();
    complain(`restart failed, this process goes on serving: ${tell(failure)}`);
    wanted.forEach(carryOut);
  }
}

const tell = ({ exitCode, text }: FailedStart): string =>
  text ?? `the new process ended with exit code ${exitCode} (its standard error stream says why)`;

/** How a process is started that gets the sockets. Its descriptors are numbered in the order of the list. */
export function inheritance(sockets: readonly HeldSocket[]): {
  readonly stdio: (number | 'inherit' | 'ipc')[];
  readonly environment: Readonly<Record<string, string>>;
} {
  const stdio: (number | 'inherit' | 'ipc')[] = ['inherit', 'inherit', 'inherit', 'ipc'];
  const passed = sockets.map(({ listen }, index) => ({ listen, fd: stdio.length + index }));
  return { stdio: [...stdio, ...sockets.map(({ fd }) => fd)], environment: environmentOf(passed) };
}
