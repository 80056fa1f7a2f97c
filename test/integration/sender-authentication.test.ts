/** SPF, DKIM, ARC and DMARC together in the built daemon, with zones that dnsmasq serves on loopback. */

import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestClient } from '../../host/testing/index.ts';
import { freePort } from '../free-port.ts';
import { PATIENCE_MS } from '../patience.ts';
import { messagesOf, RunningDaemon, Workplace } from './daemon.ts';
import { connected } from './front.ts';
import { describeWith } from './needs.ts';
import { StartedPrograms, type Started } from './started.ts';

/** Where clients come from: the address that SPF permits, that of somebody who may relay, and another. */
const PERMITTED = '127.0.0.9';
const USER = '127.0.0.11';
const OTHER = '127.0.0.10';

/** Ed25519, as a record with its key fits into one string. */
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const KEY_FILE = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const KEY = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64');

const RECORDS = [
  `txt-record=reject.example,v=spf1 ip4:${PERMITTED} -all`,
  'txt-record=_dmarc.reject.example,v=DMARC1; p=reject',
  'txt-record=_dmarc.aside.example,v=DMARC1; p=quarantine',
  `txt-record=s1._domainkey.reject.example,v=DKIM1; k=ed25519; p=${KEY}`,
  `txt-record=s1._domainkey.relay.example,v=DKIM1; k=ed25519; p=${KEY}`,
];

const MESSAGE = 'From: ann@reject.example\r\nTo: u@example.test\r\nSubject: x\r\n\r\nHello.\r\n';

describeWith('dnsmasq', 'dnsmasq-base')('sender_permitted_from, dkim, arc and dmarc on a real server', () => {
  const programs = new StartedPrograms();
  const place = new Workplace();
  const passing = new Workplace();
  const aside = join(place.folder, 'Quarantine');
  let dns: Started;
  /** It judges. */
  let daemon: RunningDaemon;
  /** It signs for its users, and seals what others send. */
  let forwarder: RunningDaemon;

  beforeAll(async () => {
    const port = await freePort();
    const conf = join(place.folder, 'dnsmasq.conf');
    const server = [`port=${port}`, 'listen-address=127.0.0.1', 'bind-interfaces', 'no-resolv', 'no-hosts'];
    writeFileSync(conf, [...server, 'local=/#/', ...RECORDS, ''].join('\n'));
    dns = programs.start(['dnsmasq', '-k', '-u', '', '-C', conf]);
    (await connected(port, '127.0.0.1')).destroy();
    place.write({
      dns_servers: `127.0.0.1:${port}`,
      dns_timeout: '2',
      dmarc_trusted_sealers: 'relay.example',
      plugins: [
        'sender_permitted_from timeout 5',
        'dkim',
        'arc',
        'dmarc quarantine keep dns_timeout 5',
        'rcpt_ok',
        `queue/quarantine maildir ${aside}`,
        `queue/maildir ${place.maildir}`,
      ].join('\n'),
    });
    daemon = await RunningDaemon.start(place);
    for (const domain of ['reject.example', 'relay.example']) {
      mkdirSync(join(passing.config, 'dkim', domain), { recursive: true });
      passing.write({ [`dkim/${domain}/selector`]: 's1' });
      writeFileSync(join(passing.config, 'dkim', domain, 'private'), KEY_FILE, { mode: 0o600 });
    }
    passing.write({
      me: 'relay.example',
      dns_servers: `127.0.0.1:${port}`,
      relayclients: USER,
      plugins: [
        'relay',
        'sender_permitted_from',
        'dkimsign',
        'arc seal relay.example',
        'dmarc',
        'rcpt_ok',
        `queue/maildir ${passing.maildir}`,
      ].join('\n'),
    });
    forwarder = await RunningDaemon.start(passing);
  }, PATIENCE_MS);

  afterAll(async () => {
    await daemon?.end();
    await forwarder?.end();
    await programs.end();
    place.remove();
    passing.remove();
  }, PATIENCE_MS);

  /** The last reply to a message from the client at `address`. */
  async function send(
    { port }: RunningDaemon,
    address: string,
    message: string,
    from = 'ann@reject.example',
  ): Promise<string> {
    const stream = await connected(port, address);
    const client = new TestClient(stream);
    await client.reply();
    for (const line of ['EHLO client.example', `MAIL FROM:<${from}>`, 'RCPT TO:<u@example.test>', 'DATA'])
      expect(await client.say(line)).toMatch(/^(?:2|354)/);
    const reply = await client.say(`${message}.`);
    stream.destroy();
    return reply;
  }

  /** The same, of a message that is taken: as it is delivered, and what Authentication-Results says. */
  async function taken(
    to: RunningDaemon,
    address: string,
    message: string,
    from?: string,
  ): Promise<{ readonly message: string; readonly results: string }> {
    const { maildir } = to === daemon ? place : passing;
    const before = new Set(messagesOf(maildir).map(String));
    expect(await send(to, address, message, from)).toMatch(/^250 /);
    const [added = ''] = messagesOf(maildir)
      .map(String)
      .filter((each) => !before.has(each));
    const [results = ''] = /^Authentication-Results: .*(?:\n[ \t].*)*/m.exec(added) ?? [];
    return { message: added.replaceAll('\n', '\r\n'), results: results.replace(/\n[ \t]+/g, ' ') };
  }

  test('what SPF permits is taken, and the same from elsewhere refused', async () => {
    const { results } = await taken(daemon, PERMITTED, MESSAGE);
    expect(results).toMatch(
      /^Authentication-Results: mx\.test; auth=none; spf=pass [^;]*; dkim=none; arc=none [^;]*; dmarc=pass /,
    );
    expect(await send(daemon, OTHER, MESSAGE)).toBe('552 failed DMARC policy');
  });

  test('what is signed is taken from anywhere, unless it was changed', async () => {
    const { message } = await taken(forwarder, USER, MESSAGE);
    expect(message).toContain('d=reject.example; s=s1;');
    const { results } = await taken(daemon, OTHER, message);
    expect(results).toMatch(/; spf=fail [^;]*; dkim=pass header\.d=reject\.example [^;]*;.*; dmarc=pass /);
    expect(await send(daemon, OTHER, message.replace('Hello', 'Goodbye'))).toBe('552 failed DMARC policy');
  });

  test('what a trusted forwarder has sealed is taken, unless it was changed', async () => {
    const { message } = await taken(forwarder, PERMITTED, MESSAGE);
    expect(message).toMatch(/^ARC-Seal: i=1; /m);
    const { results } = await taken(daemon, OTHER, message);
    expect(results).toMatch(/; arc=pass .*; dmarc=fail \(p=reject dis=none local_policy\) /);
    expect(await send(daemon, OTHER, message.replace('Hello', 'Goodbye'))).toBe('552 failed DMARC policy');
  });

  test('p=quarantine puts a message aside, in a Maildir of its own', async () => {
    const before = place.delivered().length;
    const from = 'ann@aside.example';
    expect(await send(daemon, OTHER, MESSAGE.replace('reject', 'aside'), from)).toMatch(/^250 /);
    expect(place.delivered()).toHaveLength(before);
    const [kept = ''] = messagesOf(aside).map(String);
    expect(kept).toContain('From: ann@aside.example');
    expect(kept.replace(/\n[ \t]+/g, ' ')).toContain(
      'dmarc=fail (p=quarantine dis=quarantine) header.from=aside.example',
    );
  });

  test('results in our name that came with a message, and those of the message before, are not ours', async () => {
    const forged = `Authentication-Results: mx.test; dmarc=pass header.from=forged.example\r\n`;
    const stream = await connected(daemon.port, PERMITTED);
    const client = new TestClient(stream);
    await client.reply();
    await client.say('EHLO client.example');
    const before = new Set(place.delivered().map(String));
    const say = (from: string, message: string): string =>
      `MAIL FROM:<${from}>\r\nRCPT TO:<u@example.test>\r\nDATA\r\n${message}.\r\n`;
    // The first is dropped by RSET while SPF is asked for; all is sent at once.
    stream.write(
      `MAIL FROM:<ann@reject.example>\r\nRSET\r\n${say('ann@reject.example', MESSAGE)}${say('ann@none.example', `${forged}From: ann@none.example\r\n\r\nsecond\r\n`)}`,
    );
    const replies: string[] = [];
    for (let count = 0; count < 10; count++) replies.push(await client.reply());
    expect(replies.map((reply) => reply.slice(0, 3)).join(' ')).toBe(
      '250 250 250 250 354 250 250 250 354 250',
    );
    stream.destroy();
    const added = place
      .delivered()
      .map((message) => message.toString().replace(/\n[ \t]+/g, ' '))
      .filter((message) => !before.has(message));
    const second = added.find((message) => message.endsWith('second\n'))!;
    expect(second).toContain(
      '\nOriginal-Authentication-Results: mx.test; dmarc=pass header.from=forged.example\n',
    );
    const own = second.match(/^Authentication-Results: .*$/gm)!;
    expect(own).toHaveLength(1);
    expect(own[0]).toContain('; dmarc=none header.from=none.example');
    expect(own[0]).not.toMatch(/reject\.example|=pass/);
  });

  // The last one: nobody starts the server again.
  test('a server that is silent, or gone, refuses nothing', { timeout: 2 * PATIENCE_MS }, async () => {
    const about = (domain: string) => [`From: ann@${domain}\r\n\r\nx\r\n`, `ann@${domain}`] as const;
    process.kill(dns.child.pid!, 'SIGSTOP');
    const silent = await taken(daemon, OTHER, ...about('silent.example'));
    expect(silent.results).toMatch(/; spf=temperror .*; dmarc=temperror /);
    dns.child.kill('SIGKILL');
    await dns.ended;
    const gone = await taken(daemon, OTHER, ...about('gone.example'));
    expect(gone.results).toMatch(/; spf=temperror .*; dmarc=temperror /);
  });
});
