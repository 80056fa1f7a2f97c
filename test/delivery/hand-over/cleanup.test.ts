import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { CleanupOutlet } from '../../../plugins/queue/postfix-queue/cleanup-outlet.ts';
import { attributes, AttributeReader, record } from '../../../plugins/queue/postfix-queue/records.ts';
import { PLAIN_MAIL } from '../../../host/session/envelope-parameters.ts';
import { address } from '../transaction.ts';
import { freePort } from '../../free-port.ts';
import { collect, serve } from './daemons.ts';
import { collectingLog, mail, shown, SYSTEM, unreadable, Workshop } from './mail-objects.ts';
import { PATIENCE_MS } from '../../patience.ts';

const workshop = new Workshop();
const GREETING = attributes({ protocol: 'cleanup_protocol', queue_id: '4F1A2B' });
const END = Buffer.from('X\0E\0');

/** The records behind the attribute list, as `TYPE content`. */
function recordsIn(octets: Buffer): string[] {
  const records: string[] = [];
  for (let at = octets.indexOf('\0\0') + 2; at < octets.length;) {
    const type = String.fromCharCode(octets[at++]!);
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const digit = octets[at++]!;
      length += (digit & 0x7f) * 2 ** shift;
      if (digit < 0x80) break;
    }
    records.push(`${type} ${octets.toString('utf8', at, at + length)}`);
    at += length;
  }
  return records;
}

/** Greets, takes a message up to its last record, keeps it in `seen` and answers. */
const playing =
  (answer: Buffer | string, seen: Buffer[] = []) =>
  (socket: Socket): void => {
    socket.write(GREETING);
    collect(
      socket,
      (octets) => octets.subarray(-END.length).equals(END),
      (octets) => {
        seen.push(octets);
        socket.end(answer);
      },
    );
  };

const DONE = attributes({ status: 0, reason: '' });

function outletOf(ports: readonly (number | string)[], { flags = 0, timeoutMs = PATIENCE_MS } = {}) {
  const { log, lines } = collectingLog();
  const sockets = ports.map((at) =>
    typeof at === 'string' ? { path: at } : { host: '127.0.0.1', port: at },
  );
  return { lines, outlet: new CleanupOutlet({ sockets, flags, timeoutMs }, SYSTEM, log) };
}

test('envelope and content are records, on a Unix socket', async () => {
  const seen: Buffer[] = [];
  const path = workshop.path('cleanup');
  await serve(playing(DONE, seen), path);
  const { outlet, lines } = outletOf([path], { flags: 114 });
  const report = await outlet.deliver(mail({ to: ['a@b.example', 'e@f.example'] }));
  const answer = 'delivered 250 Queued! <1@c.example> (Queue-Id: 4F1A2B)';
  expect(shown(report)).toEqual([answer, answer]);
  expect(seen[0]!.subarray(0, 11).toString()).toBe('flags\x00114\0\0');
  expect(recordsIn(seen[0]!)).toEqual([
    'T 1700000000',
    'S s@c.example',
    'R a@b.example',
    'R e@f.example',
    'M ',
    'N Message-Id: <1@c.example>',
    'N Subject: hello',
    'N ',
    'N body',
    'N .',
    'N ..dots',
    'X ',
    'E ',
  ]);
  expect(lines).toEqual([]);
});

test('the client, the kind of body and the wishes for reports go along', async () => {
  const seen: Buffer[] = [];
  const { outlet } = outletOf([await serve(playing(DONE, seen))]);
  await outlet.deliver(
    mail({
      from: '',
      mailOptions: { ...PLAIN_MAIL, body: '8bitmime', isUtf8: true, ret: 'hdrs', envid: 'Q1' },
      recipients: [
        {
          address: address('a@b.example'),
          parameters: new Map(),
          options: {
            notify: ['success', 'delay'],
            originalRecipient: { type: 'rfc822', address: 'o@p.example' },
          },
        },
      ],
      client: {
        ip: '192.0.2.3',
        port: 4711,
        host: undefined,
        helloHost: 'h\nS evil@x.example',
        protocol: 'ESMTP',
        user: undefined,
        localIp: '192.0.2.1',
        localPort: 25,
      },
    }),
  );
  expect(seen[0]!.toString('utf8', 0, 11)).toBe('flags\x00256\0\0');
  expect(recordsIn(seen[0]!).slice(1, 13)).toEqual([
    'S ',
    'A log_client_name=unknown',
    'A log_client_address=192.0.2.3',
    'A log_client_port=4711',
    'A log_protocol_name=ESMTP',
    'A encoding=8bit',
    'A envelope_id=Q1',
    'A ret_flags=2',
    'A dsn_orig_rcpt=rfc822;o@p.example',
    'A notify_flags=10',
    'R a@b.example',
    'M ',
  ]);
});

test('lines of any length arrive whole', async () => {
  const seen: Buffer[] = [];
  const { outlet } = outletOf([await serve(playing(DONE, seen))]);
  const lines = [0, 1, 127, 128, 1023, 1024, 1025, 2048, 2049, 70_000, 200_000].map((length) =>
    'x'.repeat(length),
  );
  await outlet.deliver(mail({ text: `Subject: x\r\n\r\n${lines.join('\r\n')}\r\nunended` }));
  const content = recordsIn(seen[0]!).filter((each) => /^[LN]/.test(each));
  expect(content.every((each) => each.length <= 1026)).toBe(true);
  const joined = content.map((each) => each.slice(2) + (each.startsWith('N') ? '\n' : '')).join('');
  expect(joined).toBe(`Subject: x\n\n${lines.join('\n')}\nunended\n`);
});

test.each([
  [1, '', 'deferred 452 4.3.0 internal protocol error'],
  [2, '', 'deferred 452 4.3.0 queue file write error'],
  [4, '', 'refused 552 5.3.4 message file too big'],
  [8, '', 'refused 552 5.7.1 message content rejected'],
  [8, '5.7.1 no such thing here', 'refused 552 5.7.1 no such thing here'],
  [8, '550 5.7.9 not here\r\n250 y', 'refused 550 5.7.9 not here 250 y'],
  [8, 'go away', 'refused 552 5.7.1 go away'],
  [16, '', 'refused 552 5.4.0 too many hops'],
  [64, '', 'refused 552 5.1.0 no recipients specified'],
  [128, '', 'deferred 452 4.3.0 queue file write error'],
  [256, '', 'deferred 452 4.7.1 service unavailable'],
  [256, '4.7.1 greylisted', 'deferred 452 4.7.1 greylisted'],
  [512, '', 'refused 552 5.7.1 service denied'],
  [6, '', 'deferred 452 4.3.0 queue file write error'],
  [1024, '', 'deferred 451 4.3.0 Unable to queue message (1024, )'],
])('status %i with reason %j is %s', async (status, reason, answer) => {
  const { outlet, lines } = outletOf([await serve(playing(attributes({ status, reason })))]);
  expect(shown(await outlet.deliver(mail()))).toEqual([answer]);
  expect(lines[0]).toContain(`4F1A2B: status ${status}`);
});

test('sockets are tried in their order as long as none was given the message', async () => {
  const { outlet, lines } = outletOf([
    workshop.path('nobody'),
    await freePort(),
    await serve((socket) => socket.end()),
    await serve((socket) => socket.write('220 mx.example ESMTP\r\n\0')),
    await serve((socket) => socket.write(attributes({ queue_id: '../../x' }))),
    await serve(playing(DONE)),
  ]);
  expect(shown(await outlet.deliver(mail()))[0]).toMatch(/^delivered 250 /);
  expect(lines).toHaveLength(5);
});

test('without any that listens there is one answer', async () => {
  const { outlet } = outletOf([workshop.path('nobody'), await freePort()]);
  expect(shown(await outlet.deliver(mail()))).toEqual([
    'deferred 451 4.3.0 Unable to open any cleanup sockets!',
  ]);
});

test.each([
  ['closes behind the message', playing('')],
  ['answers garbage', playing('status\0maybe\0\0')],
  ['answers without end', playing(Buffer.alloc(200_000, 'a'))],
  [
    'closes in the middle',
    (socket: Socket) => {
      socket.write(GREETING);
      socket.once('data', () => socket.destroy());
    },
  ],
  [
    'says 0 before it has the message',
    (socket: Socket) => {
      socket.write(Buffer.concat([GREETING, DONE]));
      socket.once('data', () => socket.destroy());
    },
  ],
  [
    'says nothing more',
    (socket: Socket) => {
      socket.write(GREETING);
      socket.resume();
    },
  ],
])('a cleanup that %s is the last to be asked, and nothing is accepted', async (_what, play) => {
  const other: Buffer[] = [];
  const text = `Subject: large\r\n\r\n${'x'.repeat(70).concat('\r\n').repeat(200_000)}`;
  const { outlet } = outletOf([await serve(play), await serve(playing(DONE, other))], { timeoutMs: 2_000 });
  expect(shown(await outlet.deliver(mail({ text })))).toEqual([
    'deferred 451 4.3.0 cleanup did not say what became of the message',
  ]);
  expect(other).toEqual([]);
});

test('a message that can not be read gets no last record', async () => {
  const seen: Buffer[] = [];
  const { outlet } = outletOf([await serve(playing(DONE, seen))]);
  expect(shown(await outlet.deliver(unreadable()))[0]).toMatch(/^deferred/);
  expect(seen).toEqual([]);
});

test('a control character in an address is no record', async () => {
  const { outlet } = outletOf([await freePort()]);
  expect(shown(await outlet.deliver(mail({ to: ['a\0R b@c.example'] })))[0]).toMatch(/^refused 553 5\.1\.3/);
});

test('records have lengths in base 128, and attribute lists may arrive in any parts', () => {
  expect([...record('N', Buffer.alloc(300)).subarray(0, 3)]).toEqual([78, 0xac, 0x02]);
  const reader = new AttributeReader();
  const octets = Buffer.concat([GREETING, DONE]);
  const lists = [...octets].flatMap((octet) => reader.take(Buffer.from([octet])) ?? []);
  expect(lists).toEqual([
    new Map([
      ['protocol', 'cleanup_protocol'],
      ['queue_id', '4F1A2B'],
    ]),
    new Map([
      ['status', '0'],
      ['reason', ''],
    ]),
  ]);
});
