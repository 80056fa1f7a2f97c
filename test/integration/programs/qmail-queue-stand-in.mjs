#!/usr/bin/env node
/**
 * qmail-queue as its manual page has it, strictly: reads the message from descriptor 0 up to its end, then the envelope
 * from descriptor 1, and exits with 0 once both are in one file of $QUEUE_FOLDER and on the disk.
 */
import { closeSync, fsyncSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.env['QUEUE_FOLDER'];
if (folder === undefined) process.exit(61);

/** All of a descriptor; exits with 54 where it can't be read. */
function readAll(fd) {
  const blocks = [];
  for (;;) {
    const block = Buffer.alloc(65_536);
    let octets;
    try {
      octets = readSync(fd, block);
    } catch (cause) {
      if (cause.code === 'EAGAIN') continue;
      process.exit(54);
    }
    if (octets === 0) return Buffer.concat(blocks);
    blocks.push(block.subarray(0, octets));
  }
}

const message = readAll(0);
const envelope = readAll(1).toString('latin1');
if (!/^F[^\0]*\0(?:T[^\0]+\0)+\0$/.test(envelope)) process.exit(91);
if (envelope.split('\0').some((address) => address.length > 1003)) process.exit(11);

const file = join(folder, `queued-${process.pid}`);
try {
  const handle = openSync(`${file}.tmp`, 'wx', 0o600);
  writeSync(handle, JSON.stringify({ envelope, message: message.toString('latin1') }));
  fsyncSync(handle);
  closeSync(handle);
  renameSync(`${file}.tmp`, `${file}.json`);
  const directory = openSync(folder, 'r');
  fsyncSync(directory);
  closeSync(directory);
} catch {
  process.exit(53);
}
process.exit(0);
