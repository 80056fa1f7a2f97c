#!/usr/bin/env node
import { heldSignals, keepInspectorShut } from '../process/held-signals.ts';

/** Commands that run until a signal ends them; without a command a client may be served. */
const RUNS_ON: ReadonlySet<string> = new Set(['serve', 'sample', '']);
// Before the rest is loaded, which takes long enough for a signal to come.
if (RUNS_ON.has(process.argv[2] ?? '')) heldSignals.hold(process);
else keepInspectorShut(process);

const { lazyServer } = await import('./lazy-server.ts');
const { qpsmtpd } = await import('./main.ts');
const { runProgram } = await import('./program.ts');
await runProgram((args, terminal) => qpsmtpd(args, lazyServer, terminal));
