// Steps of `npm test` and `npm run check`: programs of Node that run one after the other, and what they said when one failed.
import { spawn } from 'node:child_process';

/**
 * Resolves with whether all of the commands (a file and its arguments each) left with 0. What they said is handed out at once,
 * so that two steps do not mix.
 */
export async function runStep(title, commands, options = {}) {
  const start = performance.now();
  for (const args of commands) {
    const child = spawn(process.execPath, args, options);
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (said += text));
    const status = await new Promise((settle) => child.on('close', settle));
    if (status !== 0) {
      process.stdout.write(`${title}: FAILED\n${said.trimEnd()}\n`);
      return false;
    }
  }
  process.stdout.write(`${title}: fine (${((performance.now() - start) / 1000).toFixed(1)} s)\n`);
  return true;
}
