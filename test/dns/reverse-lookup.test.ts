/** Names of clients: from the file `hosts`, then from the DNS, without a promise where it is known. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { DnsReverseLookup, hostsFile, reverseNames } from '../../host/dns/reverse-lookup.ts';
import { asking } from './asking.ts';
import { ZoneServer } from './zone-server.ts';

const POINTER = 'PTR 9.2.0.192.in-addr.arpa';

function hosts(text: string) {
  const folder = mkdtempSync(join(tmpdir(), 'hosts-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'hosts'), text);
  return hostsFile(join(folder, 'hosts'));
}

async function given(text = '') {
  const server = await ZoneServer.start({
    [POINTER]: { records: [[POINTER, 'client.example']] },
    'PTR 8.2.0.192.in-addr.arpa': { records: [['PTR 8.2.0.192.in-addr.arpa', 'evil name.example']] },
    'PTR 7.2.0.192.in-addr.arpa': { code: 2 },
  });
  const dns = asking([server.resolver()]);
  const file = hosts(text);
  return { server, dns, file, names: new DnsReverseLookup(dns, file) };
}

test('the DNS is asked once, and then there is no promise any more', async () => {
  const { names, server } = await given();
  const first = names.nameOf('192.0.2.9');
  expect(first).toBeInstanceOf(Promise);
  expect(await first).toBe('client.example');
  expect(names.nameOf('192.0.2.9')).toBe('client.example');
  expect(await names.nameOf('192.0.2.8')).toBeUndefined();
  expect(await names.nameOf('192.0.2.7')).toBeUndefined();
  expect(names.nameOf('192.0.2.7')).toBeUndefined();
  expect(await names.nameOf('2001:db8::1')).toBeUndefined();
  expect(server.asked).toHaveLength(4);
  expect(names.nameOf('no address')).toBeUndefined();
  expect(names.nameOf('127.0.0.1')).toBeUndefined();
});

test('the file hosts comes first, and shows names as they are written there', async () => {
  const { names, server } = await given(
    '# 192.0.2.1 comment\n192.0.2.9\tMail.Example mail # more\n192.0.2.9 second\n2001:DB8:0::5 six\nnonsense\n192.0.2.4\n',
  );
  expect(names.nameOf('192.0.2.9')).toBe('Mail.Example');
  expect(names.nameOf('2001:db8::5')).toBe('six');
  expect(await names.nameOf('192.0.2.1')).toBeUndefined();
  expect(await names.nameOf('192.0.2.4')).toBeUndefined();
  expect(server.asked).toHaveLength(2);
});

test('programs that know `dns.reverse` are told in its words', async () => {
  const { dns, file } = await given('192.0.2.5 five\n');
  expect(await reverseNames(dns, file, '192.0.2.5')).toEqual(['five']);
  expect(await reverseNames(dns, file, '192.0.2.9')).toEqual(['client.example']);
  await expect(reverseNames(dns, file, '192.0.2.6')).rejects.toThrow('getHostByAddr ENOTFOUND 192.0.2.6');
  await expect(reverseNames(dns, file, '192.0.2.7')).rejects.toThrow('getHostByAddr ESERVFAIL 192.0.2.7');
});
