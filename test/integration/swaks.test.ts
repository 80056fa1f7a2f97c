/** Debian's swaks delivers; what lands in the Maildir is what it sent, after the fields that were added. */

import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RunningDaemon, Workplace } from './daemon.ts';
import { describeWith } from './needs.ts';

const run = promisify(execFile);
const ADDED =
  /^Return-Path: <a@b\.example>\nDelivered-To: u@example\.test\nAuthentication-Results: mx\.test; auth=none\nReceived: from Unknown \(HELO client\.example\) \(127\.0\.0\.1\)\n by mx\.test \(qpsmtpd\/[^)]+\) with ESMTP ; [^\n]+\n/;

describeWith('swaks', 'swaks')('swaks delivers', () => {
  const workplace = new Workplace();
  let daemon: RunningDaemon;
  beforeAll(async () => {
    daemon = await RunningDaemon.start(workplace);
  });
  afterAll(async () => {
    await daemon.end();
    workplace.remove();
  });

  /** Sends a message as it stands in `data` (LF line ends) and returns the new file of the Maildir. */
  async function deliver(data: Buffer, ...words: string[]): Promise<Buffer> {
    const file = join(workplace.folder, 'message');
    writeFileSync(file, data);
    const before = new Set(workplace.names('new'));
    const envelope = ['--from', 'a@b.example', '--to', 'u@example.test', '--helo', 'client.example'];
    await run(
      'swaks',
      ['--server', `127.0.0.1:${daemon.port}`, ...envelope, '--data', `@${file}`, ...words],
      {
        maxBuffer: 64 * 1024 * 1024,
      },
    );
    const [name, ...others] = workplace.names('new').filter((each) => !before.has(each));
    expect(others).toEqual([]);
    expect(workplace.names('tmp')).toEqual([]);
    expect(name).toBeDefined();
    return readFileSync(join(workplace.maildir, 'new', name!));
  }

  /** The octets after the fields that were added. */
  function original(delivered: Buffer): Buffer {
    const text = delivered.toString('latin1');
    const added = ADDED.exec(text)?.[0];
    expect(added, text.slice(0, 600)).toBeDefined();
    return delivered.subarray(added!.length);
  }

  test.each([
    ['dot lines', 'Subject: dots\n\n.\n..\n...\n.text\ntext.\n.\n.\nend\n'],
    ['8-bit octets', 'Subject: 8\n\ncaf\xe9 \xff\x80\xfe\n'],
    ['long lines', `Subject: long\n\n${'x'.repeat(5000)}\n${'y'.repeat(70_000)}\n`],
    ['folded and odd fields', 'X-A: 1\n\t2\n 3\nx-b:nothing\nSubject:   spaces  \n\nbody\n'],
    ['an empty body', 'Subject: nothing\n\n'],
  ])('%s arrive octet by octet', async (_what, text) => {
    const data = Buffer.from(text, 'latin1');
    const found = original(await deliver(data));
    expect(found.toString('latin1')).toBe(sent(data).toString('latin1'));
  });

  test('5 MB of octets above and below 127 arrive, spooled on the way', async () => {
    const lines = Array.from({ length: 70_000 }, (_, index) =>
      Buffer.from(`${index % 7 === 0 ? '.' : ''}${index} ${'\xe9\x01a.'.repeat(18)}`, 'latin1'),
    );
    const data = Buffer.concat([
      Buffer.from('Subject: five megabytes\n\n'),
      ...lines.flatMap((line) => [line, Buffer.from('\n')]),
    ]);
    expect(data.length).toBeGreaterThan(5_000_000);
    const found = original(await deliver(data));
    expect(found.equals(sent(data))).toBe(true);
  });

  test('an attachment arrives as swaks encoded it', async () => {
    const attachment = join(workplace.folder, 'attachment.bin');
    const octets = Buffer.from(Array.from({ length: 10_000 }, (_, index) => (index * 7) % 256));
    writeFileSync(attachment, octets);
    const before = new Set(workplace.names('new'));
    const envelope = ['--from', 'a@b.example', '--to', 'u@example.test', '--helo', 'client.example'];
    await run('swaks', ['--server', `127.0.0.1:${daemon.port}`, ...envelope, '--attach', `@${attachment}`]);
    const index = workplace.names('new').findIndex((name) => !before.has(name));
    const text = original(workplace.delivered()[index]!).toString('latin1');
    const encoded = /\nContent-Transfer-Encoding: BASE64\n(?:[^\n]+\n)*\n([A-Za-z0-9+/=\n]+?)\n\n?--/i.exec(
      text,
    )?.[1];
    expect(encoded, text.slice(0, 1500)).toBeDefined();
    expect(Buffer.from(encoded!, 'base64').equals(octets)).toBe(true);
  });
});

/** What swaks puts on the wire for `--data`: it ends the text with an empty line. */
const sent = (data: Buffer): Buffer => Buffer.concat([data, Buffer.from('\n')]);
