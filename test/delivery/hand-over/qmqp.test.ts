import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { readNetstring } from '../../../plugins/queue/qmqp/qmqp-conversation.ts';
import { connect } from '../../../host/connect/connect.ts';
import { QmqpOutlet } from '../../../plugins/queue/qmqp/qmqp-outlet.ts';
import { freePort } from '../../free-port.ts';
import { collect, serve } from './daemons.ts';
import { collectingLog, mail, shown, TEXT_LF, unreadable } from './mail-objects.ts';
import { PATIENCE_MS } from '../../patience.ts';

const net = (text: string): string => `${Buffer.byteLength(text)}:${text},`;
const PACKET = net(net(TEXT_LF) + net('s@c.example') + net('a@b.example') + net('e@f.example'));
const TO = ['a@b.example', 'e@f.example'];

function outletOf(ports: readonly number[], timeoutMs = PATIENCE_MS) {
  const { log, lines } = collectingLog();
  const hosts = ports.map((port) => ({ host: '127.0.0.1', port }));
  return { lines, outlet: new QmqpOutlet({ hosts, connectTimeoutMs: PATIENCE_MS, timeoutMs }, connect, log) };
}

/** Takes a whole packet, keeps it in `seen` and says `answer`. */
const answering =
  (answer: string, seen: string[] = []) =>
  (socket: Socket): void =>
    collect(
      socket,
      (octets) => octets.length === PACKET.length,
      (octets) => {
        seen.push(octets.toString());
        socket.end(answer);
      },
    );

test('a message, its sender and its recipients are one netstring', async () => {
  const seen: string[] = [];
  const { outlet, lines } = outletOf([await serve(answering(net('Kok 1700 qp 42'), seen))]);
  expect(shown(await outlet.deliver(mail({ to: TO })))).toEqual([
    'delivered 250 ok 1700 qp 42',
    'delivered 250 ok 1700 qp 42',
  ]);
  expect(seen).toEqual([PACKET]);
  expect(lines).toEqual([]);
});

test.each([
  ['Zbusy (#4.3.0)', 'deferred 451 4.3.0 busy'],
  ['Z', 'deferred 451 4.3.0 the next host defers the message'],
  ['Dno (#5.7.1)', 'refused 554 5.7.1 no'],
  ['Dno (#4.7.1)', 'refused 554 5.3.0 no'],
  ['D', 'refused 554 5.3.0 the next host refuses the message'],
  ['K', 'delivered 250 Queued'],
  ['Dx\r\n250 y\u0007', 'refused 554 5.3.0 x 250 y'],
])('answer %j is %s', async (answer, outcome) => {
  const { outlet } = outletOf([await serve(answering(net(answer)))]);
  expect(new Set(shown(await outlet.deliver(mail({ to: TO }))))).toEqual(new Set([outcome]));
});

test('hosts that can not be reached, or close before they have all of it, are passed over', async () => {
  const seen: string[] = [];
  const text = `Subject: large\r\n\r\n${'x'.repeat(70).concat('\r\n').repeat(100_000)}`;
  const closes = await serve((socket) => socket.once('data', () => socket.destroy()));
  const takes = await serve((socket) =>
    collect(
      socket,
      (octets) => octets.subarray(-12).toString() === 'e@f.example,'.concat(',').slice(-12),
      () => {
        seen.push('whole');
        socket.end(net('Kok'));
      },
    ),
  );
  const { outlet, lines } = outletOf([await freePort(), closes, takes]);
  expect(shown(await outlet.deliver(mail({ text, to: TO })))[0]).toBe('delivered 250 ok');
  expect(seen).toEqual(['whole']);
  expect(lines).toHaveLength(2);
});

test.each([
  ['closes', ''],
  ['answers garbage', 'hello\r\n'],
  ['answers a netstring that says nothing', net('Xyz')],
  ['answers a netstring that is too long', '999999999:K'],
])('a host that has the message and %s is the last to be asked', async (_what, answer) => {
  const other: string[] = [];
  const { outlet, lines } = outletOf([
    await serve(answering(answer)),
    await serve(answering(net('Kok'), other)),
  ]);
  expect(shown(await outlet.deliver(mail({ to: TO })))[0]).toBe(
    'deferred 451 4.4.2 the next host did not say what became of the message',
  );
  expect(other).toEqual([]);
  expect(lines).toHaveLength(1);
});

test('a host that says K before it has the message is not believed', async () => {
  const text = `Subject: large\r\n\r\n${'x'.repeat(70).concat('\r\n').repeat(200_000)}`;
  const { outlet } = outletOf([await serve((socket) => socket.write(net('Kok')))]);
  expect(shown(await outlet.deliver(mail({ text })))).toEqual([
    'deferred 451 4.4.1 no host takes messages now',
  ]);
});

test('a host that never answers is left when the time is up', async () => {
  const { outlet, lines } = outletOf([await serve((socket) => socket.resume())], 200);
  expect(shown(await outlet.deliver(mail()))[0]).toMatch(/^deferred 451 4\.4\.2/);
  expect(lines[0]).toContain('no answer within its time');
});

test('a message that can not be read is not sent as a whole', async () => {
  const { outlet } = outletOf([await serve(answering(net('Kok')))]);
  expect(shown(await outlet.deliver(unreadable()))).toEqual([
    'deferred 451 4.4.1 no host takes messages now',
  ]);
});

test.each([
  ['', undefined],
  ['3', undefined],
  ['3:Ko', undefined],
  ['3:Kok', undefined],
  ['3:Kok,rest', 'Kok'],
  ['3:Kokx', 'garbage'],
  ['x', 'garbage'],
  [':', 'garbage'],
  ['-1:', 'garbage'],
  ['99999999999', 'garbage'],
  ['101:', 'garbage'],
])('the netstring %j is %s', (octets, content) => {
  expect(readNetstring(Buffer.from(octets), 100)).toBe(content);
});
