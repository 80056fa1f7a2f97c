#!/usr/bin/env node
import { lazyServer } from './lazy-server.ts';
import { qpsmtpdPrefork } from './prefork.ts';
import { runProgram } from './program.ts';

await runProgram((args, terminal) => qpsmtpdPrefork(args, lazyServer, terminal));
