/** The life of a daemon, alone or with workers, as signals steer it: from its start to its end, by itself or by a successor. */

import { LogLevel } from '../../bindings/plugin/log-level.ts';
import type { HeldSocket } from '../intake/inherited-sockets.ts';
import { ExitCode } from './exit-code.ts';
import { heldSignals } from './held-signals.ts';
import { SerialTask } from './serial-task.ts';
import type { ServeOptions, Standing } from './serve-options.ts';
import { serviceNotifier } from './service-notifier.ts';
import { DaemonSignals } from './signals.ts';
import { Succession } from './succession.ts';

/** What a daemon does. */
export interface DaemonCourse {
  log(level: LogLevel, text: string): void;
  /** Reports its own errors. */
  reload(): Promise<void>;
  reopenLogs(): void;
  /** The listening sockets; undefined: they cannot be passed on. */
  sockets(): readonly HeldSocket[] | undefined;
  /** Health checks are told that it stops. */
  announceStop(): void;
  /** Stops accepting and lets sessions end; resolves with the exit code, `code` if all went well. */
  drain(code: number, arePassedOn: boolean): Promise<number>;
  /** Ends all that would outlive this process. */
  abandon?(): void;
}

export class DaemonLife {
  /** The exit code. */
  readonly ended: Promise<number>;
  readonly #course: DaemonCourse;
  readonly #graceMs: number;
  readonly #drainDelayMs: number;
  readonly #reload: SerialTask;
  readonly #signals: DaemonSignals;
  readonly #succession: Succession;
  #end: (code: number) => void = () => undefined;
  #isServing = false;
  #isStopping = false;
  /** Runs while clients are still let in, see `drainDelayMs`. */
  #delay: NodeJS.Timeout | undefined;

  constructor(course: DaemonCourse, { graceMs, drainDelayMs = 0 }: ServeOptions, standing: Standing) {
    this.#course = course;
    this.#graceMs = graceMs;
    this.#drainDelayMs = drainDelayMs;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#reload = new SerialTask(async () => {
      serviceNotifier.reloading();
      await course.reload();
      serviceNotifier.reloaded();
    });
    this.#succession = new Succession({
      sockets: () => course.sockets(),
      standing,
      note: (text) => course.log(LogLevel.NOTICE, text),
      complain: (text) => course.log(LogLevel.ERROR, text),
      onReady: () => this.stop(ExitCode.OK, true),
      carryOut: (signal) => this.#signals.receive(signal),
    });
    this.#signals = this.#createSignals();
    heldSignals.deliverTo((signal) => this.#signals.receive(signal));
  }

  /** It serves: signals that came meanwhile are carried out. */
  started(): void {
    this.#isServing = true;
    this.#signals.started();
  }

  /** The first call counts, but a fault makes no use of the delay: what is not to be trusted must take no more clients. */
  stop(code: number, arePassedOn = false): void {
    if (this.#delay !== undefined && code !== ExitCode.OK) this.#drain(code, arePassedOn);
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#signals.stopping();
    this.#succession.cancel('SIGTERM');
    // For a fault, or where another process serves, there is nothing to wait for.
    const delayMs = code === ExitCode.OK && !arePassedOn && this.#isServing ? this.#drainDelayMs : 0;
    if (delayMs === 0) return this.#drain(code, arePassedOn);
    const text = `health checks are told 421 from now on; clients are let in for another ${delayMs / 1_000} s`;
    serviceNotifier.stopping(text);
    this.#course.log(LogLevel.NOTICE, text);
    this.#course.announceStop();
    this.#delay = setTimeout(() => this.#drain(code, arePassedOn), delayMs);
  }

  #drain(code: number, arePassedOn: boolean): void {
    clearTimeout(this.#delay);
    this.#delay = undefined;
    const text = `sessions have ${this.#graceMs / 1_000} s to end`;
    if (arePassedOn) serviceNotifier.cease();
    else serviceNotifier.stopping(text);
    this.#course.log(LogLevel.NOTICE, `stopping: ${text}`);
    const drained = this.#course.drain(code, arePassedOn);
    void serviceNotifier
      .flushed()
      .then(() => drained)
      .then(this.#end);
  }

  /** At once. */
  end(code: number): void {
    this.#succession.cancel('SIGQUIT');
    this.#course.abandon?.();
    this.#end(code);
  }

  #createSignals(): DaemonSignals {
    return new DaemonSignals({
      stop: () => this.stop(ExitCode.OK),
      stopNow: () => this.end(ExitCode.OK),
      reload: () => {
        if (this.#succession.isUnderWay) this.#succession.remember('SIGHUP');
        else this.#reload.request();
      },
      reopenLogs: () => {
        this.#course.reopenLogs();
        if (this.#succession.isUnderWay) this.#succession.remember('SIGUSR1');
      },
      restart: () => this.#succession.begin(),
      note: (text) => this.#course.log(LogLevel.NOTICE, text),
    });
  }
}
