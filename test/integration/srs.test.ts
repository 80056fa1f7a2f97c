/** Debian's postsrsd and this package, with the same keys: each takes back what the other has made. */

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Address } from '../../bindings/plugin/index.ts';
import { reverse, rewrite } from '../../plugins/sender-rewriting/srs-address.ts';
import { freePort } from '../free-port.ts';
import { describeWith } from './needs.ts';
import { StartedPrograms } from './started.ts';

const KEYS = ['first-secret-of-16', 'second-secret-of-16'];
const DOMAIN = 'fwd.example';

const addressOf = (text: string): Address => {
  const at = text.lastIndexOf('@');
  return new Address(text.slice(0, at), text.slice(at + 1));
};

const SENDERS = [
  'joe@example.org',
  'Joe.User@Example.ORG',
  'a=b+c@c.example',
  "o'hara/x@d.example",
  'SRS0=aaaa=bb=src.example=u@other.example',
  'SRS0+aaaa=bb=src.example=u@other.example',
  'SRS0-odd@other.example',
  'SRS1=zzzz=one.example==aaaa=bb=src.example=u@two.example',
  'SRS1=zzzz=one.example=+aaaa=bb=src.example=u@two.example',
  ...Array.from({ length: 100 }, (_, index) => `user${index}@host${index * 7}.example`),
];

describeWith('postsrsd', 'postsrsd')('postsrsd', () => {
  const programs = new StartedPrograms();
  let folder = '';
  let ports = { forward: 0, reverse: 0 };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'srs-'));
    const secrets = join(folder, 'secrets');
    writeFileSync(secrets, KEYS.map((key) => `${key}\n`).join(''), { mode: 0o600 });
    ports = { forward: await freePort(), reverse: await freePort() };
    programs.start([
      'postsrsd',
      `-s${secrets}`,
      `-d${DOMAIN}`,
      '-4',
      '-A',
      `-f${ports.forward}`,
      `-r${ports.reverse}`,
    ]);
    await ask(ports.forward, 'up@example.org');
  });

  afterAll(async () => {
    await programs.end();
    rmSync(folder, { recursive: true, force: true });
  });

  // The day may change between the two: then the stamps differ, and both are right.
  const terms = (keys = KEYS) => ({ keys, hashLength: 4, nowMs: Date.now() });

  test('makes of every sender what we make of it', async () => {
    for (const sender of SENDERS) {
      const before = rewrite(addressOf(sender), DOMAIN, terms()).mailbox;
      const theirs = await ask(ports.forward, sender);
      const after = rewrite(addressOf(sender), DOMAIN, terms()).mailbox;
      expect([`200 ${before}`, `200 ${after}`]).toContain(theirs);
    }
  });

  test.each([0, 1])('takes back what we sign with key %i, and we what it signs', async (index) => {
    for (const sender of SENDERS) {
      const ours = rewrite(addressOf(sender), DOMAIN, terms([KEYS[index]!]));
      const ledBack = reverse(ours.localPart, 21, terms()) as Address;
      expect(await ask(ports.reverse, ours.mailbox)).toBe(`200 ${ledBack.mailbox}`);
      const theirs = (await ask(ports.forward, sender)).slice('200 '.length);
      expect((reverse(addressOf(theirs).localPart, 21, terms()) as Address).mailbox).toBe(ledBack.mailbox);
    }
  });

  test('refuses what we refuse', async () => {
    const good = rewrite(addressOf('joe@example.org'), DOMAIN, terms()).localPart;
    const old = { ...terms(), nowMs: Date.now() - 30 * 86_400_000 };
    const stranger = terms(['a-key-nobody-knows']);
    for (const localPart of [
      good.replace('joe', 'jim'),
      good.replace('example.org', 'example.net'),
      rewrite(addressOf('joe@example.org'), DOMAIN, old).localPart,
      rewrite(addressOf('joe@example.org'), DOMAIN, stranger).localPart,
      'SRS0=aaaa',
    ]) {
      expect(typeof reverse(localPart, 21, terms()), localPart).toBe('string');
      expect(await ask(ports.reverse, `${localPart}@${DOMAIN}`), localPart).toMatch(/^500 /);
    }
  });
});

/** One question in Postfix's tcp_table protocol; tries until the program listens. */
async function ask(port: number, key: string): Promise<string> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    try {
      return await askOnce(port, key);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function askOnce(port: number, key: string): Promise<string> {
  const socket: Socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.write(`get ${key}\n`);
    let reply = '';
    for await (const octets of socket) {
      reply += String(octets);
      if (reply.endsWith('\n')) break;
    }
    return reply.trim();
  } finally {
    socket.destroy();
  }
}
