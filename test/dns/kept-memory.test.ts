/** What the cache says it takes is what it takes: no answer holds on to a message, or to more than it is charged for. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { TlsaRecord } from '../../bindings/plugin/resolver.ts';
import type { AskedType } from '../../host/dns/question.ts';
import { asking } from './asking.ts';
import { ZoneServer, type Zone } from './zone-server.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function memoryInUse(): number {
  // Buffers are freed by the second one.
  collectGarbage();
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test('a name that was cut out of a long text does not keep the text', async () => {
  const server = await ZoneServer.start({});
  const dns = asking([server.resolver()]);
  const before = memoryInUse();
  for (let at = 0; at < 100; at++) {
    const name = `some-name-${at}.long.enough.for.a.slice.example`;
    const text = Buffer.alloc(1_000_000, `${name} `).latin1Slice();
    await dns.resolve4(text.slice(0, name.length));
  }
  server.asked.length = server.questions.length = 0;
  expect(dns.counts.kept).toBe(100);
  expect(memoryInUse() - before).toBeLessThan(20_000_000);
});

test.each<[AskedType, string | TlsaRecord]>([
  ['TLSA', { usage: 3, selector: 1, matching: 1, data: Buffer.alloc(32, 7) }],
  ['MX', '10 a-mail-exchanger.example'],
  ['A', '192.0.2.1'],
  ['TXT', 'v=spf1 -all'],
  ['TXT', 'v=DKIM1 '.padEnd(400, 'x')],
])('%s records are charged for the memory they take', async (type, data) => {
  const zone: Zone = {};
  const names = Array.from({ length: 1_000 }, (_, at) => `n${at}.example`);
  for (const name of names)
    zone[`${type} ${name}`] = {
      records: Array.from({ length: 20 }, () => [`${type} ${name}`, data] as const),
    };
  const server = await ZoneServer.start(zone);
  const dns = asking([server.resolver()], { cacheOctets: 67_108_864 });
  const before = memoryInUse();
  for (const name of names) {
    expect((await dns.ask(name, type)).status).toBe('found');
    server.questions.length = 0;
    // Other Buffers of the process, which come and go.
    for (let at = 0; at < 20; at++) Buffer.from('x'.repeat(400));
  }
  expect(dns.counts.kept).toBe(1_000);
  // Other tests share the process, and leave some megabytes now and then.
  expect(memoryInUse() - before).toBeLessThan(dns.counts.keptOctets * 2 + 5_000_000);
});
