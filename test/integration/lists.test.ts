/** The lists of dnsmasq, asked by the built daemon over the network: dnsbl, rhsbl and dns_whitelist_soft. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from 'node:net';
import { TestClient } from '../../host/testing/index.ts';
import { freePort } from '../free-port.ts';
import { RunningDaemon, Workplace } from './daemon.ts';
import { connected } from './front.ts';
import { describeWith } from './needs.ts';
import { StartedPrograms, type Started } from './started.ts';

/** As a configuration of dnsmasq has them: no name exists but these. */
const RECORDS = [
  // The entries that every list has. RFC 5782 section 5.
  'host-record=2.0.0.127.zen.test,127.0.0.2',
  'host-record=2.0.0.127.msg.test,127.0.0.2',
  'host-record=2.0.0.127.allow.test,127.0.0.2',
  'host-record=test.rhs.test,127.0.0.2',
  'host-record=test.rhsmsg.test,127.0.0.2',
  // Listed, by what the tests look for.
  'host-record=2.2.0.192.zen.test,127.0.0.2',
  'txt-record=2.2.0.192.zen.test,listed by zen.test',
  'host-record=3.2.0.192.msg.test,127.0.0.2',
  'host-record=4.2.0.192.zen.test,127.0.0.2',
  'host-record=4.2.0.192.allow.test,127.0.9.3',
  'host-record=5.2.0.192.zen.test,127.255.255.254',
  'host-record=1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.test,127.0.0.3',
  'txt-record=bad.rhs.test,bad is listed in rhs.test',
  'host-record=evil.rhsmsg.test,127.0.0.2',
];

const FILES = {
  dnsbl_zones: 'zen.test\nmsg.test:Blocked, see http://x.example/?%IP%',
  rhsbl_zones: 'rhs.test\nrhsmsg.test sends evil mail',
  whitelist_zones: 'allow.test=127.0.[0..255].[1..3]',
  listeners: 'tcp://127.0.0.1:0 proxy=required',
  proxy_hosts: '127.0.0.1',
  loglevel: '6',
};

describeWith('dnsmasq', 'dnsmasq-base')('lists on a real server', () => {
  const programs = new StartedPrograms();
  let place: Workplace;
  let daemon: RunningDaemon;
  let dns: Started;

  beforeAll(async () => {
    const port = await freePort();
    place = new Workplace({ ...FILES, dns_servers: `127.0.0.1:${port}` });
    place.write({
      plugins: `dns_whitelist_soft check-at mail\ndnsbl check-at mail\nrhsbl\nrcpt_ok\nqueue/maildir ${place.maildir}`,
      'dnsmasq.conf': [
        `port=${port}`,
        'listen-address=127.0.0.1',
        'bind-interfaces',
        'no-resolv',
        'no-hosts',
        'local=/#/',
        ...RECORDS,
      ].join('\n'),
    });
    dns = programs.start(['dnsmasq', '-k', '-u', '', '-C', `${place.config}/dnsmasq.conf`]);
    (await connected(port, '127.0.0.1')).destroy();
    daemon = await RunningDaemon.start(place, { listen: [] });
  });
  afterAll(async () => {
    await programs.end();
    await daemon.end();
    place.remove();
  });

  /** What a client at `address` is told to MAIL, and to the message it then sends. */
  async function mail(address: string, from = 'a@good.example'): Promise<readonly string[]> {
    const family = address.includes(':') ? 'TCP6' : 'TCP4';
    const socket = connect({ port: daemon.port, host: '127.0.0.1' });
    const client = new TestClient(socket);
    programs.atEnd(() => socket.destroy());
    socket.write(`PROXY ${family} ${address} ${address} 40000 25\r\n`);
    await client.reply();
    const told: string[] = [];
    for (const line of ['EHLO hh.example', `MAIL FROM:<${from}>`]) told.push(await client.say(line));
    if (!told[1]!.startsWith('250')) return told.slice(1);
    for (const line of ['RCPT TO:<u@example.test>', 'DATA', 'From: a\r\n\r\n.'])
      told.push(await client.say(line));
    return [told.at(-1)!];
  }

  test.each([
    ['192.0.2.2', 'a@good.example', /^550 listed by zen\.test$/],
    ['192.0.2.3', 'a@good.example', /^550 Blocked, see http:\/\/x\.example\/\?192\.0\.2\.3$/],
    ['192.0.2.4', 'a@good.example', /^250 Queued/],
    ['192.0.2.5', 'a@good.example', /^250 Queued/],
    ['192.0.2.6', 'a@good.example', /^250 Queued/],
    ['2001:db8::1', 'a@good.example', /^550 Blocked by zen\.test$/],
    ['2001:db8::2', 'a@good.example', /^250 Queued/],
    ['192.0.2.6', 'a@bad', /^550 Mail from HELO hh\.example rejected because it bad is listed in rhs\.test$/],
    ['192.0.2.6', 'a@evil', /^550 Mail from evil rejected because it sends evil mail$/],
  ])('%s with mail from %s', async (address, from, reply) => {
    expect(await mail(address, from)).toEqual([expect.stringMatching(reply)]);
  });

  // The last one: nobody starts the server again.
  test('nobody is refused when the server is gone', async () => {
    dns.child.kill('SIGKILL');
    await dns.ended;
    expect(await mail('192.0.2.7', 'a@other')).toEqual([expect.stringMatching(/^250 Queued/)]);
    expect(daemon.log).toContain('dnsbl: error, no list has answered: zen.test: failed, ');
  });
});
