/**
 * Programs for nodemailer's smtp-server, outside the tree and with one import changed: the examples of its own README, and those of
 * our guide.
 */

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OutsideFolder } from './outside-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const README = readFileSync(join(ROOT, 'node_modules/smtp-server/README.md'), 'utf8');
const GUIDE = readFileSync(join(ROOT, 'docs/guide/smtp-server.md'), 'utf8');

const outside = new OutsideFolder('smtp-server');
afterAll(() => outside.remove());

const withOurImport = (code: string): string => code.replaceAll("'smtp-server'", "'qpsmtpd/smtp-server'");

/** The blocks of the README that make a server. */
const servers = [...README.matchAll(/^```js\n([^]*?)^```$/gm)].flatMap(([, code]) =>
  code!.includes('new SMTPServer(') ? [code!] : [],
);

/** What stands around a block: what it leaves to its reader, and a client. */
const programOf = (block: string, talk: string): string => `
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { SMTPServer } from 'qpsmtpd/smtp-server';
import { TestClient } from 'qpsmtpd/testing';

const storage = new Writable({ write: (chunk, encoding, done) => done() });
const isTrustedNetwork = (address) => address === '127.0.0.1';
const ENVELOPE = ['MAIL FROM:<a@b.example>', 'RCPT TO:<c@d.example>', 'DATA'];
const BIG = ('x'.repeat(1000) + '\\r\\n').repeat(1200) + '.';

${withOurImport(block)}

server.options.authOptional = true;
server.listen(0, '127.0.0.1', async () => {
  const socket = connect(server.server.address().port, '127.0.0.1');
  const client = new TestClient(socket);
  const show = async (line) => console.log(await client.say(line));
  await client.reply();
  ${talk}
  socket.destroy();
  server.close();
});
`;

/** For each of them: what the client says, and what is printed. */
const talks: readonly (readonly [about: string, talk: string, printed: RegExp])[] = [
  [
    'SIZE',
    `for (const line of ['EHLO x', ...ENVELOPE]) await client.say(line);
     await show('Subject: small\\r\\n\\r\\n.');
     for (const line of ENVELOPE) await client.say(line);
     await show(BIG);`,
    /^250 OK\n552 Message too large\n$/,
  ],
  [
    'rejectOversized',
    `for (const line of ['EHLO x', ...ENVELOPE]) await client.say(line);
     await show(BIG);`,
    /^552 Error: message exceeds fixed maximum message size 1048576\n$/,
  ],
  [
    'useXClient',
    `await show('EHLO x'); await show('XCLIENT NAME=x');`,
    /^(?!.*XCLIENT)[^]*550 Error: Not allowed\n$/,
  ],
  ['disabledCommands', `await show('EHLO x');`, /250-AUTH LOGIN PLAIN/],
  [
    'maxRecipients',
    `for (const line of ['EHLO x', 'MAIL FROM:<a@b>']) await client.say(line);
     for (let at = 0; at < 100; at++) await client.say('RCPT TO:<' + at + '@b>');
     await show('RCPT TO:<one-more@b>');`,
    /^452 Error: too many recipients\n$/,
  ],
];

describe('the examples of its README', () => {
  test('all have a test', () => {
    expect(
      servers.map((code, index) =>
        code.includes(talks[index]?.[0] === 'SIZE' ? 'sizeExceeded' : talks[index]![0]),
      ),
    ).toEqual(talks.map(() => true));
  });

  test.each(talks.map(([about, talk, printed], index) => [about, servers[index]!, talk, printed] as const))(
    '%s',
    async (about, block, talk, printed) => {
      const { stdout, stderr } = await outside.run(about, programOf(block, talk));
      expect(stdout).toMatch(printed);
      expect(stderr).toBe('');
    },
  );

  test('both ways to load it', async () => {
    const [esm, commonJs] = [
      ...withOurImport(README).matchAll(/^(?:import|const) \{ SMTPServer \}.*$/gm),
    ].map(String);
    const end =
      '\nconsole.log(typeof SMTPServer, new SMTPServer({ logger: false }).options.authMethods.join());\n';
    expect((await outside.run('esm', esm! + end)).stdout).toBe('function LOGIN,PLAIN\n');
    expect((await outside.run('common', commonJs! + end, 'cjs')).stdout).toBe('function LOGIN,PLAIN\n');
  });
});

const examples = [...GUIDE.matchAll(/^```ts\n\/\/ (\S+)\.ts\n([^]*?)^```$/gm)].map(
  ([, name, code]) => [name!, code!] as const,
);

describe('the examples of our guide', () => {
  beforeAll(() => outside.compile(new Map(examples)));

  const printed: Readonly<Record<string, RegExp>> = {
    switching: /^250 kept for c@d\.example\n$/,
  };

  test('all have a test', () => {
    expect(examples.map(([name]) => name)).toEqual(Object.keys(printed));
  });

  test.each(Object.entries(printed))('%s', async (name, output) => {
    const { stdout, stderr } = await outside.node(`${name}.js`);
    expect(stdout).toMatch(output);
    expect(stderr).toBe('');
  });
});
