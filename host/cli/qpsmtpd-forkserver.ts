#!/usr/bin/env node
import { lazyServer } from './lazy-server.ts';
import { qpsmtpdForkserver } from './forkserver.ts';
import { runProgram } from './program.ts';

await runProgram((args, terminal) => qpsmtpdForkserver(args, lazyServer, terminal));
