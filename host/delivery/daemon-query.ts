/** Asks a daemon on this host something over its Unix socket. */

import { connect } from 'node:net';
import type { SystemServices } from '../../bindings/plugin/system-services.ts';
import { QpsmtpdError } from '../errors/error-classes.ts';

export const askDaemon: SystemServices['askDaemon'] = (path, question, { octets, timeoutMs }) =>
  new Promise((resolve, reject) => {
    const socket = connect({ path });
    const blocks: Buffer[] = [];
    let received = 0;
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(blocks).subarray(0, octets));
    };
    const fail = (problem: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new QpsmtpdError('Q_DELIVERY', `${path}: ${problem}`));
    };
    const timer = setTimeout(fail, timeoutMs, `no answer within ${timeoutMs} ms`);
    socket.on('error', (cause) => fail(cause.message));
    socket.on('end', finish);
    socket.on('data', (block) => {
      blocks.push(block);
      received += block.length;
      if (received >= octets) finish();
    });
    socket.write(question);
  });
