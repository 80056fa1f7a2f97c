import { expect, test } from 'vitest';
import { fakeResolver, printVerdict, testPlugin } from '../../host/testing/index.ts';
import stunnel, { proxy } from '../../plugins/stunnel.ts';

const LINE = 'TCP4 198.51.100.7 10.0.0.1 50060 465';

function behind(peerIp = '127.0.0.1') {
  const asked = testPlugin(stunnel, {
    options: 'proxy on',
    resolver: fakeResolver({ '198.51.100.7': { PTR: ['bad name', 'client.example'] } }),
    client: { remoteIp: peerIp, hello: undefined },
  });
  const { connection } = asked.session;
  const say = async (line: string) => printVerdict(await asked.ask('unrecognized_command', 'proxy', line));
  return { ask: asked.ask, connection, say };
}

test('stunnel takes the client that a proxy on this host names, and no second one', async () => {
  for (const peer of ['127.0.0.1', '::1']) {
    const { connection, say } = behind(peer);
    expect(await say(LINE)).toBe('DONE');
    expect([connection.remoteIp, connection.remotePort, connection.remoteHost]).toEqual([
      '198.51.100.7',
      50_060,
      'client.example',
    ]);
    expect(connection.notes.get(proxy)).toEqual({
      protocol: 'TCP4',
      remoteIp: '198.51.100.7',
      localIp: '10.0.0.1',
      remotePort: 50_060,
      localPort: 465,
    });
    expect(await say(LINE)).toBe('DENY_DISCONNECT');
  }
});

test('stunnel takes IPv6 clients, and names nobody whose address has no name', async () => {
  const { connection, say } = behind();
  expect(await say('TCP6 2001:db8::7 ::1 50060 465')).toBe('DONE');
  expect([connection.remoteIp, connection.remoteHost]).toEqual(['2001:db8::7', 'Unknown']);
});

test.each([
  '',
  'UNKNOWN',
  'TCP4 198.51.100.7 10.0.0.1 50060',
  'TCP4 198.51.100.7 10.0.0.1 50060 465 1',
  'TCP4 198.51.100.7 10.0.0.1 50060 65536',
  'TCP4 198.51.100.7 10.0.0.1 x 465',
  'TCP4 198.51.100 10.0.0.1 50060 465',
  'TCP4 mail.example 10.0.0.1 50060 465',
  'TCP6 198.51.100.7 10.0.0.1 50060 465',
  'TCP4 2001:db8::7 ::1 50060 465',
  'UDP4 198.51.100.7 10.0.0.1 50060 465',
])('stunnel ends the connection at the line `%s`', async (line) => {
  const { connection, say } = behind();
  expect(await say(line)).toBe('DENY_DISCONNECT');
  expect(connection.remoteIp).toBe('127.0.0.1');
});

test('stunnel believes nobody from elsewhere, nobody who was named already, and nothing behind HELO', async () => {
  const stranger = behind('192.0.2.1');
  expect(await stranger.say(LINE)).toBe('DENY_DISCONNECT');
  const named = behind();
  named.connection.remoteIp = '192.0.2.1';
  expect(await named.say(LINE)).toBe('DENY_DISCONNECT');
  const late = behind();
  late.connection.hello = 'ehlo';
  expect(await late.say(LINE)).toBe('DENY_DISCONNECT');
});

test('stunnel has no say about other verbs, nor without `proxy on`', async () => {
  const { ask } = behind();
  expect(printVerdict(await ask('unrecognized_command', 'foo', ''))).toBe('DECLINED');
  expect(testPlugin(stunnel, { options: 'proxy off' }).hooks).toEqual([]);
  expect(testPlugin(stunnel).hooks).toEqual([]);
});
