/** What plugins see of transactions that go on to the next hop while they happen, and what they may change. */

import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { definePlugin } from '../../bindings/plugin/index.ts';
import { beginData, cutThroughTo, type Given, type Setting } from './cut-through.ts';
import type { Script } from './scripted-hop.ts';
import { until } from '../patience.ts';

let setting: Setting;
afterEach(() => setting.close());

async function start(script: Script = {}, given: Given = {}) {
  setting = await cutThroughTo(script, given);
  return setting.server.greeted();
}

const HEADER = 'Subject: x\r\nFrom: <s@c.example>\r\n\r\n';

describe('plugins', () => {
  test('that read the content behind its end find it; without them it is not kept', async () => {
    let body = '';
    let late: unknown;
    const reading = definePlugin({
      name: 'reading',
      about: 'Reads.',
      hooks: {
        async data_post({ transaction: { message } }) {
          for await (const block of message.blocks('crlf')) body += block.toString('latin1');
        },
      },
    });
    const client = await start({}, { plugins: [reading] });
    await beginData(client);
    client.send(HEADER);
    await until(() => setting.raw().includes('Subject'));
    expect(await client.say('x\r\n.')).toMatch(/^250/);
    expect(body).toBe(setting.hop.contents[0]);
    await setting.close();
    const other = definePlugin({
      name: 'other',
      about: 'Reads where nothing is left.',
      hooks: {
        reset_transaction({ transaction }) {
          if (transaction.recipients.length === 0) return;
          try {
            transaction.message.blocks('crlf');
          } catch (cause) {
            late = cause;
          }
        },
      },
    });
    const next = await start({}, { plugins: [other] });
    await beginData(next);
    expect(await next.say(`${HEADER}x\r\n.`)).toMatch(/^250/);
    expect(late).toMatchObject({ code: 'Q_NO_MESSAGE' });
  });

  test('read a message that goes to disk meanwhile', async () => {
    let octets = 0;
    const reading = definePlugin({
      name: 'reading',
      about: 'Reads.',
      hooks: {
        async data_post({ transaction: { message } }) {
          for await (const block of message.blocks('crlf')) octets += block.length;
        },
      },
    });
    const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-cut-'));
    chmodSync(folder, 0o700);
    const config = { size_threshold: '10', spool_dir: folder };
    const client = await start({}, { plugins: [reading], config });
    await beginData(client);
    client.send(`${HEADER}${'x'.repeat(70)}\r\n`.repeat(2_000));
    expect(await client.say('.')).toMatch(/^250/);
    expect(octets).toBe(setting.hop.contents[0]!.length);
    rmSync(folder, { recursive: true });
  });

  test('may change the header until it goes out, and the recipients until DATA', async () => {
    const changing = definePlugin({
      name: 'changing',
      about: 'Changes.',
      hooks: {
        data({ transaction }) {
          transaction.removeRecipient(transaction.recipients[0]!.address);
        },
        data_headers_end({ transaction }) {
          transaction.message.header.append('X-Seen', 'yes');
        },
      },
    });
    const client = await start({}, { plugins: [changing] });
    expect(await beginData(client, ['gone@x.test', 'b@x.test'])).toMatch(/^354/);
    expect(await client.say(`${HEADER}x\r\n.`)).toMatch(/^250/);
    expect(setting.hop.talks[0]!.accepted).toEqual(['TO:<b@x.test>']);
    expect(setting.hop.contents[0]).toContain('\r\nX-Seen: yes\r\n\r\nx');
  });

  test('that change the recipients behind DATA have the message deferred', async () => {
    const changing = definePlugin({
      name: 'changing',
      about: 'Changes.',
      hooks: {
        data_post({ transaction }) {
          transaction.removeRecipient(transaction.recipients[0]!.address);
        },
      },
    });
    const client = await start({}, { plugins: [changing] });
    await beginData(client, ['gone@x.test', 'b@x.test']);
    expect(await client.say(`${HEADER}x\r\n.`)).toMatch(/^451 .*recipients changed/);
    expect(setting.ends()).toBe(0);
  });
});
