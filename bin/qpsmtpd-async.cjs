#!/usr/bin/env node
require('./begin.cjs')('qpsmtpd-async');
