/** A shell command that reads the log on its standard input. */

import { spawn, type ChildProcess } from 'node:child_process';
import type { LogOutput } from '../../bindings/plugin/log-services.ts';
import { MAX_WAITING } from './line-queue.ts';

/** A command that ends at once must not be started for every line. */
const RESTART_MS = 1_000;

export class LogCommand implements LogOutput {
  readonly #command: string;
  readonly #args: readonly string[];
  readonly #complain: (problem: string) => void;
  #child: ChildProcess | undefined = undefined;
  #startedAt = Number.NEGATIVE_INFINITY;
  #lost = 0;

  /** With `args` it is a program, started without a shell. */
  constructor(command: string, complain: (problem: string) => void, args?: readonly string[]) {
    this.#command = args === undefined ? '/bin/sh' : command;
    this.#args = args ?? ['-c', command];
    this.#complain = (problem) => complain(`log command \`${command}\`: ${problem}`);
  }

  write(line: string): void {
    const stdin = (this.#child ?? this.#start())?.stdin;
    if (stdin === undefined || stdin === null || stdin.writableLength > MAX_WAITING) {
      this.#lost++;
      return;
    }
    if (this.#lost > 0) this.#complain(`${this.#lost} lines are lost`);
    this.#lost = 0;
    stdin.write(`${line}\n`);
  }

  /** Ends the command's input, so that it may end. A line that comes later starts it again. */
  close(): void {
    const child = this.#child;
    this.#child = undefined;
    this.#startedAt = Number.NEGATIVE_INFINITY;
    child?.stdin?.end();
  }

  #start(): ChildProcess | undefined {
    const now = performance.now();
    if (now - this.#startedAt < RESTART_MS) return undefined;
    this.#startedAt = now;
    const child = spawn(this.#command, this.#args, { stdio: ['pipe', 2, 2] });
    const gone = (how: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#complain(how);
    };
    child.on('error', (error) => gone(error.message));
    child.on('exit', (code, signal) => gone(`ended with ${signal ?? `exit code ${code}`}`));
    // The exit tells more than the broken pipe.
    child.stdin?.on('error', () => undefined);
    return (this.#child = child);
  }
}
