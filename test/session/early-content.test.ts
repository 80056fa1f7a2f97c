/**
 * Content that comes before the go-ahead of DATA, after a DATA that is refused. DATA has to be the last command of a group,
 * so what follows can only be read as commands (RFC 2920 section 3.1): they are judged as such, and limited.
 */

import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  definePlugin,
  deny,
  denyDisconnect,
  denySoft,
  ok,
  type Answer,
} from '../../bindings/plugin/index.ts';
import { TestServer } from '../../host/testing/index.ts';

const servers: TestServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

let senders: string[] = [];
let queued: string[] = [];
beforeEach(() => {
  senders = [];
  queued = [];
});

/** Answers DATA with `answer`, and keeps the senders of all transactions and the bodies of all messages. */
const witness = (answer: () => Answer | Promise<Answer>) =>
  definePlugin({
    name: 'witness',
    about: 'Writes down what becomes of a message.',
    hooks: {
      mail: (_, reversePath) => void senders.push(reversePath.mailbox),
      data: ({ transaction }) => (transaction.reversePath?.localPart === 'a' ? answer() : undefined),
      async queue({ transaction: { message } }) {
        for await (const block of message.body('crlf')) queued.push(block.toString('latin1'));
        return ok('kept');
      },
    },
  });

async function start(answer: () => Answer | Promise<Answer>, maxUnrecognized: number): Promise<TestServer> {
  const server = await TestServer.start({
    plugins: ['rcpt_ok', witness(answer)],
    config: { rcpthosts: 'example.test', max_unrecognized: String(maxUnrecognized) },
  });
  servers.push(server);
  return server;
}

async function allReplies(server: TestServer, input: string, isCut: boolean): Promise<string[]> {
  const client = await server.greeted();
  if (isCut) for (const octet of input) client.send(octet);
  else client.send(input);
  const replies: string[] = [];
  for (let reply = await client.reply(); reply !== ''; reply = await client.reply()) replies.push(reply);
  expect(await client.isClosed()).toBe(true);
  return replies.map((reply) => reply.slice(0, 3));
}

const later = <T>(value: T): Promise<T> => new Promise((resolve) => setImmediate(resolve, value));

const ENVELOPE = 'MAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.test>\r\n';
const HEADER = 'Received: from x\r\nFrom: a@b.example\r\nSubject: x\r\n\r\n';
const SMUGGLED =
  'RSET\r\nMAIL FROM:<evil@b.example>\r\nRCPT TO:<u@example.test>\r\nDATA\r\n\r\nsmuggled\r\n.\r\nQUIT\r\n';

const refusals: readonly [string, string, () => Answer | Promise<Answer>, readonly string[]][] = [
  ['by a plugin', ENVELOPE, () => deny('no'), ['250', '250', '554']],
  ['by a plugin that takes its time', ENVELOPE, () => later(deny('no')), ['250', '250', '554']],
  ['for now', ENVELOPE, () => denySoft('later'), ['250', '250', '451']],
  ['for want of a recipient', 'MAIL FROM:<a@b.example>\r\n', () => undefined, ['250', '503']],
];

for (const isCut of [false, true]) {
  const how = isCut ? 'octet by octet' : 'in one write';
  test.each(refusals)(
    `behind a DATA refused %s the header wears out max_unrecognized, and the body is never read, ${how}`,
    async (_what, envelope, answer, replies) => {
      const server = await start(answer, 3);
      const input = `${envelope}DATA\r\n${HEADER}${SMUGGLED}`;
      expect(await allReplies(server, input, isCut)).toEqual([...replies, '500', '500', '500', '421']);
      expect(senders).toEqual(['a@b.example']);
      expect(queued).toEqual([]);
    },
  );

  test(`after a DATA refused with the connection nothing is read, ${how}`, async () => {
    const server = await start(() => denyDisconnect('go away'), 3);
    const input = `${ENVELOPE}DATA\r\n${SMUGGLED}`;
    expect(await allReplies(server, input, isCut)).toEqual(['250', '250', '554']);
    expect(senders).toEqual(['a@b.example']);
    expect(queued).toEqual([]);
  });

  test(`commands in such content are the client's own: each has its reply, and relaying stays denied, ${how}`, async () => {
    const server = await start(() => deny('no'), 20);
    const foreign = 'MAIL FROM:<evil@b.example>\r\nRCPT TO:<v@elsewhere.example>\r\nDATA\r\n';
    const input = `${ENVELOPE}DATA\r\n${HEADER}${foreign}\r\nsmuggled\r\n.\r\nQUIT\r\n`;
    const refused = ['250', '250', '554', '500', '500', '500', '500'];
    const obeyed = ['250', '550', '503', '500', '500', '500', '221'];
    expect(await allReplies(server, input, isCut)).toEqual([...refused, ...obeyed]);
    expect(senders).toEqual(['a@b.example', 'evil@b.example']);
    expect(queued).toEqual([]);
  });
}

test('after a DATA that is accepted the same content is one message', async () => {
  const server = await start(() => undefined, 3);
  const input = `${ENVELOPE}DATA\r\n${HEADER}RSET\r\n.\r\nQUIT\r\n`;
  expect(await allReplies(server, input, false)).toEqual(['250', '250', '354', '250', '221']);
  expect(queued.join('')).toBe('\r\nRSET\r\n');
});
