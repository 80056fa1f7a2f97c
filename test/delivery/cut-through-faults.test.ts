/** Faults of ours while a transaction goes on to the next hop, and hops that take only so many recipients. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Address } from '../../bindings/wire/address.ts';
import { definePlugin } from '../../bindings/plugin/index.ts';
import { ReturnCode } from '../../bindings/plugin/verdict.ts';
import type { CutThroughEnvelope } from '../../bindings/plugin/cut-through.ts';
import { openCutThrough } from '../../plugins/queue/cut-through/index.ts';
import { PLAIN_MAIL } from '../../host/session/envelope-parameters.ts';
import type { TestClient } from '../../host/testing/index.ts';
import { beginData, cutThroughTo, type Given, type Setting } from './cut-through.ts';
import { hopWith } from './hop-closers.ts';
import { hopServices, hostOf, keptLog } from './mail-object.ts';
import type { Script } from './scripted-hop.ts';
import { address } from './transaction.ts';
import { until } from '../patience.ts';

let setting: Setting;
const undo: (() => void)[] = [];
afterEach(async () => {
  for (const each of undo.splice(0)) each();
  await setting.close();
});

async function start(script: Script = {}, given: Given = {}): Promise<TestClient> {
  setting = await cutThroughTo(script, given);
  return setting.server.greeted();
}

const HEADER = 'Subject: x\r\nFrom: <s@c.example>\r\n\r\n';
type Core = Setting['server']['server']['core'];
const coreOf = (): Core => setting.server.server.core;

/** Takes every free slot of the core; what is returned gives them back. */
function takeSlots(): () => void {
  const core = coreOf();
  const slots: number[] = [];
  for (let slot = core.openData(); slot !== 0; slot = core.openData()) slots.push(slot);
  const giveBack = (): void => {
    for (const slot of slots.splice(0)) core.closeData(slot);
  };
  undo.push(giveBack);
  return giveBack;
}

function freeSlots(): number {
  let count = 0;
  const core = coreOf();
  const slots: number[] = [];
  for (let slot = core.openData(); slot !== 0; slot = core.openData()) slots.push(slot);
  count = slots.length;
  for (const slot of slots) core.closeData(slot);
  return count;
}

/** From now on the core throws when it is asked for `what`. */
function breakCore(what: 'openData' | 'data' | 'dataFlags' | 'longestLine' | 'content'): () => void {
  const core = coreOf();
  const mended = (): void => void Reflect.deleteProperty(core, what);
  Object.defineProperty(core, what, {
    configurable: true,
    value: () => {
      throw new Error('broken core');
    },
  });
  undo.push(mended);
  return mended;
}

/** A whole message, by whichever connection to the hop; nothing of an earlier one is in it. */
async function sendWhole(client: TestClient, recipient: string): Promise<void> {
  expect(await beginData(client, [recipient])).toMatch(/^354/);
  expect(await client.say(`${HEADER}whole\r\n.`)).toMatch(/^250/);
  const talk = setting.hop.talks.at(-1)!;
  expect(talk.accepted).toEqual([`TO:<${recipient}>`]);
  expect(talk.received.content.split('Subject: x').at(-1)).toBe(
    HEADER.slice('Subject: x'.length) + 'whole\r\n',
  );
}

const rcptTimeout: Given = { options: { timeouts: { rcptMs: 2_000 } } };

describe('without a free slot of the core', () => {
  test('DATA: the hop is not asked for content, and the transaction goes on once there is one', async () => {
    const client = await start({}, rcptTimeout);
    const giveBack = takeSlots();
    expect(await beginData(client)).toMatch(/^452 4\.3\.1 /);
    expect(await client.say('DATA')).toMatch(/^452 4\.3\.1 /);
    expect(setting.hop.lines).not.toContain('DATA');
    giveBack();
    expect(await client.say('RCPT TO:<b@x.test>')).toMatch(/^250/);
    expect(await client.say('DATA')).toMatch(/^354/);
    expect(await client.say(`${HEADER}x\r\n.`)).toMatch(/^250/);
    expect(setting.hop.contents.join('')).not.toContain('RCPT');
    expect(setting.hop.talks[0]!.accepted).toEqual(['TO:<a@x.test>', 'TO:<b@x.test>']);
    expect(setting.ends()).toBe(1);
  });

  test.each(['RSET', 'MAIL FROM:<o@c.example>', 'EHLO client.example', 'QUIT'])(
    'DATA, and then %s',
    async (command) => {
      const client = await start();
      const giveBack = takeSlots();
      expect(await beginData(client)).toMatch(/^452/);
      await client.say(command);
      giveBack();
      const other = command === 'QUIT' ? await setting.server.greeted() : client;
      if (!command.startsWith('MAIL')) await sendWhole(other, 'n@x.test');
      else {
        expect(await client.say('RSET')).toMatch(/^250/);
        await sendWhole(client, 'n@x.test');
      }
      expect(setting.ends()).toBe(1);
    },
  );

  test('BDAT: the octets are no commands, the hop is not asked, and the next transaction goes through', async () => {
    const client = await start();
    const giveBack = takeSlots();
    await client.say('MAIL FROM:<s@c.example>');
    await client.say('RCPT TO:<a@x.test>');
    client.send('BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nRSET\r\nNOOP\r\n');
    expect(await client.reply()).toMatch(/^452 4\.3\.1 /);
    expect(await client.reply()).toMatch(/^452 4\.3\.1 /);
    expect(await client.reply()).toMatch(/^250/);
    expect(setting.hop.lines).not.toContain('DATA');
    giveBack();
    await sendWhole(client, 'n@x.test');
    expect(setting.ends()).toBe(1);
  });
});

describe('no slot is kept', () => {
  test.each(['554 5.7.1 no', '[close]'])('by a hop that says %s to DATA', async (DATA) => {
    const client = await start({ says: { DATA } });
    const before = freeSlots();
    expect(await beginData(client)).toMatch(/^(?:554|451)/);
    expect(freeSlots()).toBe(before);
    await client.say('MAIL FROM:<s@c.example>');
    await client.say('RCPT TO:<a@x.test>');
    client.send('BDAT 4\r\nQUITBDAT 4 LAST\r\nQUIT');
    expect(await client.reply()).toMatch(/^(?:554|451)/);
    expect(await client.reply()).toMatch(/^(?:554|451)/);
    expect(freeSlots()).toBe(before);
  });

  test('by a client that leaves while the hop thinks about DATA', async () => {
    const client = await start({ says: { DATA: '[silence]' } });
    const before = freeSlots();
    await client.say('MAIL FROM:<s@c.example>');
    await client.say('RCPT TO:<a@x.test>');
    client.send('DATA\r\n');
    await until(() => setting.hop.lines.includes('DATA'));
    client.destroy();
    await until(() => setting.hop.talks[0]!.socket.destroyed);
    await until(() => freeSlots() === before);
  });
});

describe('the message cannot be stored for a plugin that reads it', () => {
  const reading = definePlugin({ name: 'reading', about: 'Reads.', hooks: { data_post: () => undefined } });
  const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-cut-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const given = { plugins: [reading], config: { size_threshold: '10', spool_dir: join(folder, 'spool') } };
  /** A file in its place: a folder that is only missing would be made again. */
  const breakSpool = (): void => {
    rmSync(given.config.spool_dir, { recursive: true });
    writeFileSync(given.config.spool_dir, '');
  };
  const mendSpool = (): void => {
    rmSync(given.config.spool_dir, { recursive: true, force: true });
    mkdirSync(given.config.spool_dir, { mode: 0o700 });
  };
  beforeEach(mendSpool);

  test('by DATA: 452, the hop never sees the end, and the next transaction goes through', async () => {
    const client = await start({}, given);
    await beginData(client);
    breakSpool();
    client.send(HEADER);
    expect(await client.say('x\r\n.')).toMatch(/^452 4\.3\.1 /);
    await until(() => setting.hop.talks[0]!.socket.destroyed);
    expect(setting.ends()).toBe(0);
    mendSpool();
    await sendWhole(client, 'n@x.test');
  });

  test('by BDAT: the same, and what follows the chunk is no command', async () => {
    const client = await start({}, given);
    await client.say('MAIL FROM:<s@c.example>');
    await client.say('RCPT TO:<a@x.test>');
    breakSpool();
    client.send(`BDAT ${HEADER.length}\r\n${HEADER}BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nRSET\r\n`);
    const replies = [await client.reply(), await client.reply(), await client.reply()];
    expect(replies.at(-1)).toMatch(/^452 4\.3\.1 /);
    expect(replies.join('\n')).not.toMatch(/^(?:221|5)/m);
    await until(() => setting.hop.talks[0]!.socket.destroyed);
    expect(setting.ends()).toBe(0);
    mendSpool();
    await sendWhole(client, 'n@x.test');
  });
});

describe('the core fails', () => {
  test('at DATA: 451, and the next transaction goes through', async () => {
    const client = await start();
    const mend = breakCore('openData');
    expect(await beginData(client)).toMatch(/^451 4\.3\.0 /);
    expect(setting.hop.lines).not.toContain('DATA');
    mend();
    await sendWhole(client, 'n@x.test');
  });

  test('at BDAT: the octets are no commands, and the next transaction goes through', async () => {
    const client = await start();
    const mend = breakCore('openData');
    await client.say('MAIL FROM:<s@c.example>');
    await client.say('RCPT TO:<a@x.test>');
    client.send('BDAT 6\r\nQUIT\r\nNOOP\r\n');
    expect(await client.reply()).toMatch(/^451 4\.3\.0 /);
    expect(await client.reply()).toMatch(/^250/);
    mend();
    await sendWhole(client, 'n@x.test');
  });

  test('at the end of the message: 451, the hop never sees the end, and the next transaction goes through', async () => {
    const client = await start();
    await beginData(client);
    client.send(HEADER);
    await until(() => setting.raw().includes('Subject'));
    const mend = breakCore('longestLine');
    expect(await client.say('x\r\n.')).toMatch(/^451 4\.3\.0 /);
    await until(() => setting.hop.talks[0]!.socket.destroyed);
    mend();
    await sendWhole(client, 'n@x.test');
    expect(setting.ends()).toBe(1);
  });

  test.each(['data', 'dataFlags'] as const)(
    'inside the content (%s): 451, and nothing of it is read as commands',
    async (what) => {
      const client = await start();
      await beginData(client);
      client.send(HEADER);
      await until(() => setting.raw().includes('Subject'));
      breakCore(what);
      client.send('x\r\nMAIL FROM:<evil@c.example>\r\n.\r\nQUIT\r\n');
      expect(await client.reply()).toMatch(/^451 4\.3\.0 /);
      expect(await client.isClosed()).toBe(true);
      await until(() => setting.hop.talks[0]!.socket.destroyed);
      expect(setting.ends()).toBe(0);
      expect(setting.raw()).not.toContain('\r\n.\r\n');
    },
  );

  test('inside a chunk: 451, and nothing of it is read as commands', async () => {
    const client = await start();
    await client.say('MAIL FROM:<s@c.example>');
    await client.say('RCPT TO:<a@x.test>');
    client.send(`BDAT ${HEADER.length}\r\n${HEADER}`);
    await client.reply();
    breakCore('content');
    client.send('BDAT 8\r\nx\r\nBDAT 26\r\nMAIL FROM:<evil@c.example>\r\n');
    expect(await client.reply()).toMatch(/^451 4\.3\.0 /);
    expect(await client.isClosed()).toBe(true);
    await until(() => setting.hop.talks[0]!.socket.destroyed);
    expect(setting.ends()).toBe(0);
  });
});

describe('a hop that takes only so many recipients', () => {
  const RCPT =
    (reply: string) =>
    (_: string, { accepted }: { accepted: string[] }) =>
      accepted.length < 2 ? '' : reply;

  test.each([
    ['552 5.5.3 enough', '452 4.5.3 enough'],
    ['452 4.5.3 enough', '452 4.5.3 enough'],
    ['552 too many recipients', '452 4.5.3 too many recipients'],
    ['552 5.2.2 full', '552 5.2.2 full'],
  ])('%s behind others reaches the client as %s', async (said, read) => {
    const client = await start({ says: { RCPT: RCPT(said) } });
    await client.say('MAIL FROM:<s@c.example>');
    await client.say('RCPT TO:<a@x.test>');
    await client.say('RCPT TO:<b@x.test>');
    expect(await client.say('RCPT TO:<c@x.test>')).toBe(read);
    expect(await client.say('DATA')).toMatch(/^354/);
    expect(await client.say(`${HEADER}x\r\n.`)).toMatch(/^250/);
    await sendWhole(client, 'c@x.test');
  });

  test('said of the first recipient it reaches the client as it is', async () => {
    const client = await start({ says: { RCPT: '552 5.5.3 none at all' } });
    await client.say('MAIL FROM:<s@c.example>');
    expect(await client.say('RCPT TO:<a@x.test>')).toBe('552 5.5.3 none at all');
  });

  test('and refuses DATA behind that: it is asked anew, without those it has refused', async () => {
    let isOver = false;
    const says: Script['says'] = {
      MAIL: () => ((isOver = false), ''),
      RCPT: (_, { accepted }) => {
        isOver ||= accepted.length >= 2;
        return isOver ? '452 4.5.3 enough' : '';
      },
      DATA: () => (isOver ? '503 5.5.1 there were too many' : ''),
    };
    const client = await start({ says });
    expect(await beginData(client, ['a@x.test', 'b@x.test', 'c@x.test'])).toMatch(/^354/);
    expect(await client.say(`${HEADER}x\r\n.`)).toMatch(/^250/);
    expect(setting.hop.talks[0]!.accepted).toEqual(['TO:<a@x.test>', 'TO:<b@x.test>']);
    expect(setting.hop.talks).toHaveLength(1);
  });
});

test('a recipient that is offered while the hop waits for content is not said into it', async () => {
  setting = await cutThroughTo({});
  const hop = await hopWith();
  const timeouts = { rcptMs: 2_000 };
  const options = { hosts: [hostOf(hop)], helloName: 'mx.test', log: keptLog(), timeouts };
  const transaction = openCutThrough(options, hopServices).begin();
  const recipientOf = (mailbox: string) => ({ address: address(mailbox), parameters: new Map() });
  const [a, b] = [recipientOf('a@x.test'), recipientOf('b@x.test')];
  const envelopeFor = (...recipients: CutThroughEnvelope['recipients']): CutThroughEnvelope => ({
    reversePath: new Address('s', 'c.example'),
    mailOptions: PLAIN_MAIL,
    recipients,
    client: undefined,
    id: 't1',
  });
  expect((await transaction.offer(envelopeFor(), a)).code).toBe(ReturnCode.OK);
  expect((await transaction.open(envelopeFor(a))).code).toBe(ReturnCode.OK);
  expect((await transaction.offer(envelopeFor(a), b)).code).toBe(ReturnCode.OK);
  expect((await transaction.open(envelopeFor(a, b))).code).toBe(ReturnCode.OK);
  transaction.write(Buffer.from(HEADER));
  expect((await transaction.finish(envelopeFor(a, b), false)).code).toBe(ReturnCode.OK);
  expect(hop.contents.at(-1)).toBe(HEADER);
  expect(hop.talks.at(-1)!.accepted).toEqual(['TO:<a@x.test>', 'TO:<b@x.test>']);
  transaction.close();
});
