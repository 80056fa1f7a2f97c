/** The frame around every program: runs it, explains what went wrong, and leaves with the right exit code. */

import { exitCodeOf, explain } from '../process/exit-code.ts';
import { tell } from '../process/ipc-messages.ts';
import { parent } from '../process/parent.ts';
import type { Terminal } from '../process/serve-options.ts';

export type Program = (args: readonly string[], terminal: Terminal) => Promise<number>;

const terminal: Terminal = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
};

/** Ends the process with the exit code of the program. */
export async function runProgram(program: Program): Promise<never> {
  parent.receive(process.env);
  process.exit(await runGuarded(program, process.argv.slice(2), terminal));
}

/** The exit code of the program; an error it throws is printed, without a stack where the message explains itself. */
export async function runGuarded(program: Program, args: readonly string[], to: Terminal): Promise<number> {
  try {
    return await program(args, to);
  } catch (error) {
    const exitCode = exitCodeOf(error);
    const text = explain(error);
    if (await isWorker()) {
      await tell({ qpsmtpd: 'failed', exitCode, text });
      return exitCode;
    }
    to.err(text);
    await parent.failed(exitCode, text);
    return exitCode;
  }
}

/** The primary prints what its worker could not do, once, and does not start it again. */
async function isWorker(): Promise<boolean> {
  return process.connected === true && (await import('node:cluster')).default.isWorker;
}
