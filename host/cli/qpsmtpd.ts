#!/usr/bin/env node
import { lazyServer } from './lazy-server.ts';
import { qpsmtpd } from './main.ts';
import { runProgram } from './program.ts';

await runProgram((args, terminal) => qpsmtpd(args, lazyServer, terminal));
