/** Transactions that go on to the next hop while they happen, and what goes wrong there and here. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { definePlugin, deny } from '../../bindings/plugin/index.ts';
import { beginData, cutThroughTo, type Given, type Setting } from './cut-through.ts';
import type { Script } from './scripted-hop.ts';
import { until } from '../patience.ts';

let setting: Setting;
afterEach(() => setting.close());

async function start(script: Script = {}, given: Given = {}) {
  setting = await cutThroughTo(script, given);
  return setting.server.greeted();
}

/** Only where silence is waited for: on a busy machine such a deadline may be over before the hop was read from. */
const IMPATIENT: Given = { options: { timeouts: { rcptMs: 300, endMs: 300 } } };

const HEADER = 'Subject: x\r\nFrom: <s@c.example>\r\n\r\n';

describe('a message goes through', () => {
  test('envelope, traced header, body with dots, and the words of the hop', async () => {
    const client = await start({ says: { RCPT: '250 2.1.5 fine by me' }, offers: ['ENHANCEDSTATUSCODES'] });
    await client.say('MAIL FROM:<s@c.example>');
    expect(await client.say('RCPT TO:<a@x.test>')).toBe('250 2.1.5 fine by me');
    expect(await client.say('DATA')).toMatch(/^354/);
    expect(await client.say(`${HEADER}..one\r\ntwo\r\n.`)).toBe('250 2.0.0 queued as 4711');
    const { hop } = setting;
    expect(hop.lines).toEqual(['EHLO mx.test', 'MAIL FROM:<s@c.example>', 'RCPT TO:<a@x.test>', 'DATA']);
    expect(hop.contents[0]).toMatch(
      /^Authentication-Results: .*\r\nReceived: from .*\r\n by mx\.test .*\r\nSubject: x\r\n/,
    );
    expect(hop.contents[0]).toMatch(/\r\n\r\n\.one\r\ntwo\r\n$/);
  });

  test('to a client of LMTP: what the hop says of the message is said of each recipient', async () => {
    setting = await cutThroughTo({
      says: { RCPT: (argument) => (argument.includes('<no@') ? '550 5.1.1 not here' : '250 2.1.5 fine') },
      offers: ['ENHANCEDSTATUSCODES'],
    });
    const client = setting.server.connect({ listener: { isLmtp: true } });
    await client.reply();
    await client.say('LHLO client.example');
    await client.say('MAIL FROM:<s@c.example>');
    expect(await client.say('RCPT TO:<a@x.test>')).toBe('250 2.1.5 fine');
    expect(await client.say('RCPT TO:<no@x.test>')).toBe('550 5.1.1 not here');
    expect(await client.say('RCPT TO:<b@x.test>')).toBe('250 2.1.5 fine');
    expect(await client.say('DATA')).toMatch(/^354/);
    client.send(`${HEADER}x\r\n.\r\nNOOP\r\n`);
    for (const expected of ['250 2.0.0 queued as 4711', '250 2.0.0 queued as 4711', '250 2.0.0 OK'])
      expect(await client.reply()).toBe(expected);
    expect(setting.ends()).toBe(1);
    expect(setting.hop.contents[0]).toContain('with LMTP ; ');
  });

  test('the body is on its way before it is whole', async () => {
    const client = await start();
    await beginData(client);
    client.send(HEADER);
    await until(() => setting.raw().includes('Subject: x'));
    client.send('first line\r\n');
    await until(() => setting.raw().includes('first line'));
    expect(setting.ends()).toBe(0);
    expect(await client.say('last\r\n.')).toMatch(/^250/);
    expect(setting.ends()).toBe(1);
  });

  test('several transactions over one connection, a broken one in between', async () => {
    const client = await start();
    for (let turn = 0; turn < 3; turn++) {
      await beginData(client);
      expect(await client.say(`${HEADER}${turn}\r\n.`)).toMatch(/^250/);
      await client.say('MAIL FROM:<other@c.example>');
      await client.say('RCPT TO:<other@x.test>');
      await client.say('RSET');
    }
    expect(setting.hop.talks).toHaveLength(1);
    expect(setting.ends()).toBe(3);
    expect(setting.hop.lines.filter((line) => line === 'RSET')).toHaveLength(2);
    await client.say('QUIT');
    await until(() => setting.hop.lines.includes('QUIT'));
  });

  test('a hop that does not take an envelope back gets the next transaction over another connection', async () => {
    const client = await start({ says: { RSET: '502 no' } });
    await client.say('MAIL FROM:<other@c.example>');
    await client.say('RCPT TO:<other@x.test>');
    await client.say('RSET');
    await beginData(client);
    expect(await client.say(`${HEADER}x\r\n.`)).toMatch(/^250/);
    expect(setting.hop.talks).toHaveLength(2);
  });

  test('a client that pipelines', async () => {
    const client = await start();
    client.send(
      'MAIL FROM:<s@c.example>\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<never@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n',
    );
    const replies = [];
    for (let count = 0; count < 5; count++) replies.push((await client.reply()).slice(0, 3));
    expect(replies).toEqual(['250', '250', '550', '250', '354']);
    expect(await client.say(`${HEADER}x\r\n.`)).toMatch(/^250/);
    expect(setting.hop.lines).not.toContain('RCPT TO:<never@x.test>');
  });

  test('a client that uses BDAT', async () => {
    const client = await start();
    await client.say('MAIL FROM:<s@c.example>');
    await client.say('RCPT TO:<a@x.test>');
    const first = `${HEADER}.\r\n`;
    client.send(`BDAT ${first.length}\r\n${first}`);
    expect(await client.reply()).toMatch(/^250/);
    await until(() => setting.raw().includes('Subject: x'));
    client.send('BDAT 4 LAST\r\n.end');
    expect(await client.reply()).toMatch(/^250/);
    expect(setting.hop.contents[0]!.endsWith('\r\n\r\n.\r\n.end\r\n')).toBe(true);
  });

  test('binary content goes on by BDAT, or not at all', async () => {
    const client = await start({ offers: ['CHUNKING', 'BINARYMIME', '8BITMIME'] });
    await client.say('MAIL FROM:<s@c.example> BODY=BINARYMIME');
    expect(await client.say('RCPT TO:<a@x.test>')).toMatch(/^250/);
    const content = `${HEADER}a\nb\r.\n.\r\n\0`;
    client.send(`BDAT ${content.length} LAST\r\n${content}`);
    expect(await client.reply()).toMatch(/^250/);
    expect(setting.hop.contents[0]!.endsWith('\r\n\r\na\nb\r.\n.\r\n\0')).toBe(true);
    setting.hop.script = {};
    const other = await setting.server.greeted();
    await other.say('MAIL FROM:<s@c.example> BODY=BINARYMIME');
    expect(await other.say('RCPT TO:<a@x.test>')).toMatch(/^554 5\.6\.1/);
  });

  test('a long one, cut anywhere', async () => {
    const client = await start();
    await beginData(client);
    const body = Array.from({ length: 20_000 }, (_, at) => `${at % 7 === 0 ? '.' : ''}line ${at}\r\n`).join(
      '',
    );
    const sent = HEADER + body.replace(/^\./gm, '..');
    for (let at = 0; at < sent.length; at += 7_919) {
      client.send(sent.slice(at, at + 7_919));
      if (at % 3 === 0) await sleep(1);
    }
    expect(await client.say('.')).toMatch(/^250/);
    expect(setting.hop.contents[0]!.endsWith(`\r\n\r\n${body}`)).toBe(true);
  });
});

describe('what the hop refuses', () => {
  test.each<[string, Script, string, RegExp]>([
    [
      'a sender',
      { says: { MAIL: '550 5.1.8 bad sender' } },
      'RCPT TO:<a@x.test>',
      /^550 5\.1\.8 bad sender$/,
    ],
    ['a recipient', { says: { RCPT: '452 4.2.2 full' } }, 'RCPT TO:<a@x.test>', /^452 4\.2\.2 full$/],
    ['everybody, by 421', { says: { RCPT: '421 4.3.2 later' } }, 'RCPT TO:<a@x.test>', /^451 4\.3\.2 later$/],
    [
      'connections',
      { says: { GREETING: '554 5.7.1 go away' } },
      'RCPT TO:<a@x.test>',
      /^554 5\.7\.1 go away$/,
    ],
    ['to speak', { says: { RCPT: 'what?' } }, 'RCPT TO:<a@x.test>', /^451 4\.5\.0 /],
    ['to answer', { says: { RCPT: '[silence]' } }, 'RCPT TO:<a@x.test>', /^451 4\.4\.2 /],
  ])('%s: the client hears it', async (what, script, line, reply) => {
    const client = await start(script, what === 'to answer' ? IMPATIENT : {});
    await client.say('MAIL FROM:<s@c.example>');
    expect(await client.say(line)).toMatch(reply);
    expect(await client.say('DATA')).toMatch(/^503/);
  });

  test('everything without a word: the client reads its codes with our words', async () => {
    const client = await start({ says: { MAIL: '250', RCPT: '250 2.1.5', DATA: '354', END: '250' } });
    await client.say('MAIL FROM:<s@c.example>');
    expect(await client.say('RCPT TO:<a@x.test>')).toBe('250 2.1.5 <a@x.test> recipient accepted');
    expect(await client.say('DATA')).toMatch(/^354/);
    expect(await client.say(`${HEADER}x\r\n.`)).toBe('250 2.6.0 Queued');
    setting.hop.script = { says: { RCPT: '550' } };
    await client.say('MAIL FROM:<s@c.example>');
    expect(await client.say('RCPT TO:<a@x.test>')).toBe('550 5.7.1 refused by the next hop');
    setting.hop.script = { says: { RCPT: '451 4.2.2' } };
    expect(await client.say('RCPT TO:<a@x.test>')).toBe('451 4.2.2 put off by the next hop');
  });

  test('DATA', async () => {
    const client = await start({ says: { DATA: '554 5.7.1 no content today' } });
    expect(await beginData(client)).toBe('554 5.7.1 no content today');
    expect(await client.say('MAIL FROM:<s@c.example>')).toMatch(/^250/);
  });

  test('one recipient of two: the other gets the message', async () => {
    const full = (argument: string) => (argument.includes('full') ? '452 4.2.2 full' : '');
    const client = await start({ says: { RCPT: full } });
    expect(await beginData(client, ['full@x.test', 'a@x.test', 'full@x.test'])).toMatch(/^354/);
    expect(await client.say(`${HEADER}x\r\n.`)).toMatch(/^250/);
    expect(setting.hop.talks[0]!.accepted).toEqual(['TO:<a@x.test>']);
    expect(setting.hop.lines.filter((line) => line.startsWith('MAIL'))).toHaveLength(1);
  });

  test('the message at its end', async () => {
    const client = await start({ says: { END: '554 5.7.1 spam' } });
    await beginData(client);
    expect(await client.say(`${HEADER}x\r\n.`)).toBe('554 5.7.1 spam');
  });
});

describe('a hop that fails', () => {
  test('closes inside the content', async () => {
    const client = await start();
    await beginData(client);
    client.send(HEADER);
    await until(() => setting.raw().includes('Subject'));
    setting.hop.dropConnections();
    await sleep(50);
    expect(await client.say('x\r\n.')).toMatch(/^451 4\.4\.2 /);
    await beginData(client);
    expect(await client.say(`${HEADER}y\r\n.`)).toMatch(/^250/);
  });

  test('answers inside the content', async () => {
    const client = await start();
    await beginData(client);
    client.send(HEADER);
    await until(() => setting.raw().includes('Subject'));
    setting.hop.talks[0]!.socket.write('552 5.3.4 too much\r\n');
    await sleep(50);
    expect(await client.say('x\r\n.')).toBe('552 5.3.4 too much');
    expect(setting.ends()).toBe(0);
  });

  test.each(['[close]', '[silence]'])('%s behind the end: the client has to try again', async (END) => {
    const client = await start({ says: { END } }, IMPATIENT);
    await beginData(client);
    expect(await client.say(`${HEADER}x\r\n.`)).toMatch(/^451 4\.4\.2 /);
  });

  test('has closed the kept connection: a new one is made without a word', async () => {
    const client = await start();
    await beginData(client);
    await client.say(`${HEADER}x\r\n.`);
    setting.hop.dropConnections();
    expect(await beginData(client)).toMatch(/^354/);
    expect(await client.say(`${HEADER}y\r\n.`)).toMatch(/^250/);
    expect(setting.ends()).toBe(2);
  });

  test('reads slowly: the client has to wait, and nothing gathers here', async () => {
    const client = await start();
    await beginData(client);
    client.send(HEADER);
    await until(() => setting.raw().includes('Subject'));
    const { socket } = setting.hop.talks[0]!;
    socket.pause();
    const block = Buffer.from(`${'x'.repeat(62)}\r\n`.repeat(4_096));
    let taken = 0;
    for (let count = 0; count < 50; count++) {
      client.stream.write(block, () => taken++);
    }
    await sleep(500);
    expect(taken).toBeLessThan(45);
    socket.resume();
    expect(await client.say('.')).toMatch(/^250/);
    expect(setting.raw().length).toBeGreaterThan(50 * block.length);
  });
});

describe('the hop never sees the end of a message that', () => {
  test('our plugins refuse', async () => {
    const refusing = definePlugin({
      name: 'refusing',
      about: 'Refuses.',
      hooks: { data_post: () => deny('not this one') },
    });
    const client = await start({}, { plugins: [refusing] });
    await beginData(client);
    client.send(HEADER);
    await until(() => setting.raw().includes('Subject'));
    expect(await client.say('x\r\n.')).toMatch(/^552 .*not this one$/);
    await until(() => setting.hop.talks[0]!.socket.destroyed);
    expect(setting.ends()).toBe(0);
    expect(setting.raw()).not.toMatch(/\r\n\.\r\n/);
  });

  test('the client breaks off', async () => {
    const client = await start();
    await beginData(client);
    client.send(`${HEADER}x\r\n`);
    await until(() => setting.raw().includes('Subject'));
    client.destroy();
    await until(() => setting.hop.talks[0]!.socket.destroyed);
    expect(setting.ends()).toBe(0);
  });

  test('is too large', async () => {
    const client = await start({}, { config: { databytes: '1000' } });
    await beginData(client);
    client.send(HEADER);
    await until(() => setting.raw().includes('Subject'));
    expect(await client.say(`${'x'.repeat(600)}\r\n${'x'.repeat(600)}\r\n.`)).toMatch(/^552/);
    expect(setting.ends()).toBe(0);
    await until(() => setting.hop.talks[0]!.socket.destroyed);
  });

  test.each(['\n.\r\n', '\r.\r\n', '\r\n.\n', '\n.\n', '\r\n.\r', 'a\nb'])(
    'has an ambiguous line end %j',
    async (ambiguous) => {
      const client = await start();
      await beginData(client);
      client.send(HEADER);
      await until(() => setting.raw().includes('Subject'));
      const smuggled = `MAIL FROM:<evil@c.example>\r\nRCPT TO:<a@x.test>\r\nDATA\r\n`;
      expect(await client.say(`x${ambiguous}${smuggled}\r\n.`)).toMatch(/^(?:5|421 )/);
      await until(() => setting.hop.talks[0]!.socket.destroyed);
      expect(setting.ends()).toBe(0);
      expect(setting.raw()).not.toContain('evil');
      expect(setting.raw()).not.toMatch(/[\r\n]\.[\r\n]/);
    },
  );

  test('has one by BDAT', async () => {
    const client = await start();
    await client.say('MAIL FROM:<s@c.example>');
    await client.say('RCPT TO:<a@x.test>');
    client.send(`BDAT ${HEADER.length}\r\n${HEADER}`);
    expect(await client.reply()).toMatch(/^250/);
    for (const piece of ['x\r', '\n.', '\n.\r', '\nQUIT\r\n']) {
      client.send(`BDAT ${piece.length}\r\n${piece}`);
      await client.reply();
    }
    expect(await client.say('BDAT 0 LAST')).toMatch(/^5/);
    expect(setting.ends()).toBe(0);
  });

  test('is 8-bit, where the hop takes none', async () => {
    const client = await start();
    await beginData(client);
    expect(await client.say(`${HEADER}\xe4\r\n.`)).toMatch(/^554 5\.6\.3/);
    expect(setting.ends()).toBe(0);
  });
});
