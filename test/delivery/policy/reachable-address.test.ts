/** Names that strangers have in their hands and that lead to this machine lead nowhere. */

import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { isReachable } from '../../../bindings/lists/client-ranges.ts';
import { openMailExchange } from '../../../plugins/queue/mx/mail-exchange.ts';
import { webClient } from '../../../host/http/web-client.ts';
import { fakeResolver } from '../../../host/testing/fake-resolver.ts';
import { MemoryStores } from '../../../host/testing/memory-store.ts';
import { hopSetup, keptLog, mailTo } from '../mail-object.ts';

test.each([
  '127.0.0.1',
  '::1',
  '::ffff:127.0.0.1',
  '0.0.0.0',
  '::',
  '169.254.1.1',
  'fe80::1',
  'fe80::1%eth0',
  '224.0.0.1',
  '255.255.255.255',
  '240.0.0.1',
  'localhost',
  '',
])('%j is no address that others may have us connect to', (address) => {
  expect(isReachable(address)).toBe(false);
});

test.each(['10.0.0.1', '192.168.1.1', '198.41.0.4', '2001:4860:4860::8888', 'fd00::1'])(
  '%s is one',
  (address) => {
    expect(isReachable(address)).toBe(true);
  },
);

test('a policy host on this machine is not connected to', async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const log = keptLog();
  const dns = fakeResolver({
    'a.example': { MX: ['0 .'] },
    '_mta-sts.a.example': { TXT: ['v=STSv1; id=1;'] },
    'mta-sts.a.example': { A: ['127.0.0.1'], AAAA: ['::1'] },
  });
  const clock = { now: () => 0 };
  const services = { ...hopSetup.services, clock, dns, http: webClient, store: new MemoryStores(clock) };
  const outlet = openMailExchange(
    { helloName: 'us.example', log },
    { ...hopSetup, services },
    { stsPort: (server.address() as AddressInfo).port },
  );
  onTestFinished(() => outlet.close());
  const [outcome] = await outlet.deliver(mailTo(['u@a.example']));
  expect(outcome?.reply.status).toBe('5.1.10');
  expect(log.lines.join('\n')).toContain('could not be fetched: mta-sts.a.example leads to no other host');
  expect(connections).toBe(0);
});
