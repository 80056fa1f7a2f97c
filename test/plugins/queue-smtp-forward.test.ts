/** queue/smtp-forward and queue/lmtp in a whole server, with a scripted hop behind them. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { noReverseLookup } from '../../host/dns/reverse-lookup.ts';
import { parseListen } from '../../host/intake/listen-spec.ts';
import { SocketAcceptor } from '../../host/intake/socket-acceptor.ts';
import { Server } from '../../host/server/server.ts';
import { TestServer } from '../../host/testing/index.ts';
import type { Script } from '../delivery/scripted-hop.ts';
import { closeLater, hopWith } from '../delivery/hop-closers.ts';

/** The reply to the end of data of a message to `recipients`. */
async function send(
  plugins: readonly string[],
  recipients: readonly string[] = ['u@d.example'],
): Promise<string> {
  const server = await TestServer.start({
    plugins: ['rcpt_ok', ...plugins],
    config: { rcpthosts: 'd.example' },
  });
  closeLater(() => server.close());
  const client = await server.greeted();
  await client.say('MAIL FROM:<s@c.example>');
  for (const recipient of recipients) await client.say(`RCPT TO:<${recipient}>`);
  await client.say('DATA');
  return client.say('Subject: x\r\n\r\nbody\r\n.');
}

const forward = async (script: Script, recipients?: readonly string[]): Promise<string> => {
  const hop = await hopWith(script);
  return send([`queue/smtp-forward 127.0.0.1 ${hop.port}`], recipients);
};

test('the last word of the hop is the name of the message there, as in Perl', async () => {
  expect(await forward({})).toBe('250 queued as 4711');
});

test.each([
  ['250', '250 Queued'],
  ['250 2.0.0', '250 Queued (#2.0.0)'],
  ['250-2.0.0\n250 2.0.0 ', '250 Queued (#2.0.0)'],
  ['550', '550 Message denied'],
  ['554 5.7.1', '554 Message denied (#5.7.1)'],
  ['450', '450 Message denied temporarily'],
  ['421', '451 Message denied temporarily'],
])('%j of the hop has no words: the client reads ours, %s', async (END, reply) => {
  expect(await forward({ says: { END } })).toBe(reply);
});

const STAGES = ['MAIL', 'RCPT', 'DATA', 'END'];
test.each(STAGES)(
  '421 of the hop to %s is 451 to the client: behind 452 it would split the message',
  async (stage) => {
    for (const offers of [[], ['PIPELINING'], ['PIPELINING', 'CHUNKING']]) {
      if (stage === 'DATA' && offers.includes('CHUNKING')) continue;
      for (const to of [['u@d.example'], ['u@d.example', 'v@d.example']]) {
        const says = { [stage]: '421 4.3.2 closing' };
        const isUnheard = stage === 'MAIL';
        expect(await forward({ offers, says }, to)).toMatch(
          isUnheard ? /^451 .*closing/ : /^451 closing \(#4\.3\.2\)$/,
        );
        const hop = await hopWith({ offers, says, isLmtp: true });
        expect(await send([`queue/lmtp 127.0.0.1 ${hop.port}`], to)).toBe('451 closing (#4.3.2)');
      }
    }
  },
);

test.each(['GREETING', 'EHLO'])('421 of the hop to %s is 451 to the client', async (stage) => {
  const says = { [stage]: '421 4.3.2 closing' };
  expect(await forward({ says })).toMatch(/^451 .*closing/);
  const hop = await hopWith({ says: { ...says, LHLO: says['EHLO'] ?? '' }, isLmtp: true });
  expect(await send([`queue/lmtp 127.0.0.1 ${hop.port}`])).toMatch(/^451 closing/);
});

test('no hop is reached, and one has refused without words: 451 says what we know', async () => {
  expect(await forward({ says: { GREETING: '554' } })).toBe('451 Unable to queue message');
});

test('a hop that refuses connections for good puts the message off, by 451', async () => {
  const hop = await hopWith({ says: { GREETING: '554 5.7.1 go away' } });
  expect(await send([`queue/lmtp 127.0.0.1 ${hop.port}`])).toBe('451 go away (#4.7.1)');
});

test.each([
  ['MAIL', '550 5.7.1 not from there'],
  ['RCPT', '452 4.5.3 too many'],
  ['DATA', '554 5.6.0 no'],
  ['END', '571 5.7.1 looks bad'],
])('what the hop says to %s reaches the client: %s', async (stage, reply) => {
  const [code, status, ...words] = reply.split(' ');
  expect(await forward({ says: { [stage]: reply } })).toBe(`${code} ${words.join(' ')} (#${status})`);
});

test('no hop has heard of the message: the next queue plugin is asked, else 451 says why', async () => {
  const hop = await hopWith();
  const { port } = hop;
  await hop.close();
  const line = `queue/smtp-forward 127.0.0.1 ${port}`;
  expect(await send([line])).toBe('451 Unable to queue message (next hop unreachable (ECONNREFUSED))');
  expect(await send([line, 'queue/discard'])).toMatch(/^250 /);
});

test('the hop has heard of the message: no other queue plugin is asked', async () => {
  const hop = await hopWith({ says: { END: '[close]' } });
  const reply = await send([`queue/smtp-forward 127.0.0.1 ${hop.port}`, 'queue/discard']);
  expect(reply).toMatch(/^451 .*connection to the next hop lost/);
});

test('hosts in a list: the one that answers takes the mail', async () => {
  const [dead, hop] = [await hopWith(), await hopWith()];
  const { port } = dead;
  await dead.close();
  for (let round = 0; round < 4; round++) {
    expect(await send([`queue/smtp-forward 127.0.0.1:${port}*50,127.0.0.1:${hop.port}`])).toMatch(/^250 /);
  }
});

test('LMTP over a Unix socket', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-lmtp-'));
  closeLater(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'lmtp');
  const hop = await hopWith({ isLmtp: true, says: { EHLO: '500 LMTP only' } }, { path });
  expect(await send([`queue/lmtp unix:${path}`])).toMatch(/^250 .*queued as 4711/);
  expect(hop.lines[0]).toBe('LHLO mx.test');
});

test('LMTP: one of two has no room, and the client hears of it', async () => {
  const says = { END: (path: string): string => (path.includes('b@') ? '452 4.2.2 over quota' : '') };
  const hop = await hopWith({ isLmtp: true, says });
  const reply = await send([`queue/lmtp 127.0.0.1 ${hop.port}`], ['a@d.example', 'b@d.example']);
  expect(reply).toMatch(/^452 over quota/);
});

test.each([
  ['queue/smtp-forward', 'host: is missing'],
  ['queue/smtp-forward h 0', 'port'],
  ['queue/smtp-forward a:b', 'must be hosts'],
  ['queue/smtp-forward h tls sometimes', 'tls'],
  ['queue/smtp-forward h auth /nonexistent/login', "can't be read"],
  ['queue/smtp-forward h tls_ca /nonexistent/ca', "can't be read"],
  ['queue/lmtp unix:relative', 'must be hosts'],
])('%s keeps the daemon from starting', async (line, reason) => {
  await expect(TestServer.start({ plugins: [line] })).rejects.toThrow(reason);
});

test('our own daemon as the hop: what comes in goes out, octet by octet', async () => {
  let received = '';
  const keep = {
    name: 'keep',
    about: 'Keeps the message.',
    hooks: {
      async queue({
        transaction,
      }: {
        transaction: { message: { body(ends: 'crlf'): AsyncIterable<Buffer> | Iterable<Buffer> } };
      }) {
        for await (const block of transaction.message.body('crlf')) received += block.latin1Slice();
        return { kind: 'verdict', code: 900, lines: ['kept'] } as const;
      },
    },
  };
  const hop = await Server.load({
    acceptors: [new SocketAcceptor(parseListen('tcp://127.0.0.1:0'))],
    directories: [],
    overlay: new Map([
      ['me', ['hop.test']],
      ['plugins', ['rcpt_ok', 'keep']],
      ['rcpthosts', ['d.example']],
    ]),
    definitions: [keep],
    reverseLookup: noReverseLookup,
  });
  const [address = ''] = await hop.listen();
  closeLater(() => hop.drain(0));
  expect(await send([`queue/smtp-forward 127.0.0.1 ${/:(\d+)$/.exec(address)![1]!}`])).toBe(
    '250 queued as kept',
  );
  expect(received).toBe('\r\nbody\r\n');
});
