/** `uribl` in the built daemon, with lists that dnsmasq serves on loopback. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '../free-port.ts';
import { PATIENCE_MS } from '../patience.ts';
import { RunningDaemon, Workplace } from './daemon.ts';
import { describeWith } from './needs.ts';
import { StartedPrograms } from './started.ts';

/** `spam.com` is on the first bit of one list, `listed.net` on all of the other; the third list has been sold. */
const ZONES = [
  'address=/test.multi.test/127.0.0.2',
  'address=/spam.com.multi.test/127.0.0.2',
  'txt-record=spam.com.multi.test,why it is listed',
  'address=/listed.net.links.test/127.0.0.64',
  'address=/test.links.test/127.0.0.2',
  'address=/sold.test/203.0.113.7',
  'local=/test/',
];

describeWith('dnsmasq', 'dnsmasq-base')('lists of domains that dnsmasq serves', () => {
  const programs = new StartedPrograms();
  const place = new Workplace();
  let daemon: RunningDaemon;
  let dns: ReturnType<StartedPrograms['start']>;

  beforeAll(async () => {
    const port = await freePort();
    const file = join(place.folder, 'dnsmasq.conf');
    writeFileSync(file, `${ZONES.join('\n')}\n`);
    dns = programs.start([
      'dnsmasq',
      '--keep-in-foreground',
      '--log-facility=-',
      '--log-queries',
      `--conf-file=${file}`,
      `--port=${port}`,
      '--listen-address=127.0.0.1',
      '--bind-interfaces',
      '--no-resolv',
      '--no-hosts',
      '--pid-file=',
      '--user=',
    ]);
    await vi.waitFor(() => expect(dns.said()).toContain('started'), { timeout: PATIENCE_MS });
    place.write({
      dns_servers: `127.0.0.1:${port}`,
      uribl_zones: 'multi.test 2 deny\nlinks.test\nsold.test -1 deny',
      uribl_whitelist_domains: 'w3.org',
      plugins: `uribl timeout 5\nrcpt_ok\nqueue/maildir ${place.maildir}`,
      loglevel: '7',
    });
    daemon = await RunningDaemon.start(place);
  }, PATIENCE_MS);

  afterAll(async () => {
    await daemon?.end();
    await programs.end();
    place.remove();
  }, PATIENCE_MS);

  /** The reply to a message with this body, and what was delivered of it. */
  async function send(...lines: readonly string[]) {
    const client = await programs.client(daemon.port);
    await client.reply();
    for (const line of ['EHLO client.test', 'MAIL FROM:<a@b.test>', 'RCPT TO:<u@example.test>', 'DATA'])
      expect(await client.say(line)).toMatch(/^(?:2|354)/);
    const before = place.delivered().length;
    const reply = await client.say(['From: a', ...lines, '.'].join('\r\n'));
    await client.say('QUIT');
    const marks = place
      .delivered()
      .flatMap((message) => message.toString('latin1').match(/^X-URIBL-Match: .*$/gm) ?? []);
    return { reply, isDelivered: place.delivered().length > before, marks };
  }

  test(
    'a message whose names nobody knows is delivered, and what is left out is not asked about',
    async () => {
      const sent = await send('', 'http://www.example.com/ https://www.w3.org/');
      expect(sent).toMatchObject({ reply: expect.stringMatching(/^250 /), isDelivered: true, marks: [] });
      // Letters come in any case: that is how an answer is known to be one.
      const asked = (): string => dns.said().toLowerCase();
      for (const list of ['multi.test', 'links.test'])
        await expect.poll(asked, { timeout: PATIENCE_MS }).toContain(`query[a] www.example.com.${list}`);
      expect(asked()).not.toContain('w3.org');
    },
    PATIENCE_MS,
  );

  test(
    'one that is listed is refused with the text of the list, behind base64 and entities, too',
    async () => {
      const refusal = '552 spam.com in multi.test: why it is listed';
      expect(await send('', 'http://spam.com/')).toMatchObject({ reply: refusal, isDelivered: false });
      const html = Buffer.from('<a href="http://spam&#46;com/">').toString('base64');
      expect(
        await send('Content-Type: text/html', 'Content-Transfer-Encoding: base64', '', html),
      ).toMatchObject({
        reply: refusal,
      });
    },
    PATIENCE_MS,
  );

  test(
    'one on the other list is marked',
    async () => {
      const { reply, marks } = await send('', 'http://listed.net/');
      expect(reply).toMatch(/^250 /);
      expect(marks).toEqual(['X-URIBL-Match: listed.net in links.test: 127.0.0.64']);
    },
    PATIENCE_MS,
  );

  test(
    'the list that has been sold refuses nobody, and the log says why',
    async () => {
      await expect.poll(() => daemon.log, { timeout: PATIENCE_MS }).toMatch(/sold\.test.*203\.0\.113\.7/);
    },
    PATIENCE_MS,
  );

  test(
    'a frozen server delays a message, and one that is gone does not refuse it',
    async () => {
      process.kill(dns.child.pid!, 'SIGSTOP');
      expect((await send('', 'http://other.org/')).reply).toMatch(/^250 /);
      process.kill(dns.child.pid!, 'SIGKILL');
      expect((await send('', 'http://another.org/')).reply).toMatch(/^250 /);
    },
    2 * PATIENCE_MS,
  );
});
