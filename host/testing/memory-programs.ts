/** Programs in memory: `services.programs` of a test. */

import type { ProgramEnd, ProgramOrder, ProgramResult, Programs } from '../../bindings/plugin/programs.ts';
import type { TestClock } from './test-clock.ts';

/** How a program was called. */
export interface ProgramCall {
  readonly path: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>> | undefined;
  /** What came through each descriptor, whole. */
  readonly inputs: ReadonlyMap<number, Buffer>;
  /** Aborted when nobody waits for the program any longer. */
  readonly signal: AbortSignal;
}

/** How a program has ended. */
export interface ProgramAnswer {
  /** Undefined: 0. */
  readonly exitCode?: number | undefined;
  /** On its standard output, or by descriptor. */
  readonly output?: string | Readonly<Record<number, string>> | undefined;
  /** The signal that ended it, `SIGKILL` say. */
  readonly killedBy?: string | undefined;
}

/** An answer, or what makes one. What it throws means that the program can't be started. A promise that stays open is a program that hangs. */
export type Program = ProgramAnswer | ((call: ProgramCall) => ProgramAnswer | Promise<ProgramAnswer>);

const STANDARD_OUTPUT = 1;
const DEFAULT_TIMEOUT_MS = 10_000;
const FIRST_PROCESS = 5_000;

/** Programs by absolute path. There are no others. */
export class MemoryPrograms implements Programs {
  /** How programs were called, in order. */
  readonly calls: ProgramCall[] = [];
  readonly #programs: Map<string, Program>;
  readonly #clock: TestClock | undefined;

  /** The time limit of `run` goes by `clock`; without one there is none. */
  constructor(programs: Readonly<Record<string, Program>> = {}, clock?: TestClock) {
    this.#programs = new Map(Object.entries(programs));
    this.#clock = clock;
  }

  isExecutable(path: string): boolean {
    return this.#programs.has(path);
  }

  async run(
    path: string,
    words: readonly string[],
    { timeoutMs = DEFAULT_TIMEOUT_MS }: { timeoutMs?: number } = {},
  ): Promise<ProgramResult> {
    const controller = new AbortController();
    const call = {
      path,
      arguments: words,
      environment: undefined,
      inputs: new Map(),
      signal: controller.signal,
    };
    const {
      exitCode = 0,
      output,
      killedBy,
    } = await new Promise<ProgramAnswer>((resolve, reject) => {
      const cancel = this.#clock?.after(timeoutMs, () => {
        controller.abort();
        reject(new Error(`Command failed: ${[path, ...words].join(' ')}`));
      });
      this.#answer(call)
        .finally(() => cancel?.())
        .then(resolve, reject);
    });
    if (killedBy !== undefined) throw new Error(`Command failed: ${[path, ...words].join(' ')}`);
    return { exitCode, output: textOf(output, STANDARD_OUTPUT) };
  }

  async feed(order: ProgramOrder, signal: AbortSignal): Promise<ProgramEnd> {
    const [path = '', ...words] = order.command;
    const inputs = new Map<number, Buffer>();
    try {
      for (const { fd, blocks } of order.inputs) inputs.set(fd, await joined(blocks));
    } catch (cause) {
      return { kind: 'unreadable', problem: `the message can not be read: ${String(cause)}` };
    }
    const aborted = new Promise<ProgramEnd>((resolve) => {
      const giveUp = (): void => resolve({ kind: 'given up', problem: 'the delivery was given up' });
      if (signal.aborted) giveUp();
      else signal.addEventListener('abort', giveUp, { once: true });
    });
    const call = { path, arguments: words, environment: order.environment, inputs, signal };
    const ended = this.#answer(call).then(
      (answer) => this.#endOf(answer, order.outputs),
      (cause: unknown): ProgramEnd => ({ kind: 'not started', problem: (cause as Error).message }),
    );
    return Promise.race([ended, aborted]);
  }

  #endOf({ exitCode = 0, output, killedBy }: ProgramAnswer, descriptors: readonly number[]): ProgramEnd {
    const outputs = new Map(descriptors.map((fd) => [fd, textOf(output, fd)]));
    if (killedBy !== undefined) return { kind: 'died', problem: `killed by ${killedBy}`, outputs };
    const pid = FIRST_PROCESS + this.calls.length;
    return { kind: 'exited', code: exitCode, pid, hasTakenAll: true, outputs };
  }

  async #answer(call: ProgramCall): Promise<ProgramAnswer> {
    this.calls.push(call);
    const program = this.#programs.get(call.path);
    if (program === undefined)
      throw Object.assign(new Error(`spawn ${call.path} ENOENT`), { code: 'ENOENT' });
    return typeof program === 'function' ? program(call) : program;
  }
}

function textOf(output: ProgramAnswer['output'], descriptor: number): string {
  if (typeof output === 'string') return descriptor === STANDARD_OUTPUT ? output : '';
  return output?.[descriptor] ?? '';
}

async function joined(blocks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const block of blocks) parts.push(block);
  return Buffer.concat(parts);
}
