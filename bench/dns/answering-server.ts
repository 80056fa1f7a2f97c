/**
 * The DNS server of the benchmark, in a process of its own so that its work is not counted: every name has one address, but
 * those with `absent` in them do not exist. It counts the questions it gets.
 */

import { createSocket } from 'node:dgram';

const socket = createSocket('udp4');
let questions = 0;

/** `127.0.0.2` for five minutes, under the name of the question. */
const RECORD = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 0, 0, 2]);
/** A SOA record of `test.`, whose minimum is five minutes: RFC 2308 section 3. */
const SOA = Buffer.from([
  ...[4, 0x74, 0x65, 0x73, 0x74, 0, 0, 6, 0, 1, 0, 0, 1, 44, 0, 22, 0, 0],
  ...[0, 0, 0, 1, 0, 0, 14, 16, 0, 0, 3, 132, 0, 9, 58, 128, 0, 0, 1, 44],
]);
const ABSENT = /absent/i;

socket.on('message', (question, { port, address }) => {
  questions++;
  let end = 12;
  while (question[end] !== 0) end += 1 + question[end]!;
  end += 5;
  const isAbsent = ABSENT.test(question.latin1Slice(12, end));
  const answer = Buffer.concat([question.subarray(0, end), isAbsent ? SOA : RECORD]);
  answer.writeUInt16BE(isAbsent ? 0x8183 : 0x8180, 2);
  answer.writeUInt16BE(isAbsent ? 0 : 1, 6);
  answer.writeUInt16BE(isAbsent ? 1 : 0, 8);
  answer.writeUInt16BE(0, 10);
  socket.send(answer, port, address);
});

/** The parent asks by any message how many questions there were since it last asked. */
process.on('message', () => {
  process.send!({ questions });
  questions = 0;
});
process.on('disconnect', () => process.exit());

socket.bind(0, '127.0.0.1', () => {
  // As much as the system allows: no question may be lost because this process has no turn.
  socket.setRecvBufferSize(8 * 1_048_576);
  process.send!({ port: socket.address().port });
});
