#!/usr/bin/env node
import { heldSignals } from '../process/held-signals.ts';

// Before the rest is loaded, which takes long enough for a signal to come.
heldSignals.hold(process);

const { lazyServer } = await import('./lazy-server.ts');
const { qpsmtpdAsync } = await import('./async.ts');
const { runProgram } = await import('./program.ts');
await runProgram((args, terminal) => qpsmtpdAsync(args, lazyServer, terminal));
