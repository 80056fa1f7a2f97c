/** Runs a program when this process may open no more files, and once it may again; prints how each run ended. */
import { closeSync, openSync } from 'node:fs';
import { runProgram } from '../../../dist/host/programs/programs.js';

const order = {
  command: ['/bin/cat'],
  environment: {},
  inputs: [{ fd: 0, blocks: [] }],
  outputs: [1, 2, 4, 6],
};
const run = async () => (await runProgram(order, new AbortController().signal)).kind;
const ends = [await run()];
const handles = [];
try {
  for (;;) handles.push(openSync('/dev/null'));
} catch {
  ends.push(await run());
}
closeSync(handles.pop());
ends.push(await run());
for (const handle of handles) closeSync(handle);
ends.push(await run());
process.stdout.write(ends.join(', '));
