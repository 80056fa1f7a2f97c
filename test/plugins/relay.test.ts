import { expect, test } from 'vitest';
import { testPlugin, printVerdict } from '../../host/testing/index.ts';
import plugin from '../../plugins/relay.ts';

const config = {
  relayclients: ['127.0.0.1', '192.0.', '2001:0DB8', '2001:DB8::1', '2001:DB8::1/32', '198.51.100.4/30'],
  norelayclients: ['192.0.99.5', '192.0.99.6', '192.0.98.'],
};
const databases = { morerelayclients: { '203.0.113.': '', '203.0.114.9': '', '2001:0dc0:0001': '' } };

test.each([
  ['192.0.1.1', true],
  ['192.51.1.1', false],
  ['203.0.112.0', false],
  ['203.0.113.77', true],
  ['203.0.114.9', true],
  ['203.0.114.99', false],
  ['192.0.99.5', false],
  ['192.0.98.1', false],
  ['192.0.98.255', false],
  ['192.0.99.7', true],
  ['192.0.109.7', true],
  ['::1', true],
  ['2001:db8:77::1', true],
  ['2001:dc0:1fff::1', false],
  ['2001:dc0:1:5::1', true],
  // First and last address of the block. RFC 4632 section 3.1.
  ['198.51.100.3', false],
  ['198.51.100.4', true],
  ['198.51.100.7', true],
  ['198.51.100.8', false],
])('relay: %s is a relay client: %s', async (ip, isRelay) => {
  const { ask, session } = testPlugin(plugin, { config, databases });
  session.connection.remoteIp = ip;
  expect(printVerdict(await ask('connect'))).toBe('DECLINED');
  expect(session.connection.relayClient).toBe(isRelay);
});

test('relay: the environment makes everybody a relay client but those in norelayclients', async () => {
  const system = { environment: { RELAYCLIENT: '' } };
  for (const [ip, isRelay] of [
    ['203.0.112.1', true],
    ['192.0.99.5', false],
  ] as const) {
    const { ask, session } = testPlugin(plugin, { config, system });
    session.connection.remoteIp = ip;
    await ask('connect');
    expect(session.connection.relayClient, ip).toBe(isRelay);
  }
});

test('relay only 1: relay clients may send anywhere, others nowhere', async () => {
  const { ask, session } = testPlugin(plugin, { options: 'only 1' });
  const rcpt = () => ask('rcpt', '<a@elsewhere.example>');
  expect(printVerdict(await rcpt())).toBe('DENY');
  session.connection.relayClient = true;
  expect(printVerdict(await rcpt())).toBe('OK');
});

test('relay without `only` has no say about recipients, and warns of entries that match nothing', async () => {
  const { ask, log } = testPlugin(plugin, { config: { relayclients: ['mail.example'] }, options: 'only 0' });
  expect(printVerdict(await ask('rcpt', '<a@b.example>'))).toBe('DECLINED');
  expect(log[0]).toContain('entry `mail.example` matches nothing');
});
