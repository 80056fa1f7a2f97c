/** What docs/guide/dns.md says, held to the program. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DnsServer } from '../../host/dns/dns-server.ts';
import { SETTINGS } from '../../host/settings/settings-table.ts';
import { askingService } from '../dns/asking.ts';
import { ZoneServer } from '../dns/zone-server.ts';

const GUIDE = readFileSync(new URL('../../docs/guide/dns.md', import.meta.url), 'utf8');
const surroundings = { hostName: 'mx.test', me: 'mx.test' };

test('the servers of the guide are read', () => {
  const lines = /```\n# config\/dns_servers\n(.*?)```/s.exec(GUIDE)![1]!.trim().split('\n');
  const placed = lines.map((text, at) => ({ text, place: { file: 'dns_servers', line: at + 1 } }));
  const [first, ...rest] = placed;
  expect(SETTINGS.dnsServers.parse([first!, ...rest])).toEqual([
    { address: '127.0.0.1', port: 53 },
    { address: '2001:db8::53', port: 5353 },
    { address: '192.0.2.53', port: 53 },
  ]);
  expect(() => SETTINGS.dnsServers.parse([first!, ...placed])).toThrow('4 servers: 3 are asked at most');
});

test('the defaults of its table are those of the settings', () => {
  const row = (name: string) => new RegExp(`^\\| \`${name}\` +\\| ([^|]+?) +\\|`, 'm').exec(GUIDE)![1];
  expect(row('dns_timeout')).toBe(`${SETTINGS.dnsTimeoutMs.fallback(surroundings) / 1_000} seconds`);
  expect(row('dns_cache')).toBe(`${SETTINGS.dnsCacheOctets.fallback(surroundings) / 1_048_576} MiB`);
  expect(row('dns_client')).toBe(`\`${SETTINGS.dnsClient.fallback(surroundings)}\``);
  expect(SETTINGS.dnsAttempts.fallback(surroundings)).toBeUndefined();
});

test('the lines of the log are those it names', () => {
  const said: string[] = [];
  const address = { address: '192.0.2.53', port: 53, isTrusted: false };
  const server = new DnsServer(address, (_, text) => said.push(text));
  for (let count = 0; count < 8; count++) server.misses(0);
  server.answers();
  for (let count = 0; count < 3; count++) server.foldsCase(0);
  server.lacksEdns(0);
  expect(said).toHaveLength(4);
  const named = [...GUIDE.matchAll(/^\| `(DNS server [^`]+)`/gm)].map(([, text]) => text!);
  const shown = said.map((text) =>
    text.replace('192.0.2.53:53', '…').replace(/without 0x20 bits$/, 'without …'),
  );
  expect(shown).toEqual(named);
});

test('silence is a failure in time, after as many attempts as it says', async () => {
  const server = await ZoneServer.start({ '* a.example': { spoil: () => [] } });
  const dns = askingService({ dnsServers: [server.resolver()], dnsTimeoutMs: 2_000 });
  expect(await dns.mx('a.example')).toMatchObject({ status: 'failed', reason: 'timeout' });
  expect(server.asked).toEqual(['MX a.example', 'MX a.example']);
});
