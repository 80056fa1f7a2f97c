#!/usr/bin/env node
require('./client-descriptors.cjs').protect(process.argv.slice(2), process.env);
require('./begin.cjs')('qpsmtpd');
