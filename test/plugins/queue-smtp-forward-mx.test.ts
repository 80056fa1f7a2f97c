/** queue/smtp-forward by MX in a whole server; what it finds in the DNS is tested under delivery/policy. */

import { expect, test } from 'vitest';
import { TestServer } from '../../host/testing/index.ts';
import { closeLater } from '../delivery/hop-closers.ts';
import { ZoneServer, type Zone } from '../dns/zone-server.ts';

async function given(zone: Zone, plugins: readonly string[]) {
  const dns = await ZoneServer.start(zone);
  closeLater(() => dns.close());
  const server = await TestServer.start({
    plugins,
    config: { rcpthosts: ['d.example', 'e.example'], mx_resolvers: `127.0.0.1:${dns.port}` },
  });
  closeLater(() => server.close());
  const client = await server.greeted();
  await client.say('MAIL FROM:<s@c.example>');
  return { client, dns };
}

const FORWARD = 'queue/smtp-forward mx policies dane';

async function send(zone: Zone, plugins: readonly string[] = ['rcpt_ok', FORWARD]): Promise<string> {
  const { client } = await given(zone, plugins);
  await client.say('RCPT TO:<u@d.example>');
  await client.say('DATA');
  return client.say('Subject: x\r\n\r\nbody\r\n.');
}

test('what the DNS says for good is refused, and no other queue plugin asked', async () => {
  const zone: Zone = { 'MX d.example': { records: [['MX d.example', '0 .']] } };
  expect(await send(zone, ['rcpt_ok', FORWARD, 'queue/discard'])).toMatch(/^556 d\.example takes no mail/);
});

test('what may pass leaves the message to the next queue plugin, or to the client', async () => {
  const zone: Zone = { 'MX d.example': { code: 2 } };
  expect(await send(zone)).toMatch(/^451 Unable to queue message \(.*could not be looked up \(SERVFAIL\)\)/);
  expect(await send(zone, ['rcpt_ok', FORWARD, 'queue/discard'])).toMatch(/^250 /);
});

test('a domain cannot have us talk to services of this machine', async () => {
  const zone: Zone = {
    'MX d.example': { records: [['MX d.example', '10 mx.d.example']] },
    'A mx.d.example': { records: [['A mx.d.example', '127.0.0.1']] },
  };
  expect(await send(zone)).toMatch(/^550 no mail host of d\.example can be reached/);
});

test('our own name in the list ends it', async () => {
  const zone: Zone = { 'MX d.example': { records: [['MX d.example', '10 mx.test']] } };
  expect(await send(zone)).toMatch(/^554 mail for d\.example would come back/);
});

test('in front of those that accept recipients it takes one domain at a time', async () => {
  const { client, dns } = await given({}, [FORWARD, 'rcpt_ok']);
  expect(await client.say('RCPT TO:<u@d.example>')).toMatch(/^250 /);
  expect(await client.say('RCPT TO:<v@D.example>')).toMatch(/^250 /);
  expect(await client.say('RCPT TO:<w@e.example>')).toMatch(/^452 /);
  expect(dns.asked).toEqual([]);
});

test.each([
  ['queue/smtp-forward mx tls required', 'is for hosts that are named'],
  ['queue/smtp-forward mx auth /etc/login', 'is for hosts that are named'],
  ['queue/smtp-forward mx xclient', 'is for hosts that are named'],
  ['queue/smtp-forward mx proxy v2', 'is for hosts that are named'],
  ['queue/smtp-forward mx policies some', 'policies'],
  ['queue/smtp-forward 10.0.0.5 policies dane', 'goes with the host `mx` alone'],
  ['queue/smtp-forward mx:25 policies dane', 'goes with the host `mx` alone'],
])('%s keeps the daemon from starting', async (line, reason) => {
  await expect(TestServer.start({ plugins: [line] })).rejects.toThrow(reason);
});

test('a resolver that is none keeps the daemon from starting', async () => {
  const config = { mx_resolvers: 'dns.example' };
  await expect(TestServer.start({ plugins: ['rcpt_ok'], config })).rejects.toThrow(
    'no address of a resolver',
  );
});
